//! Two histories and two toy games, one slot at a time.

mod conversation;
mod moments;
mod speculation;

use super::*;
use crate::protocol::{MAX_DATAGRAM, Nonce, Outcome, Sequence, decode};
use crate::sequence_numbers::{OwnEpoch, OwnOffer, PeerOffer};
use crate::serial::{SerialControl, UNPLUGGED};
use crate::time::FrameTime;

/// A game whose whole memory is what it has read.
struct Toy {
    rollback: Rollback,
    memory: Vec<u8>,
    states: Vec<Vec<u8>>,
    sequence: u64,
    /// The core tells the time inside its frames.
    has_clock: bool,
    /// Looks for bytes so often in a frame, one a chunk where it tells that, and answers with the count of
    /// what it has read.
    polls: usize,
    /// Clocks these in a frame, by its memory.
    clocks: fn(u64, &[u8]) -> Vec<u8>,
    /// FF02 at the end of each frame.
    control: u8,
    steps: Vec<Step>,
}

impl Toy {
    fn new(polls: usize, clocks: fn(u64, &[u8]) -> Vec<u8>) -> Toy {
        let mut rollback = Rollback::new(16);
        rollback.plug(true, false);
        Toy {
            rollback,
            memory: vec![],
            states: vec![vec![]; 16],
            sequence: 0,
            has_clock: false,
            polls,
            clocks,
            control: 0,
            steps: vec![],
        }
    }

    fn frame(&mut self, frame: u64) {
        for poll in 0..self.polls {
            let chunk = self.has_clock.then(|| Chunk::new(u8::try_from(poll).unwrap()));
            if let Some((byte, _)) = self.rollback.poll(Look::EventLoop, chunk) {
                self.rollback.taken(answer(&self.memory));
                self.memory.push(byte);
            }
        }
        for byte in (self.clocks)(frame, &self.memory) {
            self.rollback.offer(Request {
                time: self
                    .has_clock
                    .then(|| FrameTime::of_chunk(Chunk::new(u8::try_from(self.polls).unwrap()))),
                ..Request::normal(byte)
            });
            let read = self.rollback.answer();
            self.memory.push(read);
        }
        self.rollback.frame_end(Boundary {
            has_advanced: true,
            serial_control: SerialControl(self.control),
            serial_byte: 0,
        });
    }

    /// One slot; what was done in it.
    fn slot(&mut self) -> &[Step] {
        self.steps.clear();
        loop {
            let step = self.rollback.step();
            match step {
                Step::Load { slot } => self.memory = self.states[slot].clone(),
                Step::Save { token, .. } => {
                    self.states[token.slot()] = self.memory.clone();
                    self.rollback.saved(token, true);
                    continue;
                }
                Step::Replay { frame } | Step::Live { frame } => self.frame(frame),
                Step::Stall | Step::Done => {}
            }
            self.steps.push(step);
            if self.steps.last() == Some(&Step::Done) {
                return &self.steps;
            }
        }
    }

    /// Says to the other what it may lack.
    fn tell(&mut self, other: &mut Toy) {
        let (header, events) = self.write();
        let events = Events::check(&events).unwrap();
        other.rollback.handle_datagram(&header, events);
    }

    /// Header and events of its next datagram.
    fn write(&mut self) -> (Header, Vec<u8>) {
        self.sequence += 1;
        let mut header = Header {
            from: Nonce(1),
            sequence: Sequence(self.sequence),
            ..Header::default()
        };
        self.rollback.write_header(&mut header);
        let mut buffer = [0; MAX_DATAGRAM];
        let mut writer = Writer::new(&mut buffer, &header).unwrap();
        self.rollback.write_events(&mut writer);
        let len = writer.finish();
        let (header, events) = decode(&buffer[..len]).unwrap();
        (header, events.as_bytes().to_vec())
    }

    /// The same toy with a core that tells its time, on the side that keeps the timeline or not.
    fn with_clock(mut self, is_keeper: bool) -> Toy {
        self.has_clock = true;
        self.rollback.set_clock(true);
        self.rollback.plug(false, is_keeper);
        self
    }

    fn has(&self, wanted: impl Fn(&Step) -> bool) -> bool {
        self.steps.iter().any(wanted)
    }

    fn replayed(&self) -> u64 {
        self.rollback.counters().frames.replayed
    }
}

fn request(rollback: &mut Rollback, byte: u8) -> u8 {
    rollback.offer(Request::normal(byte));
    rollback.answer()
}

fn answer(memory: &[u8]) -> u8 {
    100_u8.wrapping_add(memory.len().to_le_bytes()[0])
}

