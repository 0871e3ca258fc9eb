//! The state machine of one cable with its sockets: performs its outputs.

use super::autoconf::Autoconf;
use super::frames::Frames;
use super::leftovers::Leftovers;
use super::link::LinkId;
use crate::identity::{IfIndex, Mac, Name};
use crate::log_lines::refused;
use crate::machine::address::{Failure, Plan};
use crate::machine::cable::{Cable, Config, Input, Output};
use crate::machine::carrier::{Action, LinkState};
use crate::machine::loss::Loss;
use crate::sys::environment;
use crate::sys::netlink::Route;
use crate::sys::sysfs::{Certainty, Device};
use crate::sys::udp::Prober;
use crate::wire::frame::Frame;
use crate::wire::netlink::{AddrGenMode, Link, Message, Request};
use gamelink_core::control::{BRIDGE_PORT, CableStatus, DeviceStatus, FromDaemon};
use gamelink_core::time::LocalTime;
use gamelink_driver::PeerAddress;
use mio::{Registry, Token};
use nix::errno::Errno;
use std::io;
use std::net::IpAddr;

/// Events for the rest of the daemon.
#[derive(Debug)]
pub(super) enum Event {
    /// The peer can be reached.
    PeerUp,
    /// The peer is lost.
    PeerDown(Loss),
    /// Another machine has our instance.
    Redraw,
    /// The interface was renamed.
    Renamed,
}

/// One cable.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) link: Link,
    pub(super) certainty: Certainty,
    pub(super) cable: Cable,
    /// A game is assigned to this cable.
    pub(super) is_played: bool,
    device: Device,
    frames: Frames,
    /// Open while there are addresses.
    prober: Option<Prober>,
    prober_token: Token,
    autoconf: Autoconf,
    leftovers: Leftovers,
    link_up_since: Option<LocalTime>,
    /// The rename has not been reported yet.
    is_renamed: bool,
}

impl Port {
    /// Takes an interface into service: finds leftovers of an earlier run, and disables autoconfiguration.
    ///
    /// # Errors
    /// When its socket cannot be opened.
    pub(super) fn open(
        now: LocalTime,
        link: Link,
        (device, certainty): (Device, Certainty),
        config: Config,
        (registry, tokens): (&Registry, [Token; 2]),
        route: &mut Route,
    ) -> io::Result<Port> {
        let frames = Frames::open(link.index, registry, tokens[0])?;
        // An earlier run left that mode; no other program sets it on a cable.
        let is_marked = link.addr_gen_mode == Some(AddrGenMode::NONE);
        let mut port = Port {
            cable: Cable::new(now, config, link.mac),
            link,
            device,
            certainty,
            is_played: false,
            frames,
            prober: None,
            prober_token: tokens[1],
            autoconf: Autoconf::default(),
            leftovers: Leftovers::find(now, link.index, is_marked, route),
            link_up_since: None,
            is_renamed: false,
        };
        if certainty == Certainty::Sure {
            port.autoconf.disable(&port.link, route);
        }
        port.refresh(now, route);
        Ok(port)
    }

    pub(super) fn id(&self) -> LinkId {
        LinkId::Cable(self.link.index)
    }

    pub(super) fn name(&self) -> &str {
        self.link.name.as_str()
    }

    fn index(&self) -> IfIndex {
        self.link.index
    }

    /// Reads the interface as it is now. False if it is gone.
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

    /// Reads from the socket of that token, if it is ours. `sibling` finds the cable of this machine that
    /// sent a frame with our own instance.
    pub(super) fn handle_ready(
        &mut self,
        now: LocalTime,
        token: Token,
        sibling: impl Fn(&Frame) -> Option<Name>,
    ) -> bool {
        if token == self.frames.token {
            self.receive(now, sibling);
        } else if token == self.prober_token {
            if self.prober.as_ref().is_some_and(Prober::receive) {
                self.cable.handle_input(now, Input::UdpHeard);
            }
        } else {
            return false;
        }
        true
    }

