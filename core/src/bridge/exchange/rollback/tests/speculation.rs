//! Games that run ahead on predictions made of each other's wrong predictions.

use super::*;
use std::collections::VecDeque;

/// Calls from the writing of a datagram to its arrival.
const ON_THE_WAY: usize = 3;

/// One byte a frame, another one with each that was read.
fn chained(frame: u64, memory: &[u8]) -> Vec<u8> {
    let read = memory.iter().fold(7_u8, |sum, byte| sum.wrapping_mul(31) ^ byte);
    vec![read ^ frame.to_le_bytes()[0]]
}

#[test]
fn what_a_correction_sends_anew_lets_no_game_run_further_ahead_of_its_verdicts() {
    let (mut a, mut b) = linked(Toy::new(0, chained), Toy::new(0, chained));
    let mut datagrams = VecDeque::new();
    for _ in 0..300 {
        a.slot();
        b.slot();
        datagrams.push_back([a.write(), b.write()]);
        if datagrams.len() <= ON_THE_WAY {
            continue;
        }
        let [of_a, of_b] = datagrams.pop_front().unwrap();
        for (toy, (header, events)) in [(&mut b, of_a), (&mut a, of_b)] {
            let events = Events::check(&events).unwrap();
            toy.rollback.handle_datagram(&header, events);
        }
    }
    for toy in [&a, &b] {
        let frames = toy.rollback.counters().frames;
        assert!(frames.corrections > 20, "{frames:?}");
        assert!(frames.longest_replay <= 10, "{frames:?}");
    }
}
