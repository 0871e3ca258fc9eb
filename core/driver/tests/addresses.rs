//! Two links of which one knows several addresses of the other, in both families.

mod path_parts;

use gamelink_driver::{Key, Link};
use path_parts::{Router, are_linked, assert_one_link, free, key, link, play, resumed};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A wildcard with a port that is free in both families, and that port on the loopback address of each.
fn free_of_both() -> (SocketAddr, [SocketAddr; 2]) {
    loop {
        let port = free().port();
        let any: SocketAddr = format!("[::]:{port}").parse().unwrap();
        if UdpSocket::bind(any).is_ok() {
            let own = ["127.0.0.1", "[::1]"].map(|ip| format!("{ip}:{port}").parse().unwrap());
            return (any, own);
        }
    }
}

fn keys() -> [Option<Key>; 2] {
    [Some(key()), None]
}

fn list(addresses: &[SocketAddr]) -> String {
    addresses
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(",")
}

#[test]
fn a_peer_is_found_at_whichever_of_its_addresses_it_is() {
    for key in keys() {
        for place in 0..3 {
            let ((a, own_a), (b, own_b)) = (free_of_both(), free_of_both());
            // Nobody is at the others.
            let mut given = [free(), free(), free()];
            given[place] = own_b[place % 2];
            let back = own_a[place % 2];
            let links = [link(a, &list(&given), key.as_ref()), link(b, &back, key.as_ref())];
            let took = play(&links, 5 * SECOND, are_linked).expect("a link");
            println!("{place}: after {took:?}");
            links[0].set_enabled(false);
            links[0].set_enabled(true);
            let again = |links: &[Link; 2]| are_linked(links) && links[1].report().counters.links == 2;
            play(&links, 5 * SECOND, again).expect("a link after the first was ended");
        }
    }
}

#[test]
fn two_that_have_both_families_settle_on_one_path() {
    for key in keys() {
        for _ in 0..3 {
            let ((a, own_a), (b, own_b)) = (free_of_both(), free_of_both());
            let links = [
                link(a, &list(&own_b), key.as_ref()),
                // The other family first, so that both begin apart.
                link(b, &list(&[own_a[1], own_a[0]]), key.as_ref()),
            ];
            play(&links, 5 * SECOND, are_linked).expect("a link");
            play(&links, SECOND, |_| false);
            let counts = |links: &[Link; 2]| {
                [0, 1].map(|side: usize| (links[side].report().counters.sent, arrived(&links[1 - side])))
            };
            let before = counts(&links);
            play(&links, SECOND / 2, |_| false);
            for (before, after) in before.iter().zip(counts(&links)) {
                let (sent, arrived) = (after.0 - before.0, after.1 - before.1);
                assert!(sent >= 3 && arrived <= sent + 1, "{arrived} of {sent}");
            }
        }
    }
}

/// Datagrams that came, used or not.
fn arrived(link: &Link) -> u64 {
    let counters = link.report().counters;
    counters.received + counters.dropped.replayed + counters.dropped.foreign
}

#[test]
fn a_link_goes_on_in_the_other_family_when_the_path_of_one_falls_silent() {
    let key = key();
    let ((a, _), (b, own_b)) = (free_of_both(), free_of_both());
    let router = Router::start(SocketAddr::from(([127, 0, 0, 1], a.port())), own_b[0], 1);
    let links = [
        link(a, &list(&[router.inside, own_b[1]]), Some(&key)),
        // The side that stays knows one address alone, and hears the other.
        link(b, &router.outside[0], Some(&key)),
    ];
    play(&links, 5 * SECOND, are_linked).expect("a link");
    play(&links, SECOND / 2, |_| false);
    drop(router);
    let took = resumed(&links, 5 * SECOND);
    println!("after {took:?}");
    assert_one_link(&links);
}