/// One byte a frame, whatever was read.
fn counting(frame: u64, _: &[u8]) -> Vec<u8> {
    vec![frame.to_le_bytes()[0]]
}

/// One byte a frame: the one that was read last.
fn echoing(_: u64, memory: &[u8]) -> Vec<u8> {
    vec![memory.last().copied().unwrap_or(0)]
}

fn nothing(_: u64, _: &[u8]) -> Vec<u8> {
    vec![]
}

/// Two toys that have just been linked, before their first common frame.
fn linked(mut a: Toy, mut b: Toy) -> (Toy, Toy) {
    for _ in 0..2 {
        a.tell(&mut b);
        b.tell(&mut a);
    }
    assert!(
        !a.rollback.is_linked(),
        "only once there is a state to go back to"
    );
    (a, b)
}

/// Plays so many calls of both, with datagrams passing after each.
fn play(a: &mut Toy, b: &mut Toy, slots: usize) {
    for _ in 0..slots {
        a.slot();
        a.tell(b);
        b.slot();
        b.tell(a);
    }
}

#[test]
fn without_a_peer_a_game_reads_ff_and_nothing_is_kept() {
    let mut toy = Toy::new(4, counting);
    assert_eq!(toy.slot(), [Step::Live { frame: 0 }, Step::Done]);
    assert_eq!(toy.slot(), [Step::Live { frame: 1 }, Step::Done]);
    assert_eq!(toy.memory, [UNPLUGGED, UNPLUGGED]);
    assert_eq!(toy.rollback.confirmed().frame, 2);
}

#[test]
fn a_wrong_prediction_is_replayed_from_the_state_before_it() {
    let (mut a, mut b) = linked(Toy::new(0, counting), Toy::new(4, nothing));
    play(&mut a, &mut b, 1);
    assert_eq!(a.memory, [UNPLUGGED], "a prediction");
    a.slot();
    assert!(a.has(|step| matches!(step, Step::Load { .. })));
    assert!(a.has(|step| *step == Step::Replay { frame: 0 }));
    assert_eq!(a.memory[0], 100, "the truth");
    assert_eq!(a.rollback.counters().frames.corrections, 1);
}

#[test]
fn what_a_replay_sends_again_needs_no_word() {
    let (mut a, mut b) = linked(Toy::new(0, counting), Toy::new(4, nothing));
    play(&mut a, &mut b, 20);
    assert!(a.replayed() > 10);
    assert_eq!((a.rollback.counters().transfers.replaces, b.replayed()), (0, 0));
    let expected: Vec<u8> = (0..20).collect();
    assert_eq!(b.memory, expected);
}

#[test]
fn what_a_replay_sends_differently_is_replaced_and_taken_anew() {
    let (mut a, mut b) = linked(Toy::new(0, echoing), Toy::new(4, nothing));
    // B's words reach A two calls late, so that B has taken what A then replaces.
    for n in 0..40 {
        a.slot();
        a.tell(&mut b);
        b.slot();
        if n % 3 == 2 {
            b.tell(&mut a);
        }
    }
    assert!(a.rollback.counters().transfers.replaces > 5 && b.rollback.counters().frames.replaced > 5);
    let settled = a.rollback.history.outbound.settled().raw() as usize;
    assert!(settled > 10);
    assert_eq!(
        a.memory[..settled - 1],
        b.memory[1..settled],
        "each byte came back"
    );
}

#[test]
fn at_its_horizon_a_game_stands_still_and_goes_on_with_the_verdict() {
    let (mut a, mut b) = linked(Toy::new(0, counting), Toy::new(4, nothing));
    (0..4).for_each(|_| assert!(!a.slot().contains(&Step::Stall)));
    (0..50).for_each(|_| assert!(a.slot().contains(&Step::Stall)));
    assert_eq!(a.rollback.counters().frames.live, 4);
    play(&mut a, &mut b, 2);
    assert!(a.rollback.counters().frames.live > 4);
}

#[test]
fn two_games_that_clock_at_once_read_each_others_bytes() {
    let (mut a, mut b) = linked(
        Toy::new(2, counting),
        Toy::new(2, |frame, _| vec![200 + frame.to_le_bytes()[0]]),
    );
    for _ in 0..20 {
        a.slot();
        b.slot();
        a.tell(&mut b);
        b.tell(&mut a);
    }
    assert!(a.rollback.counters().transfers.paired > 15);
    for n in 0..10_u8 {
        let place = usize::from(n);
        assert_eq!((a.memory[place], b.memory[place]), (200 + n, n));
    }
}

