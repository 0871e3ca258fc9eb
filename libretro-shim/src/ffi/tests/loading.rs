//! A core that takes its time to load a game, while the peer already calls.

use super::{Peer, Shim, ends, session, turn, with_cable};
use std::time::{Duration, Instant};

/// Waits until this is so, for as long as a busy machine may take.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(60), "no sign of {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_slow_load_makes_one_link_and_loses_none() {
    let _turn = turn();
    let [own, other] = ends(9_437);
    let peer = Peer::new(&other, &own);
    let meanwhile = || {
        with_cable((), |cable| {
            let link = cable.link();
            let result = link.set_peer(Some(other.parse().unwrap()), Some(own.parse().unwrap()));
            result.unwrap();
        });
        let calls = || peer.link.report().counters.sent;
        let before = calls();
        until("the peer's calls", || calls() > before + 3);
    };
    let shim = Shim::load_by(&[], |game| {
        session().load(gamelink_driver::Cartridge::default(), |core| {
            meanwhile();
            // SAFETY: a game as libretro.h wants it.
            unsafe { core.load_game(game) }
        })
    });
    until("a link", || {
        shim.frame();
        peer.frame();
        shim.link(|link| link.is_linked()) && peer.link.is_linked()
    });
    let own = shim.link(|link| Some(link.report())).unwrap();
    for (side, report) in [("own", own), ("peer", peer.link.report())] {
        let counters = &report.counters;
        assert_eq!((counters.links, counters.losses), (1, 0), "{side}");
    }
}
