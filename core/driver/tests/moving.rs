//! Two links with a router between them that gives one of them another port in mid-play, as one does whose
//! table was full or that was started anew.

mod path_parts;

use gamelink_driver::{Key, Link};
use path_parts::{Router, are_linked, assert_one_link, free, key, link, play, received, resumed};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

fn setup(ports: usize, key: Option<&Key>) -> ([Link; 2], Router, SocketAddr) {
    let (a, b) = (free(), free());
    let router = Router::start(a, b, ports);
    let links = [link(a, &router.inside, key), link(b, &router.outside[0], key)];
    play(&links, Duration::from_secs(10), are_linked).expect("a link");
    (links, router, b)
}

#[test]
fn a_link_with_a_key_follows_its_peer_to_another_port() {
    let key = key();
    let (links, router, _) = setup(8, Some(&key));
    for port in 1..8 {
        router.used.store(port, Ordering::Relaxed);
        let took = resumed(&links, Duration::from_secs(5));
        println!("port {port}: after {took:?}");
    }
    assert_one_link(&links);
}

#[test]
fn a_link_without_a_key_hears_its_peer_at_its_address_alone() {
    let (links, router, _) = setup(2, None);
    router.used.store(1, Ordering::Relaxed);
    let is_lost = |links: &[Link; 2]| links.iter().all(|link| !link.is_linked());
    play(&links, Duration::from_secs(40), is_lost).expect("silence");
    let before = received(&links[1]);
    assert_eq!(
        play(&links, Duration::from_millis(500), |links| links
            .iter()
            .any(Link::is_linked)),
        None
    );
    assert_eq!(received(&links[1]), before);
}

#[test]
fn a_peer_that_comes_back_at_another_port_is_found() {
    let key = key();
    let (mut links, router, b) = setup(1, Some(&key));
    let own = free();
    // The whole machine behind the router is started anew, and the router gives it another port.
    let moved = Router::start(own, b, 1);
    drop(std::mem::replace(
        &mut links[0],
        link(own, &moved.inside, Some(&key)),
    ));
    drop(router);
    let is_linked_anew = |links: &[Link; 2]| links[0].is_linked() && links[1].report().counters.links == 2;
    let took = play(&links, Duration::from_secs(10), is_linked_anew).expect("a link");
    println!("found after {took:?}");
}

#[test]
fn a_side_with_an_address_that_is_out_of_date_is_found_by_the_other() {
    let key = key();
    let (a, b) = (free(), free());
    let router = Router::start(a, b, 1);
    // Nobody is at the address that B was given.
    let links = [link(a, &router.inside, Some(&key)), link(b, &free(), Some(&key))];
    let took = play(&links, Duration::from_secs(10), are_linked).expect("a link");
    println!("found after {took:?}");
    // And again, when the link is over and it has moved back to where nobody is.
    links[1].set_enabled(false);
    links[1].set_enabled(true);
    play(&links, Duration::from_secs(10), are_linked).expect("a link");
}