    fn receive(&mut self, now: LocalTime, sibling: impl Fn(&Frame) -> Option<Name>) {
        let cable = &mut self.cable;
        self.frames.receive(now, self.link.name, |frame| match frame {
            Ok(frame) => cable.handle_input(now, Input::Frame(&frame, sibling(&frame))),
            Err(error) => cable.handle_input(now, Input::BadFrame(error)),
        });
    }

    fn send_probe(&mut self, now: LocalTime) {
        if let Some(prober) = &mut self.prober {
            let is_blocked = prober.send(now);
            self.cable.handle_input(now, Input::UdpBlocked(is_blocked));
        }
    }

    pub(super) fn poll_timeout(&self, now: LocalTime) -> Option<LocalTime> {
        self.cable
            .poll_timeout(now)
            .into_iter()
            .chain(self.frames.poll_timeout())
            .chain(self.prober.as_ref().map(Prober::poll_timeout))
            .chain(self.leftovers.poll_timeout())
            .min()
    }

    /// Performs what is due.
    pub(super) fn handle_timeout(
        &mut self,
        now: LocalTime,
        route: &mut Route,
        sibling: impl Fn(&Frame) -> Option<Name>,
    ) {
        self.leftovers.handle_timeout(now, self.is_played, route);
        if self.frames.handle_timeout(now, self.link.name) {
            self.receive(now, sibling);
        }
        let probe_due = self.prober.as_ref().map(Prober::poll_timeout);
        if probe_due.is_some_and(|at| at <= now) {
            self.send_probe(now);
        }
        if self.cable.poll_timeout(now).is_some_and(|at| at <= now) {
            self.cable.handle_input(now, Input::Timeout);
        }
    }

