//! The pure code alone: nanoseconds for one datagram written, one read, and one whole exchange of two
//! bridges, in both modes.

use gamelink_core::protocol::{
    Header, Key, MAX_DATAGRAM, Nonce, Offer, Outcome, Sequence, Verdict, Writer, decode,
};
use gamelink_core::serial::Speed;
use gamelink_sim::sim::{Mode, Pair};
use serde::Serialize;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Cost of one operation.
#[derive(Clone, Debug, Serialize)]
pub struct Cost {
    /// Name of the operation.
    pub name: &'static str,
    /// Median of the batches, in nanoseconds.
    pub nanos: f64,
    /// The quickest batch.
    pub least_nanos: f64,
    /// For a sealed datagram, the multiple of an open one's median.
    pub of_open: Option<f64>,
    /// Operations measured.
    pub count: u64,
}

const BATCHES: u64 = 101;

/// Measures in batches; the median is what a quiet moment gives.
fn cost(name: &'static str, batch: u64, mut operation: impl FnMut()) -> Cost {
    let times = (0..BATCHES).map(|_| {
        let start = Instant::now();
        for _ in 0..batch {
            operation();
        }
        start.elapsed().as_nanos() as f64 / batch as f64
    });
    Cost {
        count: BATCHES * batch,
        ..of(name, times.collect())
    }
}

/// Measures a part of an operation, by its own time: a look at the clock is in each.
fn part(name: &'static str, count: u64, mut operation: impl FnMut() -> Duration) -> Cost {
    of(name, (0..count).map(|_| operation().as_nanos() as f64).collect())
}

fn of(name: &'static str, mut times: Vec<f64>) -> Cost {
    times.sort_unstable_by(f64::total_cmp);
    Cost {
        name,
        nanos: times.get(times.len() / 2).copied().unwrap_or_default(),
        least_nanos: times.first().copied().unwrap_or_default(),
        of_open: None,
        count: times.len() as u64,
    }
}

/// Measures all operations; takes about a second.
#[must_use]
pub fn run() -> Vec<Cost> {
    let mut costs = datagrams();
    costs.extend(strict());
    costs.extend(rollback());
    costs
}

/// A datagram open, and sealed with a key.
fn datagrams() -> Vec<Cost> {
    let mut buffer = [0; MAX_DATAGRAM];
    let len = write(&mut buffer);
    let open = buffer;
    let open = open.get(..len).unwrap_or_default();
    let key = Key::new([7; 16]);
    let mut sealed = open.to_vec();
    key.seal(&mut sealed).expect("a whole datagram");
    let read = |datagram: &[u8]| {
        let (header, events) = decode(black_box(datagram)).expect("what was just written");
        black_box((header, events.count()));
    };
    let plain = [
        cost("write a datagram: header, one offer, one verdict", 2000, || {
            black_box(write(black_box(&mut buffer)));
        }),
        cost("read and check the same", 2000, || read(open)),
    ];
    let with_key = [
        cost("write and seal it with a key", 2000, || {
            let len = write(black_box(&mut buffer));
            black_box(key.seal(&mut buffer[..len]));
        }),
        cost("open it with the key, read and check it", 2000, || {
            let mut opened = [0; MAX_DATAGRAM];
            let opened = &mut opened[..len];
            opened.copy_from_slice(black_box(&sealed));
            key.open(opened).expect("what was sealed");
            read(opened);
        }),
    ];
    let of_open = |(cost, plain): (Cost, &Cost)| Cost {
        of_open: Some(cost.nanos / plain.nanos),
        ..cost
    };
    let with_key: Vec<_> = with_key.into_iter().zip(&plain).map(of_open).collect();
    plain.into_iter().chain(with_key).collect()
}

fn strict() -> Vec<Cost> {
    let mut pair = linked(Mode::Strict);
    let before = pair.steps();
    exchange(&mut pair);
    let steps = (pair.steps() - before) as f64;
    let whole = cost(
        "a whole exchange of two strict bridges: request, offer, taken, verdict, frame",
        500,
        || exchange(&mut pair),
    );
    let step = Cost {
        name: "one step of a strict bridge, the mean of those",
        nanos: whole.nanos / steps,
        least_nanos: whole.least_nanos / steps,
        of_open: None,
        count: whole.count,
    };
    let idle = cost(
        "a frame boundary of a strict bridge with nothing to do",
        2000,
        || {
            pair.frame(0, true);
        },
    );
    vec![whole, step, idle]
}

