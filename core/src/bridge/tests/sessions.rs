//! Sessions of two bridges: how they are made and end, and what a stranger is answered.

use super::*;
use crate::protocol::{Header, Sequence, VERSION, Writer};

#[test]
fn both_sides_are_told_once_that_they_are_linked() {
    let pair = Pair::linked();
    for end in &pair.ends {
        assert_eq!(
            end.notices.iter().filter(|n| **n == Notice::Linked).count(),
            1,
            "{:?}",
            end.notices
        );
    }
}

#[test]
fn a_path_that_loses_one_direction_ends_the_link_on_both_sides_and_its_return_mends_it() {
    let mut pair = Pair::linked();
    for end in &mut pair.ends {
        end.bridge.set_silence_limit(Duration::from_secs(1));
    }
    pair.cuts = [true, false];
    pair.pass(1150 * MS);
    for end in &pair.ends {
        assert_eq!(end.notices.last(), Some(&Notice::PeerGone));
        assert!(!end.bridge.is_linked());
    }
    let told = pair.ends.each_ref().map(|end| end.notices.len());
    pair.pass(Duration::from_secs(6));
    assert_eq!(
        told,
        pair.ends.each_ref().map(|end| end.notices.len()),
        "told once"
    );
    pair.cuts = [false; 2];
    pair.pass(150 * MS);
    assert!(pair.ends.iter().all(|end| end.bridge.is_linked()));
    pair.frames();
    pair.request(0, 3);
    pair.frame(1, true);
    assert_eq!(pair.ends[1].delivered, [3]);
}

#[test]
fn a_flood_of_strangers_hellos_turns_nothing_away_and_gets_few_answers() {
    let mut pair = Pair::linked();
    for n in 0..1000 {
        for side in 0..2 {
            let mut bytes = [0; MAX_DATAGRAM];
            let stranger = Header {
                from: Nonce(1000 + n),
                sequence: Sequence(n),
                ..Header::default()
            };
            let len = Writer::new(&mut bytes, &stranger).unwrap().finish();
            let received = pair.now;
            pair.input(
                side,
                Input::Datagram {
                    bytes: &bytes[..len],
                    received,
                },
            );
        }
        pair.pass(MS);
        if n % 16 == 0 {
            pair.frames();
            let byte = (n / 16) as u8;
            pair.request(0, byte);
            pair.frame(1, true);
            pair.input(1, Input::Reply { byte: !byte });
            assert_eq!(pair.ends[0].read.last(), Some(&!byte));
        }
    }
    for end in &pair.ends {
        assert!(!end.notices.contains(&Notice::PeerGone));
        assert!(end.sent.len() < 500, "{}", end.sent.len());
    }
}

#[test]
fn goodbye_is_heard_at_once() {
    let mut pair = Pair::linked();
    pair.request(0, 1);
    pair.input(1, Input::Unplug);
    assert_eq!(pair.ends[0].read, [UNPLUGGED]);
    assert!(pair.ends[0].notices.contains(&Notice::PeerGone));
    pair.input(1, Input::Plug { nonce: Nonce(44) });
    pair.pass(200 * MS);
    assert!(pair.ends.iter().all(|end| end.bridge.is_linked()));
}

#[test]
fn another_version_is_told_once_whatever_numbers_come() {
    let mut pair = Pair::new();
    pair.input(0, Input::Plug { nonce: Nonce(1) });
    for version in VERSION + 1..9 {
        let mut bytes = *b"GBLC\0\0";
        bytes[4..].copy_from_slice(&version.to_le_bytes());
        pair.input(
            0,
            Input::Datagram {
                bytes: &bytes,
                received: pair.now,
            },
        );
    }
    assert_eq!(
        pair.ends[0].notices,
        [Notice::VersionMismatch {
            ours: VERSION,
            theirs: VERSION + 1
        }]
    );
}

#[test]
fn a_hello_is_answered_with_no_more_than_it_asked() {
    let mut pair = Pair::linked();
    pair.request(0, 1);
    let mut buffer = [0; MAX_DATAGRAM];
    let header = Header {
        from: Nonce(99),
        sequence: Sequence(1),
        ..Header::default()
    };
    let len = Writer::new(&mut buffer, &header).unwrap().finish();
    pair.ends[0].sent.clear();
    pair.cuts = [true; 2];
    pair.input(
        0,
        Input::Datagram {
            bytes: &buffer[..len],
            received: pair.now,
        },
    );
    assert_eq!(pair.ends[0].sent.iter().map(Vec::len).collect::<Vec<_>>(), [len]);
    assert!(pair.ends[0].bridge.is_linked());
}

#[test]
fn clocks_agree_after_a_few_datagrams() {
    let pair = Pair::linked();
    assert_eq!(pair.ends[0].bridge.clock().offset().unwrap().0, 0);
}
