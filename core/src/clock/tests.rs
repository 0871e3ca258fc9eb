use super::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

/// Two clocks and the path between them, in true time.
struct World {
    rng: StdRng,
    /// True time, in nanoseconds.
    now: u64,
    /// The peer's clock minus ours at time zero.
    offset: i64,
    skew: f64,
    /// One way without queueing.
    path: u64,
    /// Most queueing towards the peer and back.
    jitter: (u64, u64),
}

impl World {
    fn new(seed: u64) -> World {
        println!("seed {seed}");
        World {
            rng: StdRng::seed_from_u64(seed),
            now: 40 * SECOND,
            offset: -25_123_456_789,
            skew: 0.0,
            path: 300_000,
            jitter: (0, 0),
        }
    }

    fn true_offset(&self, at: u64) -> i64 {
        self.offset + (at as f64 * self.skew) as i64
    }

    fn queueing(&mut self, most: u64) -> u64 {
        if most == 0 {
            0
        } else {
            self.rng.random_range(0..most)
        }
    }

    /// One sample that arrives `step` later than the one before.
    fn sample(&mut self, step: u64) -> Sample {
        self.now += step;
        let (out, back) = self.jitter;
        let (out, back) = (self.path + self.queueing(out), self.path + self.queueing(back));
        let held = self.rng.random_range(0..20 * MS);
        let sent = self.now - out - held - back;
        let peer_received = (sent + out).strict_add_signed(self.true_offset(sent + out));
        let peer_sent = (sent + out + held).strict_add_signed(self.true_offset(sent + out + held));
        Sample {
            sent: LocalTime(sent),
            peer_sent: PeerTime(peer_sent),
            held: Duration::from_nanos(peer_sent - peer_received),
            received: LocalTime(self.now),
        }
    }

    fn error(&self, sync: &ClockSync) -> u64 {
        (sync.offset().unwrap().0 - self.true_offset(self.now)).unsigned_abs()
    }
}

#[test]
fn one_sample_gives_offset_and_delay() {
    let mut sync = ClockSync::default();
    assert_eq!(sync.offset(), None);
    let delay = Duration::from_nanos(400);
    let measured = sync.handle_sample(Sample {
        sent: LocalTime(1_000),
        peer_sent: PeerTime(50_600),
        held: Duration::from_nanos(400),
        received: LocalTime(1_800),
    });
    assert_eq!(measured, Some((delay, Duration::ZERO)));
    assert_eq!(sync.delay(), Some(delay));
    assert_eq!(sync.offset(), Some(Span(49_000)));
    assert_eq!(sync.error_bound(), Some(Duration::from_nanos(200)));
}

#[test]
fn fifty_milliseconds_of_queueing_one_way_leave_100_microseconds() {
    let ways = [
        (1, (50 * MS, 0), 100_000),
        (2, (0, 50 * MS), 100_000),
        (3, (50 * MS, 50 * MS), 250_000),
    ];
    for (seed, jitter, bound) in ways {
        let mut world = World::new(seed);
        world.jitter = jitter;
        let mut sync = ClockSync::default();
        let mut worst = 0;
        for i in 0..60 * 60 {
            sync.handle_sample(world.sample(SECOND / 60));
            // Half a minute in, the quickest of 1800 datagrams have been seen.
            if i > 30 * 60 {
                worst = worst.max(world.error(&sync));
            }
        }
        assert!(worst < bound, "{worst} ns");
    }
}

#[test]
fn a_cable_is_in_step_within_a_second() {
    let mut world = World::new(4);
    world.jitter = (200_000, 200_000);
    world.skew = 60e-6;
    let mut sync = ClockSync::default();
    for _ in 0..60 {
        sync.handle_sample(world.sample(SECOND / 60));
    }
    for _ in 0..60 * 120 {
        sync.handle_sample(world.sample(SECOND / 60));
        assert!(world.error(&sync) < 100_000, "{} ns", world.error(&sync));
    }
}

#[test]
fn skew_of_100_ppm_is_followed_over_minutes() {
    for (seed, skew) in [(5, 100e-6), (6, -100e-6), (7, 420e-6)] {
        let mut world = World::new(seed);
        world.skew = skew;
        world.jitter = (5 * MS, 5 * MS);
        let mut sync = ClockSync::default();
        for i in 0..300 * 60 {
            sync.handle_sample(world.sample(SECOND / 60));
            if i > 60 * 60 {
                let ppm = sync.skew_ppm().unwrap();
                assert!((ppm - skew * 1e6).abs() < 5.0, "{ppm} ppm");
                assert!(world.error(&sync) < 100_000, "{} ns", world.error(&sync));
            }
        }
        assert_eq!(sync.steps(), 0);
        // A skew beyond all crystals may look like a step until it is known.
        assert!(sync.rejected() < 5);
    }
}

