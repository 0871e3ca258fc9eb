//! Addresses of the two ends: both compute them from the handshake, without DHCP or probing.

use crate::identity::{Identity, Mac, hash64};
use gamelink_core::time::LocalTime;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// Removals by others before the cause is reported and the pace slows.
const MAX_LOSSES: u8 = 3;
/// Removals further apart than this are unrelated.
const FIGHT_WINDOW: Duration = Duration::from_secs(60);
/// Delay before a removed address is restored: `ip address flush` repeats until it finds nothing. The second
/// delay is ten times as long.
const RESTORE_DELAY: Duration = Duration::from_millis(30);
/// Delay once the address is contested.
const CONTESTED_DELAY: Duration = Duration::from_secs(20);
/// Interval at which an address of another interface is tried again: within the time a diagnostic is shown.
const TAKEN_RETRY: Duration = Duration::from_secs(4);
/// The metadata service of cloud machines, whose traffic no peer may get.
const METADATA: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));
/// Interval of retries after the kernel refused.
const REFUSED_RETRY: Duration = Duration::from_millis(250);

/// Addresses and neighbour that connect both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Our address: link-local `/64` for IPv6, `/32` with the peer's as its partner for IPv4.
    pub(crate) local: IpAddr,
    pub(crate) peer: IpAddr,
    /// The peer's MAC, for a permanent neighbour entry: no resolution, which a firewall could drop.
    pub(crate) peer_mac: Mac,
}

impl Plan {
    pub(crate) fn new(me: &Identity, peer: &Identity, peer_mac: Mac, with_v6: bool) -> Plan {
        let (local, peer) = match with_v6 {
            true => (v6(me), v6(peer)),
            false => v4(me, peer),
        };
        Plan {
            local,
            peer,
            peer_mac,
        }
    }

    pub(crate) fn has_addresses_of(&self, other: &Plan) -> bool {
        (self.local, self.peer) == (other.local, other.peer)
    }

    /// True if one of its addresses is in use, according to `has`. IPv4 link-local addresses are shared by
    /// all interfaces; there are 32 512 pairs, and a peer can try until it has the one that it wants.
    pub(crate) fn is_taken(&self, has: impl Fn(IpAddr) -> bool) -> bool {
        let is_taken = |ip: IpAddr| ip == METADATA || has(ip);
        self.local.is_ipv4() && (is_taken(self.local) || is_taken(self.peer))
    }
}

fn v6(identity: &Identity) -> IpAddr {
    let hash = hash64(
        "gamelink fe80",
        &[&identity.instance.0, &identity.nonce.0.to_be_bytes()],
    );
    // The universal bit is cleared: this is no EUI-64 of anybody's MAC (RFC 4291, 2.5.1).
    Ipv6Addr::from_bits(0xfe80 << 112 | u128::from(hash & !(2 << 56))).into()
}

/// Two neighbours in 169.254.1.0 to 169.254.254.255 (RFC 3927, 2.1), the even one for the smaller instance.
fn v4(me: &Identity, peer: &Identity) -> (IpAddr, IpAddr) {
    let is_first = (me.instance, me.nonce) < (peer.instance, peer.nonce);
    let (first, second) = if is_first { (me, peer) } else { (peer, me) };
    let hash = hash64(
        "gamelink 169.254",
        &[
            &first.instance.0,
            &first.nonce.0.to_be_bytes(),
            &second.instance.0,
            &second.nonce.0.to_be_bytes(),
        ],
    );
    let place = 0x0100 + (hash % 0xFE00) as u32;
    let address = |is_second| Ipv4Addr::from_bits(0xA9FE_0000 | place & !1 | u32::from(is_second)).into();
    (address(!is_first), address(is_first))
}

/// Reasons why addresses could not be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// An address belongs to another interface, or to a host reached by one.
    Taken,
    /// IPv6 is disabled on this interface.
    NoV6,
    /// A temporary failure: no buffers, the link just went down.
    Passing,
}

/// The addresses of one end of one cable.
#[derive(Clone, Debug, Default)]
pub(crate) struct Addresses {
    wanted: Option<Plan>,
    installed: Option<Plan>,
    /// The plan that may be partly in place.
    touched: Option<Plan>,
    has_v6: bool,
    losses: u8,
    lost: Option<LocalTime>,
    retry: Option<LocalTime>,
}

impl Addresses {
    pub(crate) fn new(has_v6: bool) -> Addresses {
        Addresses {
            has_v6,
            ..Addresses::default()
        }
    }

    pub(crate) fn has_v6(&self) -> bool {
        self.has_v6
    }

    pub(crate) fn installed(&self) -> Option<&Plan> {
        self.installed.as_ref()
    }

    /// Another program removes them faster than they are restored.
    pub(crate) fn is_contested(&self) -> bool {
        self.losses >= MAX_LOSSES
    }

    pub(crate) fn want(&mut self, plan: Option<Plan>) {
        if self.wanted != plan {
            self.wanted = plan;
            self.retry = None;
        }
    }

    /// Handles the result of the last [`poll_install`](Self::poll_install).
    pub(crate) fn handle_installed(&mut self, now: LocalTime, result: Result<(), Failure>) {
        match result {
            Ok(()) => self.installed = self.wanted,
            Err(Failure::NoV6) => {
                self.has_v6 = false;
                self.wanted = None;
            }
            Err(Failure::Taken) => self.retry = Some(now.after(TAKEN_RETRY)),
            Err(Failure::Passing) => self.retry = Some(now.after(REFUSED_RETRY)),
        }
    }

