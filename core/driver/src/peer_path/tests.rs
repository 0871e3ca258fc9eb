use super::*;

const LEN: usize = 160;

fn at(ms: u64) -> LocalTime {
    LocalTime(1_000_000_000 + ms * 1_000_000)
}

/// Stamp of the probe that was sent at this moment to the given address or candidate of this number.
fn probe_at(ms: u64, number: usize) -> LocalTime {
    time::marked(at(ms), mark(number))
}

const FIRST_CANDIDATE: usize = MOST_ADDRESSES;

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn home() -> SocketAddr {
    address("10.0.0.1:56400")
}

fn other() -> SocketAddr {
    address("[2001:db8::1]:56400")
}

fn away() -> SocketAddr {
    address("10.0.0.1:61001")
}

fn victim() -> SocketAddr {
    address("10.0.0.9:53")
}

fn path(given: &[SocketAddr]) -> PeerPath {
    PeerPath::new(given.iter().copied()).unwrap()
}

fn probes(path: &mut PeerPath, now: LocalTime) -> Vec<SocketAddr> {
    if !path.handle_sent(now) {
        return Vec::new();
    }
    let all = (0..PLACES).filter_map(|number| path.probe(number, LEN, now));
    all.map(|(address, _)| address).collect()
}

#[test]
fn the_peer_has_moved_once_it_answers_what_was_sent_to_its_new_address() {
    let mut path = path(&[home()]);
    assert_ne!(
        Heard::Moved,
        path.handle_authentic(at(5), home(), LEN, at(5), false)
    );
    assert_eq!(probes(&mut path, at(6)), []);
    assert_ne!(
        Heard::Moved,
        path.handle_authentic(at(7), away(), LEN, at(7), false)
    );
    assert_ne!(
        Heard::Moved,
        path.handle_authentic(at(7), away(), LEN, at(7), false),
        "nothing was sent there"
    );
    assert_eq!(probes(&mut path, at(8)), [away()]);
    assert_ne!(
        Heard::Moved,
        path.handle_authentic(at(9), away(), LEN, at(7), false),
        "an answer to what was sent before"
    );
    assert_ne!(
        Heard::Moved,
        path.handle_authentic(at(9), away(), LEN, at(8), false),
        "an answer to what was sent to the old address at that time"
    );
    assert_eq!(path.current(), home());
    assert_eq!(
        Heard::Moved,
        path.handle_authentic(at(9), away(), LEN, probe_at(8, FIRST_CANDIDATE), false)
    );
    assert_eq!((path.current(), probes(&mut path, at(10))), (away(), vec![]));
}

#[test]
fn an_address_that_never_answers_gets_three_times_what_came_from_it() {
    let mut path = path(&[home(), other()]);
    path.handle_authentic(at(0), home(), LEN, at(0), false);
    path.handle_authentic(at(1), victim(), LEN, at(1), false);
    let mut sent = 0;
    for ms in 1..1000 {
        path.handle_authentic(at(ms), home(), LEN, at(ms), false);
        sent += probes(&mut path, at(ms)).len();
    }
    assert_eq!((sent, path.current()), (3, home()));
}

#[test]
fn a_peer_is_looked_for_at_all_its_addresses_until_it_answers_at_one() {
    let mut path = path(&[home(), other()]);
    assert_eq!(
        (path.current(), probes(&mut path, at(0))),
        (home(), vec![other()])
    );
    // Its first answer has seen nothing yet of what was sent there.
    assert_ne!(
        Heard::Moved,
        path.handle_authentic(at(3), other(), LEN, LocalTime(0), false)
    );
    assert_eq!(probes(&mut path, at(4)), [other()]);
    assert_eq!(
        Heard::Moved,
        path.handle_authentic(at(5), other(), LEN, probe_at(0, 1), false)
    );
    assert_eq!((path.current(), probes(&mut path, at(6))), (other(), vec![]));
}

