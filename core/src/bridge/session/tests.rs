//! Tests of the session: two of them, and their headers.

use super::*;

const T: LocalTime = LocalTime(1_000_000_000);

fn at(ms: u64) -> LocalTime {
    T.after(Duration::from_millis(ms))
}

fn from(session: &Session) -> Header {
    Header {
        from: session.ours(),
        to: session.addressee(),
        sequence: Sequence(1),
        ..Header::default()
    }
}

#[test]
fn two_datagrams_link_one_side_and_three_link_both() {
    let (mut a, mut b) = (Session::new(Nonce(1)), Session::new(Nonce(2)));
    assert_eq!(b.handle_header(T, &from(&a)), Standing::Hello);
    assert_eq!(
        a.handle_header(T, &from(&b)),
        Standing::Linked { is_new_peer: true }
    );
    assert_eq!(
        b.handle_header(T, &from(&a)),
        Standing::Linked { is_new_peer: true }
    );
    assert_eq!(a.handle_header(T, &from(&b)), Standing::Current);
}

fn linked() -> (Session, Session) {
    let (mut a, mut b) = (Session::new(Nonce(1)), Session::new(Nonce(2)));
    b.handle_header(T, &from(&a));
    a.handle_header(T, &from(&b));
    b.handle_header(T, &from(&a));
    (a, b)
}

#[test]
fn a_restarted_peer_takes_over_and_its_old_datagrams_do_not_bring_it_back() {
    let (mut a, b) = linked();
    let old = from(&b);
    let mut b = Session::new(Nonce(3));
    assert_eq!(a.handle_header(T, &from(&b)), Standing::Hello);
    assert!(a.is_linked(), "a hello alone does not disturb a live session");
    assert_eq!(a.handle_header(T, &old), Standing::Current);
    assert_eq!(
        from(&a).to,
        Nonce(2),
        "what is said of the session goes to the live peer"
    );
    let greeting = Header {
        to: a.take_greeting().unwrap(),
        ..from(&a)
    };
    assert_eq!(
        b.handle_header(T, &greeting),
        Standing::Linked { is_new_peer: true }
    );
    let fresh = Header {
        echo: T.0 + 1,
        ..from(&b)
    };
    assert_eq!(a.handle_header(T, &fresh), Standing::Linked { is_new_peer: true });
    assert_eq!(a.handle_header(T, &old), Standing::Foreign);
}

#[test]
fn a_late_datagram_of_a_peer_that_died_before_does_not_oust_the_living_one() {
    let mut a = Session::new(Nonce(1));
    let (mut dead, mut b) = (Session::new(Nonce(2)), Session::new(Nonce(3)));
    // The first peer heard our hello, answered and died; its answer is still under way.
    dead.handle_header(T, &from(&a));
    let late = Header {
        echo: T.0 - 1,
        ..from(&dead)
    };
    b.handle_header(T, &from(&a));
    a.handle_header(T, &from(&b));
    assert!(a.knows(Nonce(3)));
    assert_eq!(a.handle_header(T, &late), Standing::Hello);
    assert!(a.knows(Nonce(3)));
    assert_eq!(a.handle_header(T, &from(&b)), Standing::Current);
}

#[test]
fn hellos_of_strangers_turn_no_datagram_away_from_the_peer() {
    let (mut a, mut b) = linked();
    for side in [&mut a, &mut b] {
        let peer = side.addressee();
        for stranger in 9..99 {
            assert_eq!(
                side.handle_header(T, &from(&Session::new(Nonce(stranger)))),
                Standing::Hello
            );
            assert_eq!(side.addressee(), peer);
        }
        assert_eq!(side.take_greeting(), Some(Nonce(98)), "the newest is answered");
        assert_eq!(side.take_greeting(), None, "once");
    }
    assert_eq!(b.handle_header(T, &from(&a)), Standing::Current);
    assert_eq!(a.handle_header(T, &from(&b)), Standing::Current);
}

#[test]
fn strangers_keep_nobody_from_a_peer_that_comes_back() {
    let (mut a, b) = linked();
    a.handle_timeout(T.after(SILENCE_LIMIT));
    a.handle_header(T, &from(&Session::new(Nonce(9))));
    assert_eq!(a.addressee(), Nonce(2));
    assert_eq!(
        a.handle_header(T.after(SILENCE_LIMIT), &from(&b)),
        Standing::Linked { is_new_peer: false }
    );
}

