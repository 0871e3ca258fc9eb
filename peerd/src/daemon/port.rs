//! One cable's machine with its sockets: carries out what the machine wants.

use super::leftovers::Leftovers;
use crate::identity::{Identity, IfIndex, Instance, Mac, Name};
use crate::machine::address::{Failure, Plan};
use crate::machine::cable::{Cable, Config, Input, Output, Peer};
use crate::machine::carrier::{Action, LinkState};
use crate::machine::loss::Loss;
use crate::sys::netlink::Route;
use crate::sys::packet::PacketSocket;
use crate::sys::sysctl;
use crate::sys::sysfs::{Certainty, Device};
use crate::sys::udp::ProbeSocket;
use crate::wire::filter;
use crate::wire::frame::Frame;
use crate::wire::netlink::{AddrGenMode, Link, Message, Request};
use gamelink_core::time::LocalTime;
use mio::{Registry, Token};
use nix::errno::Errno;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

/// Frames read at once.
const BATCH: usize = 16;
/// How long the socket is left alone after a full batch: bounds a flood to 16 frames in 10 ms.
const PAUSE: Duration = Duration::from_millis(10);
/// Full batches in a row that make a flood.
const FLOOD: u8 = 3;
/// How long the kernel then passes only the peer's frames and a sample of others.
const STRICT: Duration = Duration::from_secs(10);
/// How often the layers above Ethernet are tried while linked.
const PROBE: Duration = Duration::from_millis(1500);
/// What a probe says; its sender is known by the connected socket.
const PROBE_BYTES: &[u8] = b"GLNKprobe";

/// What the rest of the daemon has to do about a cable.
#[derive(Debug)]
pub(super) enum Event {
    /// Its peer can be reached.
    PeerUp,
    /// It cannot any more.
    PeerDown(Loss),
    /// A new instance is to be drawn.
    Redraw,
    /// The interface has another name.
    Renamed,
}

/// How much a refusal of the kernel is worth: of an interface that was just pulled out the monitor tells as well.
pub(super) fn level(error: Errno) -> log::Level {
    match error {
        // The last one: its own address has gone with it.
        Errno::ENODEV | Errno::ENXIO | Errno::ENETDOWN | Errno::EADDRNOTAVAIL => log::Level::Debug,
        _ => log::Level::Warn,
    }
}

/// One cable.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) link: Link,
    pub(super) device: Device,
    pub(super) certainty: Certainty,
    pub(super) cable: Cable,
    pub(super) tokens: (Token, Token),
    pub(super) link_up_since: Option<LocalTime>,
    /// A game has this cable.
    pub(super) is_played: bool,
    socket: PacketSocket,
    probe: Option<ProbeSocket>,
    probe_due: Option<LocalTime>,
    /// The socket was left with frames in it.
    paused: Option<LocalTime>,
    /// Whom the kernel lets through when there is a flood.
    followed: Option<Instance>,
    full_batches: u8,
    /// Until when the filter is strict.
    strict: Option<LocalTime>,
    old_gen_mode: Option<AddrGenMode>,
    leftovers: Leftovers,
    /// What the kernel let neighbours decide.
    old_trust: Vec<sysctl::Changed>,
    /// Its game knows it, and its peer's address, by the old name.
    is_renamed: bool,
}

impl Port {
    /// Takes an interface into service.
    ///
    /// # Errors
    /// Why its socket cannot be opened.
    pub(super) fn open(
        now: LocalTime,
        link: Link,
        device: Device,
        certainty: Certainty,
        config: Config,
        registry: &Registry,
        tokens: (Token, Token),
    ) -> io::Result<Port> {
        let socket = PacketSocket::open(link.index, &filter::program(None))?;
        socket.register(registry, tokens.0)?;
        Ok(Port {
            cable: Cable::new(now, config, link.mac),
            link,
            device,
            certainty,
            tokens,
            link_up_since: None,
            is_played: false,
            leftovers: Leftovers::default(),
            socket,
            probe: None,
            probe_due: None,
            paused: None,
            followed: None,
            full_batches: 0,
            strict: None,
            old_gen_mode: None,
            old_trust: vec![],
            is_renamed: false,
        })
    }

