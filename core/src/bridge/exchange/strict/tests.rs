use super::*;
use crate::bridge::conversation::{ClockedBy, End as TracedEnd, Entry};
use crate::bridge::{Counters, Liveness, Mode};
use crate::protocol::{MAX_DATAGRAM, Nonce, Sequence, decode};
use crate::serial::Request;
use crate::time::Span;

#[derive(Clone, Default)]
struct End {
    strict: Strict,
    now: LocalTime,
    clock_offset: Option<Span>,
    liveness: Liveness,
    counters: Counters,
}

impl End {
    fn with<T>(&mut self, act: impl FnOnce(&mut Strict, &mut Context<'_>) -> T) -> T {
        let mut context = Context {
            now: self.now,
            clock_offset: self.clock_offset,
            is_linked: true,
            liveness: &mut self.liveness,
            counters: &mut self.counters,
        };
        act(&mut self.strict, &mut context)
    }

    fn ask(&mut self, byte: u8) -> Effects {
        self.with(|strict, context| strict.request(context, Request::normal(byte), false))
    }

    fn is_offered(&mut self, byte: u8) -> bool {
        self.ask(byte).wait == Some(Limit::Table)
    }

    fn reply(&mut self, byte: u8) -> Effects {
        self.with(|strict, context| strict.reply(context, byte))
    }

    fn frame(&mut self, is_armed: Option<bool>) -> Effects {
        let frame = Frame {
            number: 0,
            has_advanced: true,
            is_armed,
            was_armed: false,
            port: GamePort::Loopback,
        };
        self.with(|strict, context| strict.frame_start(context, frame))
    }

    fn offered(&mut self, offer: Offer) -> Effects {
        let mut effects = Effects::default();
        self.with(|strict, context| strict.handle_offer(context, offer, &mut effects));
        effects
    }

    fn judged(&mut self, verdict: Verdict) -> Effects {
        let mut effects = Effects::default();
        self.with(|strict, context| strict.handle_verdict(context, verdict, &mut effects));
        effects
    }
}

/// Everything that a datagram of `from` says, delivered to `to`; what `to`'s game reads because of it.
fn carry(from: &End, to: &mut End) -> Option<u8> {
    let mut header = Header {
        from: Nonce(1),
        sequence: Sequence(1),
        ..Header::default()
    };
    from.strict.write_header(&mut header);
    let mut buffer = [0; MAX_DATAGRAM];
    let mut writer = Writer::new(&mut buffer, &header).unwrap();
    from.strict.write_events(&mut writer);
    let len = writer.finish();
    let (header, events) = decode(&buffer[..len]).unwrap();
    let effects = to.with(|strict, context| strict.handle_datagram(context, &header, &events));
    assert!(!effects.is_out_of_step);
    assert_eq!(to.counters.nonsense, 0);
    effects.read
}

fn ends() -> (End, End) {
    (End::default(), End::default())
}

const BYTE: Option<(u8, Speed)> = Some((1, Speed::Normal));

#[test]
fn an_armed_game_takes_the_byte_and_gives_its_own() {
    let (mut a, mut b) = ends();
    assert!(a.is_offered(1));
    assert_eq!(carry(&a, &mut b), None);
    assert_eq!(b.frame(Some(true)).deliver, BYTE);
    let reply = b.reply(2);
    assert!(reply.has_taken && !reply.is_out_of_step);
    assert_eq!(carry(&b, &mut a), Some(2));
    assert_eq!(carry(&b, &mut a), None, "a repeated verdict says nothing new");
    assert_eq!(carry(&a, &mut b), None);
    assert_eq!(b.strict.verdict, None, "the peer has it: no need to repeat it");
}

#[test]
fn two_whole_frames_without_arming_refuse() {
    let (mut a, mut b) = ends();
    assert!(a.is_offered(1));
    carry(&a, &mut b);
    for refused in [0, 0, 1] {
        assert_eq!(b.frame(Some(false)).deliver, None);
        assert_eq!(b.counters.transfers.peer_refused, refused);
    }
    assert_eq!(carry(&b, &mut a), Some(UNPLUGGED));
}

#[test]
fn a_game_that_listens_for_a_part_of_each_frame_refuses_nothing() {
    let (mut a, mut b) = ends();
    assert!(a.is_offered(1));
    carry(&a, &mut b);
    for _ in 0..5 {
        b.strict.handle_look();
        let _ = b.frame(Some(false));
        assert!(b.strict.is_offer_waiting(), "unarmed where its frames end");
    }
    for refused in [0, 0, 1] {
        let _ = b.frame(Some(false));
        assert_eq!(b.counters.transfers.peer_refused, refused);
    }
}

#[test]
fn a_game_that_clocks_takes_the_waiting_offer_in_the_same_act() {
    let (mut a, mut b) = ends();
    assert!(a.is_offered(1));
    carry(&a, &mut b);
    assert_eq!(b.ask(2).read, Some(1));
    assert_eq!(carry(&b, &mut a), Some(2));
}

#[test]
fn offers_that_cross_are_paired_by_both_sides() {
    for late in [false, true] {
        let (mut a, mut b) = ends();
        assert!(a.is_offered(1) && b.is_offered(2));
        let before = a.clone();
        assert_eq!(carry(&b, &mut a), Some(2));
        // Whether B hears of A's offer, of A's verdict, or of A's next offer first: the pair is the same.
        if late {
            assert!(a.is_offered(3));
            assert_eq!(carry(&a, &mut b), Some(1));
            assert!(b.strict.is_offer_waiting());
        } else {
            assert_eq!(carry(&before, &mut b), Some(1));
            assert_eq!(carry(&a, &mut b), None);
        }
    }
}

#[test]
fn of_two_calls_that_cross_the_earlier_one_is_heard() {
    for (keepers, others) in [(700_i64, 705), (705, 700), (700, 700)] {
        let (mut keeper, mut other) = ends();
        let behind = 3000;
        for (end, is_keeper) in [(&mut keeper, true), (&mut other, false)] {
            end.strict.plug(is_keeper);
            let called = if is_keeper { keepers } else { others - behind };
            end.now = LocalTime((9000 + called).unsigned_abs() * 1_000_000);
            end.clock_offset = Some(Span(behind * 1_000_000));
            end.strict.handle_look();
        }
        let (mut first, mut second) = if keepers <= others {
            (keeper, other)
        } else {
            (other, keeper)
        };
        assert!(first.is_offered(1) && second.is_offered(2));
        let before = second.clone();
        assert_eq!(carry(&first, &mut second), Some(UNPLUGGED), "nobody heard it");
        assert_eq!(carry(&before, &mut first), None, "it is still waited for");
        assert_eq!(second.frame(Some(true)).deliver, BYTE);
        assert!(second.reply(3).has_taken);
        assert_eq!(carry(&second, &mut first), Some(3));
        assert_eq!(
            (first.counters.transfers.taken, second.counters.transfers.paired),
            (1, 0)
        );
        // A conversation has begun, in which what crosses is exchanged.
        assert!(first.is_offered(4) && second.is_offered(5));
        let before = second.clone();
        assert_eq!(carry(&first, &mut second), Some(4));
        assert_eq!(carry(&before, &mut first), Some(5));
    }
}

#[test]
fn an_offer_made_after_judging_ours_waits_for_its_turn() {
    let (mut a, mut b) = ends();
    assert!(a.is_offered(1));
    carry(&a, &mut b);
    assert_eq!(b.frame(Some(true)).deliver, BYTE);
    assert!(b.reply(2).has_taken);
    assert!(b.is_offered(3)); // the verdict on A's offer is still on its way
    assert_eq!(carry(&b, &mut a), Some(2));
    assert!(a.strict.is_offer_waiting());
    assert_eq!(a.ask(4).read, Some(3));
    assert_eq!(carry(&a, &mut b), Some(4));
}

#[test]
fn a_request_given_up_is_withdrawn_at_the_peer() {
    let (mut a, mut b) = ends();
    assert!(a.is_offered(5));
    carry(&a, &mut b);
    a.strict.give_up();
    a.strict.give_up();
    assert_eq!(carry(&a, &mut b), None);
    assert_eq!(b.frame(Some(true)).deliver, None);
    assert_eq!(b.counters.transfers.peer_withdrawn, 1);
    assert!(a.is_offered(1));
    carry(&a, &mut b);
    assert_eq!(b.frame(Some(true)).deliver, BYTE);
}

#[test]
fn a_byte_taken_after_it_was_given_up_is_told() {
    let (mut a, mut b) = ends();
    assert!(a.is_offered(1));
    carry(&a, &mut b);
    assert_eq!(b.frame(Some(true)).deliver, BYTE);
    a.strict.give_up();
    assert!(b.reply(2).has_taken);
    let verdict = b.strict.verdict.unwrap();
    assert!(a.judged(verdict).is_out_of_step);
    assert!(!a.judged(verdict).is_out_of_step, "told once");
}

#[test]
fn a_request_that_meets_a_delivered_byte_reads_it() {
    let (mut a, mut b) = ends();
    assert!(a.is_offered(1));
    carry(&a, &mut b);
    assert_eq!(b.frame(None).deliver, BYTE);
    let taken = b.ask(9);
    assert!(taken.transmit && taken.read.is_none() && taken.wait.is_none());
    assert_eq!(carry(&b, &mut a), Some(9));
}

#[test]
fn numbers_from_nowhere_are_nonsense() {
    let mut a = End::default();
    let offer = |id, judged| Offer {
        id,
        byte: 1,
        speed: Speed::Normal,
        frame: 0,
        judged,
        ..Offer::default()
    };
    let outcome = Outcome::Refused;
    assert_eq!(a.offered(offer(7, 0)).read, None);
    assert_eq!(a.offered(offer(0, 9)).read, None);
    assert_eq!(a.judged(Verdict { id: 0, outcome }).read, None);
    assert_eq!(a.counters.nonsense, 3);
    assert!(!a.strict.is_offer_waiting());
    let header = Header {
        from: Nonce(1),
        sequence: Sequence(1),
        ..Header::default()
    };
    let mut buffer = [0; MAX_DATAGRAM];
    let len = Writer::new(&mut buffer, &header).unwrap().finish();
    let (mut header, events) = decode(&buffer[..len]).unwrap();
    header.settled = u64::MAX;
    let effects = a.with(|strict, context| strict.handle_datagram(context, &header, &events));
    assert_eq!((effects.read, a.counters.transfers.peer_withdrawn), (None, 0));
    assert_eq!(a.offered(offer(u64::MAX, 0)).read, None);
    assert_eq!(a.frame(None).deliver, BYTE);
    assert!(a.reply(0).has_taken);
}

/// Clocking side, number, judged, byte, read, end of all that was traced.
fn traced(end: &mut End) -> Vec<(ClockedBy, u64, u64, u8, u8, TracedEnd)> {
    let entries = std::iter::from_fn(|| end.strict.conversation.poll());
    let of_transfer = |entry| match entry {
        Entry::Transfer(t) => (t.clocked_by, t.number, t.judged, t.byte, t.read, t.end),
        Entry::Lost(lost) => panic!("{lost} lost"),
    };
    entries.map(of_transfer).collect()
}

#[test]
fn both_sides_trace_what_became_of_each_transfer() {
    let (mut a, mut b) = ends();
    for end in [&mut a, &mut b] {
        end.strict.conversation = Conversation::new(Mode::Strict, 16);
    }
    // Taken.
    assert!(a.is_offered(1));
    carry(&a, &mut b);
    assert!(b.frame(Some(true)).deliver.is_some() && b.reply(2).has_taken);
    carry(&b, &mut a);
    // Paired.
    assert!(a.is_offered(3) && b.is_offered(4));
    let before = a.clone();
    carry(&b, &mut a);
    carry(&before, &mut b);
    // Given up, and taken all the same.
    carry(&a, &mut b);
    assert!(b.is_offered(5));
    carry(&b, &mut a);
    assert!(a.frame(Some(true)).deliver.is_some());
    b.strict.give_up();
    assert!(a.reply(7).has_taken);
    // Refused.
    assert!(b.is_offered(6));
    carry(&b, &mut a);
    (0..3).for_each(|_| assert!(a.frame(Some(false)).deliver.is_none()));
    carry(&a, &mut b);

    let (own, peer) = (ClockedBy::Own, ClockedBy::Peer);
    let (taken, paired, refused) = (TracedEnd::Taken, TracedEnd::Paired, TracedEnd::Refused);
    let of_a = [
        (own, 0, 0, 1, 2, taken),
        (own, 1, 0, 3, 4, paired),
        (peer, 0, 1, 4, 3, paired),
        (peer, 1, 2, 5, 7, taken),
        (peer, 2, 2, 6, UNPLUGGED, refused),
    ];
    let of_b = [
        (peer, 0, 0, 1, 2, taken),
        (own, 0, 1, 4, 3, paired),
        (peer, 1, 0, 3, 4, paired),
        (own, 1, 2, 5, UNPLUGGED, TracedEnd::Unplugged),
        (own, 2, 2, 6, UNPLUGGED, refused),
    ];
    assert_eq!(traced(&mut a), of_a);
    assert_eq!(traced(&mut b), of_b);
}

#[test]
fn what_becomes_no_offer_is_traced_in_its_place() {
    let (mut a, mut b) = ends();
    a.strict.conversation = Conversation::new(Mode::Strict, 16);
    assert!(a.is_offered(1));
    carry(&a, &mut b);
    (0..3).for_each(|_| assert!(b.frame(Some(false)).deliver.is_none()));
    carry(&b, &mut a);
    assert_eq!(a.ask(2).read, Some(UNPLUGGED), "nobody listens there");
    let refused = (ClockedBy::Own, 0, 0, 1, UNPLUGGED, TracedEnd::Refused);
    let unheard = (ClockedBy::Own, 1, 0, 2, UNPLUGGED, TracedEnd::Unheard);
    assert_eq!(traced(&mut a), [refused, unheard]);
}