#[test]
fn a_peer_that_does_not_hear_us_is_gone_and_back_when_it_does() {
    let (mut a, b) = linked();
    let heard = |acknowledged| Header {
        acknowledged,
        ..from(&b)
    };
    a.handle_sent(at(0), Sequence(1));
    assert_eq!(a.handle_header(at(20), &heard(Sequence(1))), Standing::Current);
    a.set_silence_limit(Duration::from_secs(1));
    for n in 2..60 {
        a.handle_sent(at(n * 20), Sequence(n));
        assert_eq!(a.handle_timeout(at(n * 20)), n * 20 == 1040, "{n}");
        a.handle_header(at(n * 20), &heard(Sequence(1)));
    }
    assert_eq!(a.handle_header(at(1300), &heard(Sequence(1))), Standing::Unlinked);
    a.handle_sent(at(1400), Sequence(60));
    let back = a.handle_header(at(1500), &heard(Sequence(60)));
    assert_eq!(back, Standing::Linked { is_new_peer: false });
}

#[test]
fn a_peer_that_answers_nothing_is_linked_again_after_longer_and_longer_pauses() {
    let (mut a, b) = linked();
    let mut now = T;
    for pause in [4, 8, 16, 32, 64, 64] {
        a.back_off(now);
        let end = now.after(Duration::from_secs(pause));
        let before = now.after(Duration::from_secs(pause) - Duration::from_millis(1));
        assert_eq!(a.handle_header(before, &from(&b)), Standing::Unlinked);
        assert!(!a.may_acknowledge(before));
        let back = a.handle_header(end, &from(&b));
        assert_eq!(back, Standing::Linked { is_new_peer: false });
        now = end;
    }
}

#[test]
fn a_peer_that_restarts_in_a_pause_is_a_new_one_when_the_pause_is_over() {
    let (mut a, _) = linked();
    a.back_off(T);
    let fresh = Header {
        echo: T.0 + 1,
        to: a.ours(),
        ..from(&Session::new(Nonce(3)))
    };
    let in_pause = T.after(FIRST_BACKOFF / 2);
    assert_eq!(a.handle_header(in_pause, &fresh), Standing::Unlinked);
    assert!(a.knows(Nonce(2)), "nothing of one is written to the other");
    let linked = a.handle_header(T.after(FIRST_BACKOFF), &fresh);
    assert_eq!(linked, Standing::Linked { is_new_peer: true });
}

#[test]
fn acknowledgements_that_keep_coming_move_the_deadline_however_late_they_are() {
    let (mut a, _) = linked();
    assert_eq!(
        a.heard_of_us.deadline(Duration::from_secs(1)),
        None,
        "nothing was sent"
    );
    for n in 1..=300 {
        a.handle_sent(at(n * 10), Sequence(n));
        // A round trip of 900 ms.
        if let Some(heard) = n.checked_sub(90).filter(|heard| *heard > 0) {
            a.heard_of_us.handle_acknowledged(at(n * 10), Sequence(heard));
        }
        assert!(
            a.heard_of_us.deadline(Duration::from_secs(1)) > Some(at(n * 10)),
            "{n}"
        );
    }
}

#[test]
fn everything_acknowledged_is_no_silence() {
    let (mut a, _) = linked();
    a.handle_sent(T, Sequence(1));
    a.heard_of_us.handle_acknowledged(at(1), Sequence(1));
    assert_eq!(a.heard_of_us.deadline(Duration::from_secs(1)), None);
    a.handle_sent(at(5000), Sequence(2));
    assert_eq!(a.heard_of_us.deadline(Duration::from_secs(1)), Some(at(6000)));
    a.heard_of_us.handle_acknowledged(at(5001), Sequence(3));
    assert_eq!(
        a.heard_of_us.deadline(Duration::from_secs(1)),
        Some(at(6000)),
        "3 was never sent"
    );
}

#[test]
fn a_peer_that_heard_nothing_since_the_loss_is_not_back() {
    let (mut a, _) = linked();
    a.handle_sent(T, Sequence(7));
    a.end();
    a.heard_of_us.handle_acknowledged(at(1100), Sequence(7));
    assert!(!a.heard_of_us.is_back());
    a.handle_sent(at(1200), Sequence(8));
    a.heard_of_us.handle_acknowledged(at(1300), Sequence(8));
    assert!(a.heard_of_us.is_back());
}

#[test]
fn silence_ends_the_link_and_a_word_brings_it_back() {
    let (mut a, b) = linked();
    assert!(!a.handle_timeout(T.after(Duration::from_millis(999))));
    assert!(a.handle_timeout(T.after(SILENCE_LIMIT)));
    assert!(!a.handle_timeout(T.after(SILENCE_LIMIT)), "told once");
    assert_eq!(
        a.handle_header(T.after(SILENCE_LIMIT), &from(&b)),
        Standing::Linked { is_new_peer: false }
    );
}

#[test]
fn our_own_datagrams_are_recognised() {
    let mut a = Session::new(Nonce(1));
    let own = from(&a);
    assert_eq!(a.handle_header(T, &own), Standing::Reflected);
}