    /// Handles a link that was down: the kernel has dropped the addresses.
    pub(crate) fn handle_flushed(&mut self) {
        self.installed = None;
        self.retry = None;
    }

    pub(crate) fn handle_removed(&mut self, now: LocalTime, address: IpAddr) {
        if self.installed.is_none_or(|plan| plan.local != address) {
            return;
        }
        self.installed = None;
        let is_fight = self.lost.is_some_and(|at| now.since(at) < FIGHT_WINDOW);
        let before = if is_fight { self.losses } else { 0 };
        self.losses = before.saturating_add(1);
        self.lost = Some(now);
        let pause = match self.losses {
            0 | 1 => RESTORE_DELAY,
            2 => RESTORE_DELAY * 10,
            _ => CONTESTED_DELAY,
        };
        self.retry = Some(now.after(pause));
    }

    pub(crate) fn poll_remove(&mut self) -> Option<Plan> {
        let wanted = self.wanted;
        let is_old = |old: &mut Plan| wanted.is_none_or(|wanted| !wanted.has_addresses_of(old));
        let old = self.touched.take_if(is_old)?;
        self.installed = None;
        Some(old)
    }

    /// Addresses to set, over existing ones; then [`handle_installed`](Self::handle_installed).
    pub(crate) fn poll_install(&mut self, now: LocalTime) -> Option<Plan> {
        let wanted = self.wanted?;
        if self.installed == Some(wanted) || self.retry.is_some_and(|at| now < at) {
            return None;
        }
        self.retry = None;
        self.touched = Some(wanted);
        Some(wanted)
    }

    pub(crate) fn poll_timeout(&self) -> Option<LocalTime> {
        self.retry
            .filter(|_| self.wanted.is_some() && self.installed != self.wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Instance, Name, Nonce};
    use crate::machine::trust::{MachineId, Public};

    fn identity(n: u8) -> Identity {
        Identity {
            instance: Instance([n; 16]),
            nonce: Nonce(n.into()),
            box_id: n.into(),
            started_ms: 0,
            name: Name::new("test"),
            machine: MachineId::default(),
            public: Public::default(),
        }
    }

    #[test]
    fn both_ends_come_to_the_same_two_addresses() {
        for (a, b) in (1..=20)
            .flat_map(|a| (1..=20).map(move |b| (a, b)))
            .filter(|(a, b)| a != b)
        {
            for with_v6 in [false, true] {
                let mine = Plan::new(&identity(a), &identity(b), Mac::default(), with_v6);
                let theirs = Plan::new(&identity(b), &identity(a), Mac::default(), with_v6);
                assert_eq!((mine.local, mine.peer), (theirs.peer, theirs.local));
                assert_ne!(mine.local, mine.peer);
                match mine.local {
                    IpAddr::V6(ip) => assert!(ip.is_unicast_link_local()),
                    IpAddr::V4(ip) => {
                        assert!(ip.is_link_local() && ip.octets()[2] != 0 && ip.octets()[2] != 255);
                    }
                }
            }
        }
    }

    #[test]
    fn an_address_that_somebody_has_is_refused_and_tried_again_only_rarely() {
        let plan = Plan::new(&identity(1), &identity(2), Mac::default(), false);
        assert!(!plan.is_taken(|_| false));
        assert!(plan.is_taken(|ip| ip == plan.peer) && plan.is_taken(|ip| ip == plan.local));
        let metadata = Plan {
            peer: METADATA,
            ..plan
        };
        assert!(metadata.is_taken(|_| false));
        // Those of IPv6 are of one interface.
        assert!(!Plan::new(&identity(1), &identity(2), Mac::default(), true).is_taken(|_| true));
        let mut addresses = Addresses::new(true);
        addresses.want(Some(plan));
        let mut installs = 0;
        for second in 0..60 {
            let now = LocalTime(second * 1_000_000_000);
            if addresses.poll_install(now).is_some() {
                installs += 1;
                addresses.handle_installed(now, Err(Failure::Taken));
            }
        }
        assert_eq!(installs, 15);
    }

    #[test]
    fn a_flushed_address_comes_back_three_times_and_then_only_slowly() {
        let mut addresses = Addresses::new(true);
        let plan = Plan::new(&identity(1), &identity(2), Mac::default(), true);
        addresses.want(Some(plan));
        let mut installs = 0;
        for ms in 0..10_000u64 {
            let now = LocalTime(ms * 1_000_000);
            if addresses.poll_install(now).is_some() {
                installs += 1;
                addresses.handle_installed(now, Ok(()));
                addresses.handle_removed(now, plan.local);
            }
        }
        assert_eq!(installs, 3);
        assert!(addresses.is_contested());
        assert!(addresses.poll_install(LocalTime(25_000_000_000)).is_some());
    }

    #[test]
    fn what_was_half_installed_is_removed_too() {
        let mut addresses = Addresses::new(true);
        addresses.want(Some(Plan::new(&identity(1), &identity(2), Mac::default(), true)));
        assert!(addresses.poll_install(LocalTime(0)).is_some());
        addresses.handle_installed(LocalTime(0), Err(Failure::Passing));
        addresses.want(None);
        assert!(addresses.poll_remove().is_some());
        assert_eq!(addresses.poll_remove(), None);
        assert_eq!(addresses.poll_install(LocalTime(0)), None);
    }
}