fn rollback() -> Vec<Cost> {
    let mut pair = linked(Mode::Rollback);
    let idle = cost("a call with rollback, 20 looks, nothing to do", 2000, || {
        pair.call(0, 0, false, true);
    });
    let mut pair = linked(Mode::Rollback);
    let exchange = cost(
        "an exchange with rollback: a call on each side, the prediction right",
        500,
        || {
            call_both(&mut pair, 0);
        },
    );
    let right = part(
        "a call that clocks a byte, the last prediction right",
        20_000,
        || call_both(&mut pair, 0),
    );
    let before = pair.link(0).counters();
    let mut byte = 0;
    let wrong = part("the same, the last prediction wrong", 20_000, || {
        byte ^= 0x55;
        call_both(&mut pair, byte)
    });
    let after = pair.link(0).counters();
    let corrections = after.frames.corrections - before.frames.corrections;
    let replayed = after.frames.replayed - before.frames.replayed;
    assert!(
        corrections + 10 > wrong.count && replayed.abs_diff(corrections * 2) < 10,
        "each rolls two frames back: the byte is taken at its moment, in the peer's next call: \
         {corrections} {replayed}"
    );
    let one = Cost {
        name: "a rollback: load, two frames with 20 looks replayed, saves; the difference of those",
        nanos: wrong.nanos - right.nanos,
        least_nanos: wrong.least_nanos - right.least_nanos,
        of_open: None,
        count: wrong.count,
    };
    vec![idle, exchange, right, wrong, one]
}

/// Two bridges that know each other, on a perfect wire.
fn linked(mode: Mode) -> Pair {
    let mut pair = Pair::new(mode, 0);
    for _ in 0..200 {
        match mode {
            Mode::Strict => (0..2).for_each(|side| pair.frame(side, true)),
            Mode::Rollback => (0..2).for_each(|side| pair.call(side, 0, false, true)),
        }
        pass(&mut pair);
    }
    assert!(
        (0..2).all(|side| pair.link(side).is_linked()),
        "a perfect wire links"
    );
    pair
}

fn pass(pair: &mut Pair) {
    pair.pass(Duration::from_millis(16));
    pair.deliver();
}

/// Side 0 clocks a byte, side 1 takes it at its next frame boundary.
fn exchange(pair: &mut Pair) {
    pair.request(0);
    pair.deliver();
    pair.frame(1, true);
    pair.deliver();
    assert!(!pair.is_waiting(0), "a listening game answers");
    pass(pair);
    pair.frame(0, false);
}

/// Side 0 clocks a byte in its frame, and side 1 answers with `byte` in its own, which it has not announced;
/// how long the first took.
fn call_both(pair: &mut Pair, byte: u8) -> Duration {
    pair.set_byte(1, byte);
    let start = Instant::now();
    pair.call(0, 1, false, false);
    let took = start.elapsed();
    pair.deliver();
    pair.call(1, 0, false, false);
    pass(pair);
    took
}

fn write(buffer: &mut [u8; MAX_DATAGRAM]) -> usize {
    let header = Header {
        from: Nonce(1),
        to: Nonce(2),
        sequence: Sequence(3),
        sent: 4,
        ..Header::default()
    };
    let mut writer = Writer::new(buffer, black_box(&header)).expect("a buffer of this size");
    writer.offers(std::iter::once(Offer {
        chunk: None,
        part: None,
        since_take: None,
        called: None,
        lead: 0,
        id: 7,
        byte: 0x29,
        speed: Speed::Normal,
        frame: 1000,
        judged: 7,
    }));
    writer.verdicts(std::iter::once(Verdict {
        id: 6,
        outcome: Outcome::Taken { byte: 0x55 },
    }));
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_strict_bridges_exchange_a_byte_whenever_asked() {
        let mut pair = linked(Mode::Strict);
        for _ in 0..10_000 {
            exchange(&mut pair);
        }
    }

    #[test]
    fn a_wrong_prediction_is_rolled_back_once_and_a_right_one_never() {
        let mut pair = linked(Mode::Rollback);
        for byte in [0, 0x55] {
            let before = pair.link(0).counters();
            for n in 0..1000_u16 {
                call_both(&mut pair, if n % 2 == 0 { 0 } else { byte });
            }
            let after = pair.link(0).counters();
            let corrections = after.frames.corrections - before.frames.corrections;
            assert!(
                corrections.abs_diff(if byte == 0 { 0 } else { 1000 }) < 10,
                "{corrections}"
            );
            assert!(after.transfers.answered - before.transfers.answered > 990);
        }
    }
}