    pub(super) fn name(&self) -> &str {
        self.link.name.as_str()
    }

    fn index(&self) -> IfIndex {
        self.link.index
    }

    /// Looks for what an earlier run left on this interface, which goes when there is something new, or soon; and keeps the
    /// kernel and the other end out of it.
    pub(super) fn prepare(&mut self, now: LocalTime, route: &mut Route) {
        // That mode is what we leave behind, too; nobody else sets it on a cable.
        let is_marked = self.link.addr_gen_mode == Some(AddrGenMode::NONE);
        self.leftovers = Leftovers::find(now, self.link.index, is_marked, route);
        if self.certainty == Certainty::Sure {
            self.silence_kernel(route);
        }
    }

    /// Keeps the kernel from making addresses of the MAC, and from letting the other end decide where packets go.
    fn silence_kernel(&mut self, route: &mut Route) {
        if self.old_trust.is_empty() {
            self.old_trust = sysctl::distrust(self.link.name.as_str());
        }
        if self.old_gen_mode.is_none()
            && let Some(mode) = self.link.addr_gen_mode
            && mode != AddrGenMode::NONE
            && route
                .change(Request::set_addr_gen_mode(self.index(), AddrGenMode::NONE))
                .is_ok()
        {
            self.old_gen_mode = Some(mode);
        }
    }

    /// Something happened to the interface: looks at it as it is now. False if it is gone.
    pub(super) fn refresh(&mut self, now: LocalTime, route: &mut Route) -> bool {
        let Some(link) = route.link(self.index()) else {
            self.cable.handle_input(now, Input::Gone);
            return false;
        };
        if link.name != self.link.name {
            log::info!("renamed interface={} to={}", self.link.name, link.name);
            self.is_renamed = true;
        }
        self.link = link;
        let state = LinkState {
            is_up: link.is_up,
            has_carrier: link.has_carrier,
        };
        self.cable.handle_input(now, Input::Link(state, link.mac));
        true
    }

    /// Reads a batch of frames. `sibling` finds the cable of this box that a frame with our own instance came from.
    pub(super) fn receive(&mut self, now: LocalTime, sibling: impl Fn(&Frame) -> Option<Name>) {
        let mut bytes = [0; 256];
        self.paused = None;
        for _ in 0..BATCH {
            match self.socket.receive(&mut bytes) {
                Ok(len) => match Frame::decode(bytes.get(..len).unwrap_or_default()) {
                    Ok(frame) => self
                        .cable
                        .handle_input(now, Input::Frame(&frame, sibling(&frame))),
                    Err(error) => self.cable.handle_input(now, Input::BadFrame(error)),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.full_batches = 0;
                    return;
                }
                // ENETDOWN once after each down; ENXIO for good after a delete, which the monitor tells as well.
                Err(error) if error.raw_os_error() == Some(libc::ENETDOWN) => {}
                Err(_) => return,
            }
        }
        self.paused = Some(now.after(PAUSE));
        self.full_batches = self.full_batches.saturating_add(1);
        if self.full_batches >= FLOOD && self.followed.is_some() && self.strict.is_none() {
            log::warn!(
                "flood of frames, only the peer's are taken for a while interface={}",
                self.name()
            );
            self.strict = Some(now.after(STRICT));
            self.apply_filter();
        }
    }

    /// Everybody is heard as long as they are few: a restarted peer, a second claimant.
    fn apply_filter(&mut self) {
        let peer = self.followed.filter(|_| self.strict.is_some());
        if let Err(error) = self.socket.set_filter(&filter::program(peer)) {
            log::warn!("socket filter not set interface={} error={error}", self.name());
        }
    }

    /// Reads the peer's probes.
    pub(super) fn receive_probe(&mut self, now: LocalTime) {
        let Some(probe) = &self.probe else { return };
        let mut bytes = [0; 64];
        for _ in 0..BATCH {
            match probe.receive(&mut bytes) {
                Ok(len) if bytes.get(..len) == Some(PROBE_BYTES) => {
                    self.cable.handle_input(now, Input::UdpHeard);
                }
                // ECONNREFUSED is an answer too, of a peer whose socket is not open yet.
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {}
            }
        }
    }

