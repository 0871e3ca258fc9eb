//! Addresses and neighbours of an earlier run, which was killed or stopped while a game was linked.

use crate::identity::IfIndex;
use crate::machine::address_plan::Plan;
use crate::sys::netlink::Route;
use crate::wire::netlink::{Message, Request};
use gamelink_core::time::LocalTime;
use std::net::IpAddr;
use std::time::Duration;

/// Time they stay for a game that is linked over them and has not connected yet: games look for a daemon ten
/// times a second.
const KEEP_TIME: Duration = Duration::from_secs(3);

#[derive(Debug, Default)]
pub(super) struct Leftovers {
    index: IfIndex,
    /// Addresses with their partners, and neighbours.
    found: Vec<(IpAddr, Option<IpAddr>)>,
    due: Option<LocalTime>,
}

impl Leftovers {
    /// Finds them. With `is_marked`, addresses of our form count too: older kernels keep no mark of ours.
    pub(super) fn find(now: LocalTime, index: IfIndex, is_marked: bool, route: &mut Route) -> Leftovers {
        let mut found = vec![];
        for request in [Request::all_addresses(), Request::all_neighbours()] {
            let _ = route.ask(request, |message| match message {
                Message::Address {
                    index: of,
                    local,
                    partner,
                    is_ours,
                    is_like_ours,
                    ..
                } if of == index && (is_ours || is_like_ours && is_marked) => {
                    found.push((local, Some(partner)));
                }
                Message::Neighbour {
                    index: of,
                    ip,
                    is_ours: true,
                } if of == index => found.push((ip, None)),
                _ => {}
            });
        }
        let due = (!found.is_empty()).then(|| now.after(KEEP_TIME));
        Leftovers { index, found, due }
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
        for (ip, partner) in self.found.drain(..) {
            let (kept, request) = match partner {
                Some(partner) => (
                    plan.map(|plan| plan.local),
                    Request::remove_address(index, ip, partner),
                ),
                None => (plan.map(|plan| plan.peer), Request::remove_neighbour(index, ip)),
            };
            if kept != Some(ip) {
                // Fails where the interface went down or away.
                let _ = route.change(request);
            }
        }
        if self.due.take().is_some() {
            log::info!("removed addresses of an earlier run index={}", index.0);
        }
    }
}
