//! Traces of two toys: only what is final, and the same on both sides.

use super::*;
use crate::bridge::conversation::{ClockedBy, End, Entry, Transfer};
use crate::bridge::exchange::Mode;
use crate::bridge::exchange::conversation::Conversation;

fn traced(toy: &mut Toy) -> Vec<Transfer> {
    let entries = std::iter::from_fn(|| toy.rollback.poll_conversation());
    let of_transfer = |entry| match entry {
        Entry::Transfer(transfer) => transfer,
        Entry::Lost(lost) => panic!("{lost} lost"),
    };
    entries.map(of_transfer).collect()
}

#[test]
fn only_what_is_final_is_traced_and_both_sides_trace_the_same() {
    let (mut a, mut b) = linked(Toy::new(0, echoing), Toy::new(4, nothing));
    for toy in [&mut a, &mut b] {
        toy.rollback.trace(Conversation::new(Mode::Rollback, 64));
    }
    for n in 0..40 {
        a.slot();
        a.tell(&mut b);
        b.slot();
        if n % 3 == 2 {
            b.tell(&mut a);
        }
    }
    assert!(
        a.rollback.counters().transfers.replaces > 5,
        "much was taken back"
    );
    let settled = a.rollback.history.outbound.settled().raw();
    let (of_a, of_b) = (traced(&mut a), traced(&mut b));
    assert!(settled > 10 && of_a.len() as u64 <= settled && of_a.len() as u64 + 2 > settled);
    assert!(of_b.len() > 8);
    for (place, (own, theirs)) in of_a.iter().zip(&of_b).enumerate() {
        assert_eq!((own.number, own.clocked_by), (place as u64, ClockedBy::Own));
        assert_eq!(own.read, a.memory[place], "as the game read it");
        assert_eq!((own.frame, own.end), (place as u64, End::Taken));
        let seen = Transfer {
            clocked_by: ClockedBy::Own,
            frame: own.frame,
            ..*theirs
        };
        assert_eq!((theirs.clocked_by, &seen), (ClockedBy::Peer, own));
    }
}

#[test]
fn what_is_given_up_is_traced_as_the_game_read_it() {
    let (mut a, mut b) = linked(Toy::new(0, counting), Toy::new(4, nothing));
    a.rollback.trace(Conversation::new(Mode::Rollback, 64));
    play(&mut a, &mut b, 5);
    a.slot();
    a.slot();
    a.rollback.abandon();
    let trace = traced(&mut a);
    let reads: Vec<u8> = trace.iter().map(|transfer| transfer.read).collect();
    assert_eq!(reads, a.memory);
    assert_eq!(trace[0].end, End::Taken);
    assert_eq!(trace.last().map(|last| last.end), Some(End::Unplugged));
    play(&mut a, &mut b, 10);
    let again = traced(&mut a);
    assert_eq!((again[0].number, again[0].link), (0, trace[0].link + 1));
}

#[test]
fn a_pulled_cable_traces_what_was_final() {
    let (mut a, mut b) = linked(Toy::new(0, counting), Toy::new(4, nothing));
    a.rollback.trace(Conversation::new(Mode::Rollback, 64));
    play(&mut a, &mut b, 5);
    a.slot();
    a.slot();
    let sure = a.rollback.history.outbound.answered().raw() as usize;
    a.rollback.unplug();
    a.slot();
    let reads: Vec<u8> = traced(&mut a).iter().map(|transfer| transfer.read).collect();
    assert_eq!(reads, a.memory[..sure]);
}