#[test]
fn a_game_that_does_not_listen_refuses_after_two_whole_frames() {
    let (mut a, mut b) = linked(Toy::new(0, counting), Toy::new(0, nothing));
    play(&mut a, &mut b, 1);
    assert_eq!(b.rollback.counters().transfers.peer_refused, 0);
    play(&mut a, &mut b, 20);
    let counters = a.rollback.counters();
    assert!(counters.transfers.refused >= 18, "{counters:?}");
    assert_eq!(
        (counters.frames.corrections, counters.frames.stalls),
        (0, 0),
        "0xFF was the prediction"
    );
}

#[test]
fn pulled_out_the_open_bytes_read_ff_and_the_rest_stays() {
    let (mut a, mut b) = linked(Toy::new(0, counting), Toy::new(4, nothing));
    play(&mut a, &mut b, 5);
    a.slot();
    a.slot();
    let sure = a.rollback.history.outbound.answered().raw() as usize;
    let confirmed = a.rollback.confirmed().frame;
    a.rollback.unplug();
    assert!(
        a.rollback.is_open(),
        "what is open is told from what is final still"
    );
    assert_eq!(a.rollback.confirmed().frame, confirmed);
    a.slot();
    assert!(!a.rollback.is_linked() && !a.rollback.is_open());
    assert!(
        a.memory[..sure]
            .iter()
            .all(|byte| *byte >= 100 && *byte != UNPLUGGED)
    );
    assert!(a.memory.len() > sure + 1);
    assert!(a.memory[sure..].iter().all(|byte| *byte == UNPLUGGED));
    assert_eq!(a.rollback.confirmed().frame, a.rollback.counters().frames.live);
}

#[test]
fn plugged_in_again_both_sides_begin_anew() {
    let (mut a, mut b) = linked(Toy::new(0, counting), Toy::new(4, nothing));
    play(&mut a, &mut b, 5);
    a.rollback.unplug();
    play(&mut a, &mut b, 3);
    assert!(b.rollback.is_linked(), "nobody told B");
    a.rollback.plug(false, false);
    play(&mut a, &mut b, 10);
    assert!(a.rollback.is_linked() && b.rollback.is_linked());
    assert_eq!(b.rollback.counters().joins, 2);
    assert_eq!(a.memory.last().map(|byte| *byte != UNPLUGGED), Some(true));
}

#[test]
fn a_frame_with_more_transfers_than_can_be_kept_is_undone() {
    let flood = |frame: u64, _: &[u8]| vec![7; if frame == 3 { 3000 } else { 1 }];
    let (mut a, mut b) = linked(Toy::new(0, flood), Toy::new(4, nothing));
    play(&mut a, &mut b, 3);
    let before = a.memory.len();
    a.slot();
    assert!(a.has(|step| *step == Step::Live { frame: 3 }) && a.has(|step| *step == Step::Stall));
    assert_eq!(a.memory.len(), before, "as if it had not run");
    assert_eq!(a.rollback.counters().frames.undone, 1);
}

/// An opening, once.
fn opening(frame: u64, _: &[u8]) -> Vec<u8> {
    if frame == 0 { vec![0x29] } else { vec![] }
}

#[test]
fn an_opening_waits_for_the_games_own_code_of_its_frame() {
    let (mut a, mut b) = linked(Toy::new(0, opening), Toy::new(1, nothing));
    a.slot();
    a.tell(&mut b);
    b.slot();
    assert!(b.memory.is_empty(), "it is the first poll of that frame");
    b.slot();
    b.slot();
    assert_eq!(b.memory, [0x29], "nor the first of the next, but no later");

    let (mut a, mut b) = linked(Toy::new(0, opening), Toy::new(2, nothing));
    a.slot();
    a.tell(&mut b);
    b.slot();
    assert_eq!(b.memory, [0x29], "the second poll takes it");
}

#[test]
fn a_game_that_hears_an_opening_in_the_frame_of_its_own_answers() {
    let (mut a, mut b) = linked(Toy::new(0, opening), Toy::new(1, opening));
    a.slot();
    a.tell(&mut b);
    b.slot();
    assert_eq!(b.memory, [UNPLUGGED]);
    assert_eq!(
        b.rollback.history.outbound.next().raw(),
        0,
        "nobody hears of its own opening"
    );
    play(&mut a, &mut b, 4);
    assert_eq!(b.memory, [UNPLUGGED, 0x29]);
    assert_eq!(a.memory, [answer(&[UNPLUGGED])]);
    assert_eq!(
        a.rollback.counters().unrepeatable + b.rollback.counters().unrepeatable,
        0
    );
}

