//! Links to a peer that is given by its name.

mod path_parts;

use gamelink_driver::{Link, LookupError};
use path_parts::{free, link, play};
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

fn are_linked(links: &[Link; 2]) -> bool {
    links.iter().all(Link::is_linked)
}

/// What is said of a name within some seconds.
fn lookup_error(link: &Link) -> Option<LookupError> {
    let start = Instant::now();
    let errors = std::iter::from_fn(|| {
        std::thread::sleep(SECOND / 50);
        (start.elapsed() < 20 * SECOND).then(|| link.take_lookup_error())
    });
    errors.flatten().next()
}

#[test]
fn a_peer_is_found_by_its_name() {
    let (a, b) = (free(), free());
    let names = [a, b].map(|own| format!("localhost:{}", own.port()));
    let links = [link(a, &names[1], None), link(b, &names[0], None)];
    let took = play(&links, 5 * SECOND, are_linked).expect("a link");
    println!("after {took:?}");
    assert_eq!(links[0].take_lookup_error(), None);
}

#[test]
fn a_name_that_nobody_has_is_said_once_and_an_address_beside_it_serves() {
    let (a, b) = (free(), free());
    let first = link(a, &format!("name.invalid,{b}"), None);
    let error = lookup_error(&first).expect("a word about the name");
    assert_eq!(error.name, "name.invalid");
    assert!(
        error.to_string().starts_with("cannot resolve name.invalid: "),
        "{error}"
    );
    let links = [first, link(b, &a, None)];
    play(&links, 5 * SECOND, are_linked).expect("a link");
    assert_eq!(links[0].take_lookup_error(), None);
}

#[test]
fn nobody_waits_for_a_resolver() {
    let start = Instant::now();
    for _ in 0..20 {
        let alone = link(free(), &"name.invalid", None);
        alone.frame_start(None);
        alone.frame_end(true, Duration::ZERO);
    }
    assert!(start.elapsed() < SECOND, "{:?}", start.elapsed());
}
