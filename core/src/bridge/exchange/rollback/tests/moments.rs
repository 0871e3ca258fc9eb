//! Two toys whose cores tell their time.

use super::*;
use std::collections::VecDeque;

/// Plays so many slots on a path that takes `late` slots in either direction.
fn play_late(a: &mut Toy, b: &mut Toy, slots: usize, late: usize) {
    let mut told: [VecDeque<(Header, Vec<u8>)>; 2] = Default::default();
    for _ in 0..slots {
        for (place, toy) in [&mut *a, &mut *b].into_iter().enumerate() {
            if told[1 - place].len() > late {
                let (header, events) = told[1 - place].pop_front().unwrap();
                toy.rollback
                    .handle_datagram(&header, Events::check(&events).unwrap());
            }
            toy.slot();
            told[place].push_back(toy.write());
        }
    }
}

/// Chunks of its own time at which a toy took what it has judged, beside those at which each was due.
fn takes(toy: &Toy) -> Vec<(u64, u64)> {
    let inbound = &toy.rollback.history.inbound;
    let all = PeerOffer::default().until(inbound.judged());
    all.filter_map(|number| {
        let due = inbound.get(number)?.due?;
        let judgement = inbound.judgement(number)?;
        judgement.outcome.byte()?;
        Some((due.time.raw(), judgement.time?.raw()))
    })
    .collect()
}

#[test]
fn a_byte_is_taken_at_the_moment_at_which_it_was_made_however_late_it_comes() {
    for is_keeper in [false, true] {
        for late in 0..6 {
            let a = Toy::new(0, counting).with_clock(is_keeper);
            let b = Toy::new(17, nothing).with_clock(!is_keeper);
            let (mut a, mut b) = linked(a, b);
            for toy in [&mut a, &mut b] {
                let path = Duration::from_millis(17) * u32::try_from(2 * late).unwrap();
                toy.rollback.set_round_trip(path, path);
            }
            play_late(&mut a, &mut b, 60, late);
            let takes = takes(&b);
            assert!(!takes.is_empty(), "{late}");
            for (due, taken) in takes.iter().rev().take(4) {
                assert_eq!(*taken, due + 1, "{is_keeper} {late}: the first look behind it");
            }
            let late_takes = b.rollback.counters().transfers.late;
            assert!(late_takes <= 1 + late as u64, "{late}: {late_takes}");
            assert!(b.memory.len() > 40, "{late}: {}", b.memory.len());
            let read = &a.memory[..40 - late];
            let expected = (0..).map(|n| 100_u8.wrapping_add(n));
            let answered: Vec<_> = read.iter().copied().filter(|byte| *byte != UNPLUGGED).collect();
            assert!(
                answered.iter().copied().eq(expected.take(answered.len())),
                "{read:?}"
            );
        }
    }
}

/// One byte in the frame of this number.
fn calling(frame: u64, _: &[u8]) -> Vec<u8> {
    if frame == 20 { vec![0x29] } else { vec![] }
}

#[test]
fn of_two_calls_that_cross_the_earlier_one_is_heard_and_both_sides_agree() {
    for is_keeper in [false, true] {
        for late in 0..6 {
            let a = Toy::new(8, calling).with_clock(is_keeper);
            let b = Toy::new(8, calling).with_clock(!is_keeper);
            let (mut a, mut b) = linked(a, b);
            play_late(&mut a, &mut b, 60, late);
            let (first, second) = if is_keeper { (&a, &b) } else { (&b, &a) };
            let transfers = |toy: &Toy| {
                let counts = toy.rollback.counters().transfers;
                (counts.exchanged, counts.taken - counts.taken_back, counts.paired)
            };
            assert_eq!(transfers(first), (1, 0, 0), "{late}: heard");
            assert_eq!(transfers(second), (0, 1, 0), "{late}: its own came second");
            assert_eq!(
                (&first.memory[..], &second.memory[..]),
                (&[100][..], &[0x29, 0xFF][..])
            );
        }
    }
}

/// A byte, and another one after it: sooner if the first was answered, later if not.
fn guessing(frame: u64, memory: &[u8]) -> Vec<u8> {
    match (frame, memory) {
        (20, []) => vec![0x29],
        (22, [100]) => vec![0x55],
        (24, [UNPLUGGED]) => vec![0x66],
        _ => vec![],
    }
}

#[test]
fn what_replaces_a_byte_is_taken_at_its_own_moment_though_that_lies_before_the_void_one() {
    for is_keeper in [false, true] {
        let a = Toy::new(0, guessing).with_clock(is_keeper);
        let b = Toy::new(17, nothing).with_clock(!is_keeper);
        let (mut a, mut b) = linked(a, b);
        let path = Duration::from_millis(100);
        for toy in [&mut a, &mut b] {
            toy.rollback.set_round_trip(path, path);
        }
        play_late(&mut a, &mut b, 60, 3);
        assert!(a.rollback.counters().transfers.replaces > 0, "it guessed wrong");
        assert_eq!(
            (&a.memory[..], &b.memory[..]),
            (&[100, 101][..], &[0x29, 0x55][..])
        );
        assert_eq!(b.rollback.counters().transfers.late, 0);
    }
}

/// An answer with its own clock to the first byte that it took.
fn answering(_: u64, memory: &[u8]) -> Vec<u8> {
    if memory.len() == 1 { vec![0x55] } else { vec![] }
}

#[test]
fn an_answer_is_not_due_before_what_it_answers_however_far_the_lead_has_come() {
    for is_keeper in [false, true] {
        let a = Toy::new(17, calling).with_clock(is_keeper);
        let b = Toy::new(17, answering).with_clock(!is_keeper);
        let (mut a, mut b) = linked(a, b);
        let path = Duration::from_millis(100);
        for toy in [&mut a, &mut b] {
            toy.rollback.set_round_trip(path, path);
        }
        play_late(&mut a, &mut b, 22, 2);
        // The caller's machine stands still for a while, and what it says is lost for most of that.
        for slot in 0..60 {
            if slot > 12 {
                a.slot();
            }
            if slot > 8 {
                a.tell(&mut b);
            }
            b.slot();
            b.tell(&mut a);
        }
        assert_eq!(
            (&a.memory[..], &b.memory[..]),
            (&[100, 0x55][..], &[0x29, 101][..])
        );
        assert_eq!(a.rollback.counters().transfers.peer_refused, 0, "{is_keeper}");
    }
}

#[test]
fn no_byte_is_lost_where_moments_begin_in_mid_conversation() {
    for is_keeper in [false, true] {
        for late in 0..4 {
            let mut a = Toy::new(0, counting);
            let mut b = Toy::new(17, nothing);
            a.rollback.plug(false, is_keeper);
            b.rollback.plug(false, !is_keeper);
            let (mut a, mut b) = linked(a, b);
            play_late(&mut a, &mut b, 20, late);
            for toy in [&mut a, &mut b] {
                toy.has_clock = true;
                toy.rollback.set_clock(true);
                let path = Duration::from_millis(17) * u32::try_from(2 * late).unwrap();
                toy.rollback.set_round_trip(path, path);
            }
            play_late(&mut a, &mut b, 60, late);
            let (of_a, of_b) = (a.rollback.counters().transfers, b.rollback.counters().transfers);
            assert_eq!((of_a.refused, of_b.peer_refused), (0, 0), "{is_keeper} {late}");
            assert!(of_a.exchanged > 60, "{is_keeper} {late}: {}", of_a.exchanged);
        }
    }
}