    fn send_probe(&mut self, now: LocalTime) {
        let Some(probe) = &self.probe else { return };
        self.probe_due = Some(now.after(PROBE));
        // EPERM: a rule on OUTPUT dropped it. Anything else passes.
        let is_blocked = probe
            .send(PROBE_BYTES)
            .is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
        self.cable.handle_input(now, Input::UdpBlocked(is_blocked));
    }

    pub(super) fn poll_timeout(&self, now: LocalTime) -> Option<LocalTime> {
        self.cable
            .poll_timeout(now)
            .into_iter()
            .chain(self.probe_due)
            .chain(self.paused)
            .chain(self.strict)
            .chain(self.leftovers.poll_timeout())
            .min()
    }

    /// Does what is due.
    pub(super) fn handle_timeout(
        &mut self,
        now: LocalTime,
        route: &mut Route,
        sibling: impl Fn(&Frame) -> Option<Name>,
    ) {
        self.leftovers.handle_timeout(now, self.is_played, route);
        if self.paused.is_some_and(|at| at <= now) {
            self.receive(now, sibling);
        }
        if self.strict.is_some_and(|at| at <= now) {
            self.strict = None;
            self.full_batches = 0;
            self.apply_filter();
        }
        if self.probe_due.is_some_and(|at| at <= now) {
            self.send_probe(now);
        }
        if self.cable.poll_timeout(now).is_some_and(|at| at <= now) {
            self.cable.handle_input(now, Input::Timeout);
        }
    }

    /// Carries out what the machine wants.
    pub(super) fn drain(
        &mut self,
        now: LocalTime,
        route: &mut Route,
        registry: &Registry,
        mut event: impl FnMut(Event),
    ) {
        if std::mem::take(&mut self.is_renamed) {
            event(Event::Renamed);
        }
        while let Some(output) = self.cable.poll_output() {
            match output {
                Output::Send(frame) => {
                    if let Err(error) = self.socket.send(&frame.encode()) {
                        log::trace!("frame not sent interface={} error={error}", self.name());
                    }
                }
                Output::Carrier(action) => self.carry(now, action, route),
                Output::SetMac(mac) => self.set_mac(now, mac, route),
                Output::Install(plan) => {
                    let result = self.install(&plan, route, registry);
                    self.cable.handle_input(now, Input::Installed(result));
                    if result.is_ok() {
                        self.send_probe(now);
                    }
                }
                Output::Remove(plan) => self.remove(&plan, route, registry),
                Output::Follow(peer) => {
                    self.followed = peer;
                    if self.strict.take().is_some() {
                        self.apply_filter();
                    }
                }
                Output::PeerUp(peer, plan) => {
                    self.link_up_since = Some(now);
                    self.log_up(&peer, &plan);
                    event(Event::PeerUp);
                }
                Output::PeerDown(name, reason) => {
                    self.link_up_since = None;
                    log::info!("link down interface={} peer={name} reason={reason}", self.name());
                    event(Event::PeerDown(reason));
                }
                Output::Redraw => event(Event::Redraw),
                Output::Say(trouble) => log::warn!("interface={} {trouble}", self.name()),
            }
        }
    }

    fn log_up(&self, peer: &Peer, plan: &Plan) {
        let instance = peer.identity.instance;
        log::info!(
            "link up interface={} peer={} instance={instance} local={} remote={}",
            self.name(),
            peer.identity.name,
            plan.local,
            plan.peer
        );
    }

    fn carry(&mut self, now: LocalTime, action: Action, route: &mut Route) {
        if action == Action::Cycle {
            log::info!("no peer for long, cycling the link interface={}", self.name());
            let _ = route.change(Request::set_up(self.index(), false));
        }
        if let Err(error) = route.change(Request::set_up(self.index(), true)) {
            log::log!(
                level(error),
                "cannot set the interface up interface={} error={error}",
                self.name()
            );
        }
        self.refresh(now, route);
    }