#[test]
fn a_step_of_the_peer_is_followed_after_four_samples() {
    for (seed, step) in [(8, 3_600 * SECOND.cast_signed()), (9, -90 * MS.cast_signed())] {
        let mut world = World::new(seed);
        world.jitter = (MS, MS);
        world.skew = 40e-6;
        let mut sync = ClockSync::default();
        for _ in 0..3_000 {
            sync.handle_sample(world.sample(SECOND / 60));
        }
        let skew = sync.skew_ppm();
        world.offset += step;
        for _ in 0..STEP_SAMPLES {
            sync.handle_sample(world.sample(SECOND / 60));
        }
        assert_eq!(sync.steps(), 1);
        assert_eq!(sync.rejected(), u64::from(STEP_SAMPLES) - 1);
        assert!(world.error(&sync) <= 2 * MS, "{} ns", world.error(&sync));
        assert_eq!(sync.skew_ppm(), skew, "the crystal is the same");
        for _ in 0..600 {
            sync.handle_sample(world.sample(SECOND / 60));
        }
        assert!(world.error(&sync) < 100_000, "{} ns", world.error(&sync));
    }
}

#[test]
fn one_straggler_from_before_a_suspend_changes_nothing() {
    let mut world = World::new(10);
    let mut sync = ClockSync::default();
    for _ in 0..100 {
        sync.handle_sample(world.sample(SECOND / 60));
    }
    let before = sync.offset();
    let mut straggler = world.sample(1);
    straggler.peer_sent = PeerTime(straggler.peer_sent.0 - 5 * SECOND);
    sync.handle_sample(straggler);
    assert_eq!(sync.offset(), before);
    assert_eq!(sync.rejected(), 1);
}

#[test]
fn reordering_and_repetition_do_no_harm() {
    let mut world = World::new(11);
    world.jitter = (3 * MS, 3 * MS);
    world.skew = 20e-6;
    let mut sync = ClockSync::default();
    let mut last = Vec::new();
    for i in 0..4_000 {
        let sample = world.sample(SECOND / 60);
        last.push(sample);
        // Four at a time, backwards, and each of them once more, stamped as late as the duplicate came.
        if last.len() == 4 {
            for sample in last.drain(..).rev() {
                sync.handle_sample(sample);
                let duplicate = LocalTime(world.now + 2 * MS);
                sync.handle_sample(Sample {
                    received: duplicate,
                    ..sample
                });
            }
        }
        if i > 2_000 && i % 4 == 3 {
            assert!(world.error(&sync) < 100_000, "{} ns", world.error(&sync));
        }
    }
    assert_eq!(sync.rejected(), 0);
}

#[test]
fn impossible_stamps_are_counted_and_change_nothing() {
    let mut world = World::new(12);
    let mut sync = ClockSync::default();
    for _ in 0..10 {
        sync.handle_sample(world.sample(SECOND / 60));
    }
    let (offset, good) = (sync.offset(), world.sample(1));
    let max = LocalTime(u64::MAX);
    let hostile = [
        Sample { sent: max, ..good },
        Sample {
            received: max,
            ..good
        },
        Sample {
            sent: max,
            received: max,
            ..good
        },
        Sample {
            peer_sent: PeerTime(u64::MAX),
            ..good
        },
        Sample {
            peer_sent: PeerTime(0),
            held: Duration::from_millis(1),
            ..good
        },
        Sample {
            held: Duration::MAX,
            ..good
        },
        Sample {
            held: good.received.since(good.sent) + Duration::from_millis(1),
            ..good
        },
        Sample {
            sent: good.received,
            received: good.sent,
            ..good
        },
        Sample {
            sent: LocalTime(0),
            ..good
        },
    ];
    for (i, sample) in hostile.into_iter().enumerate() {
        assert_eq!(sync.handle_sample(sample), None);
        assert_eq!(sync.rejected(), i as u64 + 1, "{sample:?}");
        assert_eq!(sync.offset(), offset);
    }
}

#[test]
fn no_stamps_whatever_panic_or_overflow() {
    let mut rng = StdRng::seed_from_u64(13);
    let mut sync = ClockSync::default();
    let stamp = |rng: &mut StdRng| rng.random::<u64>() >> rng.random_range(0..64);
    for i in 0..200_000 {
        let sent = stamp(&mut rng);
        sync.handle_sample(Sample {
            sent: LocalTime(sent),
            peer_sent: PeerTime(stamp(&mut rng)),
            held: Duration::from_nanos(stamp(&mut rng)),
            received: LocalTime(sent.saturating_add(stamp(&mut rng))),
        });
        let _ = sync.offset();
        let _ = (sync.error_bound(), sync.delay(), sync.jitter());
        if i % 1_000 == 0 {
            sync.reset();
        }
    }
}