#[test]
fn a_peer_that_falls_silent_is_looked_for_where_it_may_be_besides() {
    let mut path = path(&[home(), other()]);
    path.handle_authentic(at(0), home(), LEN, at(0), false);
    assert_eq!(probes(&mut path, at(500)), []);
    assert_eq!(probes(&mut path, at(501)), [other()]);
    path.handle_authentic(at(502), home(), LEN, at(500), false);
    assert_eq!(probes(&mut path, at(503)), [], "it is heard again");
    assert_ne!(
        Heard::Moved,
        path.handle_authentic(at(504), other(), LEN, probe_at(501, 1), false),
        "what was sent there before is no matter"
    );
}

#[test]
fn an_address_that_nothing_can_be_sent_to_is_not_waited_for() {
    let mut path = path(&[home(), other()]);
    path.handle_authentic(at(0), home(), LEN, at(0), false);
    path.handle_failure();
    assert_eq!(probes(&mut path, at(16)), [other()]);
}

#[test]
fn a_given_address_is_proved_like_any_other() {
    let mut path = path(&[home(), other()]);
    path.handle_authentic(at(0), home(), LEN, at(0), false);
    // Somebody sends one on under the other address.
    assert_ne!(
        Heard::Moved,
        path.handle_authentic(at(1), other(), LEN, at(1), false)
    );
    let sent = (2..100).filter(|ms| {
        path.handle_authentic(at(*ms), home(), LEN, at(*ms), false);
        !probes(&mut path, at(*ms)).is_empty()
    });
    assert_eq!(sent.count(), 3, "and no more: it is heard at the first");
    assert_eq!(path.current(), home());
}

#[test]
fn a_crowd_of_addresses_takes_no_room_and_turns_nothing_to_itself() {
    let mut path = path(&[home(), other()]);
    path.handle_authentic(at(0), home(), LEN, at(0), false);
    let room = size_of_val(&path);
    let mut sent = 0;
    for port in 1..=u16::MAX {
        let from = SocketAddr::new(victim().ip(), port);
        assert_ne!(
            Heard::Moved,
            path.handle_authentic(at(1), from, LEN, at(0), false)
        );
        sent += probes(&mut path, at(2)).len();
    }
    assert!(sent <= 3 * usize::from(u16::MAX), "three times what came: {sent}");
    assert!(room < 1024);
    assert_eq!(path.current(), home());
}

#[test]
fn addresses_that_are_looked_up_anew_keep_what_is_known_of_them() {
    let mut path = path(&[home(), other()]);
    assert_eq!(probes(&mut path, at(0)), [other()]);
    path.look([home(), other(), away()].into_iter());
    assert_eq!(probes(&mut path, at(1)), [other(), away()]);
    assert_eq!(
        Heard::Moved,
        path.handle_authentic(at(2), other(), LEN, probe_at(0, 1), false)
    );
}

#[test]
fn two_that_hear_each_other_in_two_ways_settle_where_the_leading_one_is() {
    let mut path = [path(&[home(), other()]), path(&[home(), other()])];
    // What each sends to where the other is, by its stamp, comes from elsewhere.
    for ms in 0..100 {
        let echo = LocalTime(at(ms).0 - at(ms).0 % time::MARKS);
        assert_eq!(
            path[0].handle_authentic(at(ms), other(), LEN, echo, true),
            Heard::There
        );
        path[1].handle_authentic(at(ms), other(), LEN, echo, false);
    }
    assert_eq!(probes(&mut path[0], at(100)), [], "it is heard where it sends to");
    assert_eq!(probes(&mut path[1], at(100)), [other()]);
    // The leading one's own address changes: what it has sent since does not arrive.
    let echo = LocalTime(at(99).0 - at(99).0 % time::MARKS);
    assert_eq!(
        path[0].handle_authentic(at(101), other(), LEN, echo, true),
        Heard::Elsewhere
    );
    assert_eq!(probes(&mut path[0], at(102)), [other()]);
}