    fn set_mac(&mut self, now: LocalTime, mac: Mac, route: &mut Route) {
        let index = self.index();
        // usbnet refuses while up (EBUSY), so always down first; and up again whatever came of it.
        let _ = route.change(Request::set_up(index, false));
        let result = route.change(Request::set_mac(index, mac));
        let _ = route.change(Request::set_up(index, true));
        let read = route.link(index).map(|link| link.mac);
        let (old, name) = (self.link.mac, self.link.name);
        match (result, read) {
            (Ok(()), Some(read)) => {
                log::info!("both ends had the same MAC, changed interface={name} from={old} to={read}");
                self.cable.handle_input(now, Input::MacSet(Ok(read)));
            }
            (result, _) => {
                let error = result.err().unwrap_or(Errno::ENODEV);
                log::log!(level(error), "MAC not changed interface={name} error={error}");
                self.cable.handle_input(now, Input::MacSet(Err(())));
            }
        }
        self.refresh(now, route);
    }

    fn install(&mut self, plan: &Plan, route: &mut Route, registry: &Registry) -> Result<(), Failure> {
        let index = self.index();
        self.silence_kernel(route);
        let fail = |error: Errno| {
            log::log!(
                level(error),
                "address not set interface={} address={} error={error}",
                self.link.name,
                plan.local
            );
            let no_v6 = [Errno::EACCES, Errno::EAFNOSUPPORT, Errno::EOPNOTSUPP].contains(&error);
            if plan.local.is_ipv6() && no_v6 {
                Failure::NoV6
            } else {
                Failure::Passing
            }
        };
        let others = match plan.local {
            IpAddr::V4(_) => route.addresses_beside(index),
            IpAddr::V6(_) => vec![],
        };
        if plan.is_taken(|ip| others.contains(&ip)) {
            return Err(Failure::Taken);
        }
        match route.change(Request::add_address(index, plan.local, plan.peer)) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(error) => return Err(fail(error)),
        }
        route
            .change(Request::add_neighbour(index, plan.peer, plan.peer_mac))
            .map_err(fail)?;
        self.leftovers.remove(Some(plan), route);
        self.close_probe(registry);
        match ProbeSocket::open(index, plan.local, plan.peer) {
            Ok(probe) => {
                if probe.register(registry, self.tokens.1).is_ok() {
                    self.probe = Some(probe);
                }
            }
            Err(error) => {
                let level = error
                    .raw_os_error()
                    .map(Errno::from_raw)
                    .map_or(log::Level::Warn, level);
                log::log!(level, "no UDP probe interface={} error={error}", self.link.name);
            }
        }
        Ok(())
    }

    fn remove(&mut self, plan: &Plan, route: &mut Route, registry: &Registry) {
        let index = self.index();
        self.close_probe(registry);
        // Gone already where the interface went down or away.
        let _ = route.change(Request::remove_neighbour(index, plan.peer));
        let _ = route.change(Request::remove_address(index, plan.local, plan.peer));
    }

    fn close_probe(&mut self, registry: &Registry) {
        self.probe_due = None;
        if let Some(probe) = self.probe.take() {
            probe.deregister(registry);
        }
    }

    /// Whether the kernel really has this address no more: an old event may tell of one that has been put back since.
    pub(super) fn check_removed(&mut self, now: LocalTime, address: IpAddr, route: &mut Route) {
        if self
            .cable
            .addresses()
            .installed()
            .is_none_or(|plan| plan.local != address)
        {
            return;
        }
        let (index, mut is_there) = (self.index(), false);
        let _ = route.ask(Request::all_addresses(), |message| {
            is_there |= matches!(message, Message::Address { index: of, local, .. } if (of, local) == (index, address));
        });
        if !is_there {
            log::info!(
                "address removed by somebody interface={} address={address}",
                self.name()
            );
            self.cable.handle_input(now, Input::AddressRemoved(address));
        }
    }

    pub(super) fn set_identity(&mut self, now: LocalTime, identity: Identity) {
        self.cable.handle_input(now, Input::Identity(identity));
    }

    /// Leaves the interface as it was found, but up.
    pub(super) fn close(&mut self, route: &mut Route, registry: &Registry) {
        self.close_probe(registry);
        self.leftovers.remove(None, route);
        self.socket.deregister(registry);
        sysctl::restore(self.link.name.as_str(), std::mem::take(&mut self.old_trust));
        if let Some(mode) = self.old_gen_mode.take() {
            let _ = route.change(Request::set_addr_gen_mode(self.index(), mode));
        }
    }
}