#[test]
fn openings_that_cross_are_each_others() {
    let (mut a, mut b) = linked(Toy::new(1, opening), Toy::new(1, opening));
    a.slot();
    b.slot();
    play(&mut a, &mut b, 6);
    assert_eq!((&a.memory[..], &b.memory[..]), (&[0x29][..], &[0x29][..]));
}

#[test]
fn a_core_that_sends_otherwise_what_is_final_loses_no_transfer() {
    let (mut a, mut b) = linked(Toy::new(0, nothing), Toy::new(4, nothing));
    play(&mut a, &mut b, 1);
    while !matches!(a.rollback.step(), Step::Live { .. }) {}
    for byte in [1, 2] {
        request(&mut a.rollback, byte);
    }
    for byte in [UNPLUGGED; 2] {
        a.rollback.history.handle_answer(Outcome::Taken { byte });
    }
    assert_eq!(
        misprediction::check(&mut a.rollback.history),
        None,
        "both were predicted"
    );
    // The outbound offers are rewound as in a replay of this frame.
    a.rollback.history.outbound.rewind(OwnOffer::default());
    request(&mut a.rollback, 9);
    assert_eq!(a.rollback.history.outbound.next().raw(), 1);
    assert_eq!(a.rollback.counters().unrepeatable, 1);
}

#[test]
fn a_save_of_a_call_that_was_broken_off_is_passed_over() {
    let (mut a, mut b) = linked(Toy::new(0, nothing), Toy::new(4, nothing));
    play(&mut a, &mut b, 1);
    let token = loop {
        match a.rollback.step() {
            Step::Save { token, .. } => break token,
            Step::Live { frame } => a.frame(frame),
            step => assert_ne!(step, Step::Done),
        }
    };
    a.rollback.abandon();
    a.rollback.saved(token, true);
    assert_eq!(a.rollback.history.snapshots.newest(), None);
}

#[test]
fn hooks_outside_a_frame_do_nothing() {
    let (mut a, mut b) = linked(Toy::new(4, nothing), Toy::new(0, counting));
    play(&mut a, &mut b, 1);
    assert_eq!(
        a.rollback.poll(Look::EventLoop, None),
        None,
        "the core polls while it serialises"
    );
    a.rollback.taken(1);
    assert_eq!(request(&mut a.rollback, 1), UNPLUGGED);
    assert_eq!(a.rollback.history.outbound.next().raw(), 0);
}

#[test]
fn an_idle_game_is_saved_now_and_then() {
    let (mut a, mut b) = linked(Toy::new(0, nothing), Toy::new(4, nothing));
    play(&mut a, &mut b, 100);
    let mut saved = Vec::new();
    for _ in 0..40 {
        play(&mut a, &mut b, 1);
        saved.extend(b.rollback.history.snapshots.newest().map(|state| state.frame));
    }
    saved.dedup();
    assert!((10..=11).contains(&saved.len()), "{saved:?}");
    assert!(b.rollback.history.age(b.rollback.history.snapshots.newest()) < 5);
}

#[test]
fn a_stream_that_never_pauses_leaves_a_state_for_the_player_all_the_same() {
    // The game has always armed again when a frame ends, and the last poll of each takes a byte.
    let (mut a, mut b) = linked(Toy::new(0, streaming), Toy::new(3, nothing));
    b.control = 0x80;
    b.rollback.set_repairs(true);
    for _ in 0..400 {
        a.slot();
        a.tell(&mut b);
        b.slot();
        b.tell(&mut a);
    }
    let oldest = b.rollback.counters().frames.oldest_snapshot;
    assert!((20..=40).contains(&oldest), "{oldest}");
    assert!(
        b.rollback.counters().transfers.taken >= 1000,
        "{:?}",
        b.rollback.counters()
    );
}

/// Three bytes a frame, whatever was read.
fn streaming(frame: u64, _: &[u8]) -> Vec<u8> {
    vec![frame.to_le_bytes()[0]; 3]
}

#[test]
fn a_peer_that_takes_its_acknowledgement_back_is_written_what_is_kept_and_no_more() {
    let (mut a, mut b) = linked(Toy::new(0, counting), Toy::new(1, nothing));
    for _ in 0..3000 {
        a.slot();
        a.tell(&mut b);
        b.slot();
        b.tell(&mut a);
    }
    let made = a.rollback.history.outbound.next().raw();
    a.rollback
        .history
        .outbound
        .handle_acknowledgement(OwnEpoch::default(), OwnOffer::default());
    let acknowledged = a.rollback.history.outbound.acknowledged().raw();
    assert!(
        made >= 2900 && acknowledged + 100 > made,
        "{acknowledged} of {made}"
    );
}
