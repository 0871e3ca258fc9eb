//! Addresses and neighbours of an earlier run, which was killed or stopped while a game was linked.

use crate::identity::IfIndex;
use crate::machine::address::Plan;
use crate::sys::netlink::Route;
use crate::wire::netlink::{Message, Request};
use gamelink_core::time::LocalTime;
use std::net::IpAddr;
use std::time::Duration;

/// Time they stay for a game that is linked over them and has not connected yet: games look for a daemon ten
/// times a second.
const KEEP_TIME: Duration = Duration::from_secs(3);

/// Leftovers on one interface.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    index: IfIndex,
    /// Addresses with their partners.
    addresses: Vec<(IpAddr, IpAddr)>,
    neighbours: Vec<IpAddr>,
    due: Option<LocalTime>,
}

impl Leftovers {
    /// Finds them. With `is_marked`, addresses of our form count too: older kernels keep no mark of ours.
    pub(super) fn find(now: LocalTime, index: IfIndex, is_marked: bool, route: &mut Route) -> Leftovers {
        let (mut addresses, mut neighbours) = (vec![], vec![]);
        let _ = route.ask(Request::all_addresses(), |message| {
            if let Message::Address {
                index: of,
                local,
                partner,
                is_ours,
                is_like_ours,
                ..
            } = message
                && of == index
                && (is_ours || is_like_ours && is_marked)
            {
                addresses.push((local, partner));
            }
        });
        let _ = route.ask(Request::all_neighbours(), |message| {
            if let Message::Neighbour {
                index: of,
                ip,
                is_ours: true,
            } = message
                && of == index
            {
                neighbours.push(ip);
            }
        });
        let is_empty = addresses.is_empty() && neighbours.is_empty();
        Leftovers {
            index,
            addresses,
            neighbours,
            due: (!is_empty).then(|| now.after(KEEP_TIME)),
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<LocalTime> {
        self.due
    }

    /// Removes them when due. A game that has the cable may be linked over just these while the other daemon
    /// is silent.
    pub(super) fn handle_timeout(&mut self, now: LocalTime, is_played: bool, route: &mut Route) {
        if self.due.is_none_or(|at| now < at) {
            return;
        }
        if is_played {
            self.due = Some(now.after(KEEP_TIME));
        } else {
            self.remove(None, route);
        }
    }

    /// Removes all but those of `plan`.
    pub(super) fn remove(&mut self, plan: Option<&Plan>, route: &mut Route) {
        let index = self.index;
        let addresses = self.addresses.drain(..);
        let addresses = addresses
            .filter(|(local, _)| plan.is_none_or(|plan| plan.local != *local))
            .map(|(local, partner)| Request::remove_address(index, local, partner));
        let neighbours = self.neighbours.drain(..);
        let neighbours = neighbours
            .filter(|ip| plan.is_none_or(|plan| plan.peer != *ip))
            .map(|ip| Request::remove_neighbour(index, ip));
        for request in addresses.chain(neighbours) {
            // Fails where the interface went down or away.
            let _ = route.change(request);
        }
        if self.due.take().is_some() {
            log::info!("removed addresses of an earlier run index={}", index.0);
        }
    }
}