    /// Performs the outputs of the machine.
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
                Output::Send(frame) => self.frames.send(self.link.name, &frame),
                Output::Carrier(action) => self.carry(now, action, route),
                Output::SetMac(mac) => self.set_mac(now, mac, route),
                Output::Install(plan) => {
                    let result = self.install(now, &plan, route, registry);
                    self.cable.handle_input(now, Input::Installed(result));
                    if result.is_ok() {
                        self.send_probe(now);
                    }
                }
                Output::Remove(plan) => self.remove(&plan, route),
                Output::Follow(peer) => self.frames.follow(self.link.name, peer),
                Output::PeerUp(peer, plan) => {
                    self.link_up_since = Some(now);
                    let (
                        peer,
                        Plan {
                            local, peer: remote, ..
                        },
                    ) = (peer.identity, plan);
                    let (name, instance) = (peer.name, peer.instance);
                    log::info!(
                        "link up interface={} peer={name} instance={instance} local={local} remote={remote}",
                        self.name()
                    );
                    event(Event::PeerUp);
                }
                Output::PeerDown(name, reason) => {
                    self.link_up_since = None;
                    log::info!("link down interface={} peer={name} reason={reason}", self.name());
                    event(Event::PeerDown(reason));
                }
                Output::Redraw => event(Event::Redraw),
                Output::Report(diagnostic) => log::warn!("interface={} {diagnostic}", self.name()),
            }
        }
    }

    fn carry(&mut self, now: LocalTime, action: Action, route: &mut Route) {
        if action == Action::Cycle {
            log::info!("no peer found, cycling the link interface={}", self.name());
            let _ = route.change(Request::set_up(self.index(), false));
        }
        if let Err(error) = route.change(Request::set_up(self.index(), true)) {
            refused(
                format_args!("cannot set the interface up interface={}", self.name()),
                error,
            );
        }
        self.refresh(now, route);
    }

    fn set_mac(&mut self, now: LocalTime, mac: Mac, route: &mut Route) {
        let index = self.index();
        // usbnet refuses while up (EBUSY), so down first, and up again whatever the result.
        let _ = route.change(Request::set_up(index, false));
        let result = route.change(Request::set_mac(index, mac));
        let _ = route.change(Request::set_up(index, true));
        let read = route.link(index).map(|link| link.mac);
        let (old, name) = (self.link.mac, self.link.name);
        match (result, read) {
            (Ok(()), Some(read)) => {
                log::info!("duplicate MAC changed interface={name} from={old} to={read}");
                self.cable.handle_input(now, Input::MacSet(Ok(read)));
            }
            (result, _) => {
                let error = result.err().unwrap_or(Errno::ENODEV);
                refused(format_args!("MAC not changed interface={name}"), error);
                self.cable.handle_input(now, Input::MacSet(Err(())));
            }
        }
        self.refresh(now, route);
    }

    fn install(
        &mut self,
        now: LocalTime,
        plan: &Plan,
        route: &mut Route,
        registry: &Registry,
    ) -> Result<(), Failure> {
        let index = self.index();
        self.autoconf.disable(&self.link, route);
        let name = self.link.name;
        let fail = |error: Errno| {
            refused(
                format_args!("address not set interface={name} address={}", plan.local),
                error,
            );
            let no_v6 = [Errno::EACCES, Errno::EAFNOSUPPORT, Errno::EOPNOTSUPP].contains(&error);
            match plan.local.is_ipv6() && no_v6 {
                true => Failure::NoV6,
                false => Failure::Passing,
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
        let addresses = (plan.local, plan.peer);
        let prober = Prober::open(now, index, addresses, (registry, self.prober_token));
        let log = |error| refused(format_args!("no UDP probe interface={name}"), error);
        self.prober = prober.map_err(log).ok();
        Ok(())
    }

    fn remove(&mut self, plan: &Plan, route: &mut Route) {
        let index = self.index();
        self.prober = None;
        // Fails where the interface went down or away.
        let _ = route.change(Request::remove_neighbour(index, plan.peer));
        let _ = route.change(Request::remove_address(index, plan.local, plan.peer));
    }

    /// Reports a removed address, if it is still missing: an old event may concern one that was restored
    /// since.
    pub(super) fn check_removed(&mut self, now: LocalTime, address: IpAddr, route: &mut Route) {
        let installed = self.cable.addresses().installed();
        if installed.is_none_or(|plan| plan.local != address) {
            return;
        }
        let (index, mut is_there) = (self.index(), false);
        let _ = route.ask(Request::all_addresses(), |message| {
            is_there |= matches!(message, Message::Address { index: of, local, .. } if (of, local) == (index, address));
        });
        if !is_there {
            log::info!(
                "address removed by another program interface={} address={address}",
                self.name()
            );
            self.cable.handle_input(now, Input::AddressRemoved(address));
        }
    }

    /// The assignment for a game, if there is a peer.
    pub(super) fn peer_up(&self) -> Option<(LinkId, FromDaemon)> {
        let (name, plan) = self.cable.assignment()?;
        let address = |ip: IpAddr| PeerAddress {
            ip,
            port: BRIDGE_PORT,
            interface: ip.is_ipv6().then(|| self.name().to_owned()),
        };
        let message = FromDaemon::PeerUp {
            cable: self.name().to_owned(),
            name: name.to_string(),
            address: address(plan.peer).to_string(),
            bind: Some(address(plan.local).to_string()),
        };
        Some((self.id(), message))
    }

    pub(super) fn status(&self, now: LocalTime) -> CableStatus {
        let mut status = self.cable.status(now);
        status.device = DeviceStatus {
            interface: self.name().to_owned(),
            index: self.index().0,
            driver: self.device.driver.clone(),
            usb_id: self.device.usb_id.clone(),
            usb_path: self.device.usb_path.clone(),
            is_certain: self.certainty == Certainty::Sure,
        };
        status.mac.mac_was_random = self.device.has_random_mac;
        status.up_ms = self.link_up_since.map(|at| now.since(at).as_millis() as u64);
        let is_contested = self.cable.addresses().is_contested();
        status.culprits = is_contested.then(environment::network_managers);
        status
    }

    /// Restores the interface as it was found, but up.
    pub(super) fn close(&mut self, route: &mut Route) {
        self.prober = None;
        self.leftovers.remove(None, route);
        self.autoconf.restore(&self.link, route);
    }
}
