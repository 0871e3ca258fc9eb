//! The state machine of one cable with its sockets: performs its outputs.

use super::handshake_socket::HandshakeSocket;
use super::kernel_autoconf::Autoconf;
use super::leftovers::Leftovers;
use super::shared::Shared;
use super::takeover::LastLook;
use crate::daemon::assignment::{Event, LinkId, Way, peer_up};
use crate::identity::{Mac, Name, Nonce};
use crate::log_lines::refused;
use crate::machine::address_plan::{Failure, Plan};
use crate::machine::cable::{Cable, Config, Input, Output};
use crate::machine::carrier::{Action, LinkState};
use crate::sys::environment;
use crate::sys::firewall_pinholes::{Network, Order};
use crate::sys::netlink::Route;
use crate::sys::sysfs::Device;
use crate::sys::udp_probe::Prober;
use crate::wire::netlink::{AddrGenMode, Link, Message, Request};
use gamelink_core::control::{BRIDGE_PORT, CableStatus, DeviceStatus, FromDaemon};
use gamelink_core::time::LocalTime;
use mio::Token;
use nix::errno::Errno;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};

#[derive(Debug)]
pub(super) struct CablePort {
    pub(super) link: Link,
    pub(super) cable: Cable,
    /// A game is assigned to this cable.
    pub(super) is_played: bool,
    /// The daemon stops, and a linked game keeps its addresses.
    pub(super) stays: bool,
    device: Device,
    socket: HandshakeSocket,
    /// Open while there are addresses.
    prober: Option<Prober>,
    prober_token: Token,
    pub(super) autoconf: Autoconf,
    /// Set up by us, for a game, though it may be no cable.
    pub(super) is_raised: bool,
    pub(super) last_look: Option<LastLook>,
    leftovers: Leftovers,
    link_up_since: Option<LocalTime>,
}

impl CablePort {
    /// Takes an interface into service: finds leftovers of an earlier run, and disables autoconfiguration.
    ///
    /// # Errors
    /// When its socket cannot be opened.
    pub(super) fn open(
        now: LocalTime,
        link: Link,
        device: Device,
        config: Config,
        shared: &mut Shared,
    ) -> io::Result<CablePort> {
        let socket = HandshakeSocket::open(link.index, &shared.registry, shared.tokens.next())?;
        // An earlier run left that mode; no other program sets it on a cable.
        let is_marked = link.addr_gen_mode == Some(AddrGenMode::NONE);
        let mut port = CablePort {
            cable: Cable::new(now, config, link.mac),
            link,
            device,
            is_played: false,
            stays: false,
            socket,
            prober: None,
            prober_token: shared.tokens.next(),
            autoconf: Autoconf::default(),
            is_raised: false,
            last_look: None,
            leftovers: Leftovers::find(now, link.index, is_marked, &mut shared.route),
            link_up_since: None,
        };
        if port.cable.is_ours() {
            port.autoconf.disable(&port.link, &mut shared.route);
        }
        port.refresh(now, shared);
        Ok(port)
    }

    pub(super) fn id(&self) -> LinkId {
        LinkId::Cable(self.link.index)
    }

    pub(super) fn name(&self) -> &str {
        self.link.name.as_str()
    }

    /// Reads the interface as it is now. False if it is gone.
    pub(super) fn refresh(&mut self, now: LocalTime, shared: &mut Shared) -> bool {
        let Some(link) = shared.route.link(self.link.index) else {
            self.cable.handle_input(now, Input::Gone);
            return false;
        };
        if link.name != self.link.name {
            log::info!("renamed interface={} to={}", self.link.name, link.name);
            shared
                .firewall
                .order(Order::Rename(link.index, link.name.as_str().into()));
            shared.events.push(Event::Changed);
        }
        self.link = link;
        let state = LinkState {
            is_up: link.is_up,
            has_carrier: link.has_carrier,
        };
        self.cable.handle_input(now, Input::Link(state, link.mac));
        true
    }

    /// Reads from the socket of that token, if it is ours. `siblings` are the cables of this machine.
    pub(super) fn handle_ready(
        &mut self,
        now: LocalTime,
        token: Token,
        siblings: &BTreeMap<Nonce, Name>,
    ) -> bool {
        if token == self.socket.token {
            self.receive(now, siblings);
        } else if token == self.prober_token {
            if self.prober.as_ref().is_some_and(Prober::receive) {
                self.cable.handle_input(now, Input::UdpHeard);
            }
        } else {
            return false;
        }
        true
    }

    fn receive(&mut self, now: LocalTime, siblings: &BTreeMap<Nonce, Name>) {
        let (own, cable) = (self.cable.nonce(), &mut self.cable);
        self.socket.receive(now, self.link.name, |frame| match frame {
            Ok(frame) => {
                let nonce = frame.sender.nonce;
                let sibling = siblings.get(&nonce).filter(|_| nonce != own);
                cable.handle_input(now, Input::Frame(&frame, sibling.copied()));
            }
            Err(error) => cable.handle_input(now, Input::BadFrame(error)),
        });
    }

    pub(super) fn poll_timeout(&self, now: LocalTime) -> Option<LocalTime> {
        self.cable
            .poll_timeout(now)
            .into_iter()
            .chain(self.socket.poll_timeout())
            .chain(self.prober.as_ref().map(Prober::poll_timeout))
            .chain(self.leftovers.poll_timeout())
            .chain(self.last_look_due())
            .min()
    }

    pub(super) fn handle_timeout(
        &mut self,
        now: LocalTime,
        siblings: &BTreeMap<Nonce, Name>,
        shared: &mut Shared,
    ) {
        let route = &mut shared.route;
        self.leftovers.handle_timeout(now, self.is_played, route);
        if self.socket.handle_timeout(now, self.link.name) {
            self.receive(now, siblings);
        }
        let prober = self.prober.as_mut();
        if let Some(prober) = prober.filter(|prober| prober.poll_timeout() <= now) {
            let is_blocked = prober.send(now);
            self.cable.handle_input(now, Input::UdpBlocked(is_blocked));
        }
        self.handle_last_look(now, shared);
        if self.cable.poll_timeout(now).is_some_and(|at| at <= now) {
            self.cable.handle_input(now, Input::Timeout);
        }
    }

    pub(super) fn drain(&mut self, now: LocalTime, shared: &mut Shared) {
        while let Some(output) = self.cable.poll_output() {
            let name = self.link.name;
            match output {
                Output::Send(frame) => self.socket.send(name, &frame),
                Output::Carrier(action) => self.carry(now, action, shared),
                Output::Look => self.look(now, shared),
                Output::Raise => self.raise(now, shared),
                Output::Lower => self.lower(now, shared),
                Output::Take => self.begin_to_take(now),
                Output::GiveBack => self.give_back(now, shared),
                Output::SetMac(mac) => self.set_mac(now, mac, shared),
                Output::Install(plan) => {
                    let result = self.install(now, &plan, shared);
                    self.cable.handle_input(now, Input::Installed(result));
                }
                Output::Remove(plan) => self.remove(&plan, &mut shared.route),
                Output::PeerUp(peer, plan) => {
                    self.link_up_since = Some(now);
                    log::info!(
                        "link up interface={name} peer={} instance={} local={} remote={}",
                        peer.name,
                        peer.instance,
                        plan.local,
                        plan.peer
                    );
                    self.socket.follow(name, Some(peer.instance));
                    let (index, name) = (self.link.index, name.as_str().into());
                    shared.firewall.order(Order::Open(index, name, Network::Cable));
                    shared.events.extend([Event::Changed, Event::Plugged(peer)]);
                }
                Output::PeerPlays => shared.events.push(Event::Changed),
                Output::PeerDown(peer, loss) => {
                    self.link_up_since = None;
                    log::info!("link down interface={name} peer={peer} reason={loss}");
                    self.socket.follow(name, None);
                    shared.events.push(Event::Down(self.id(), name, loss));
                }
                Output::Redraw => shared.events.push(Event::Redraw),
                Output::Report(diagnostic) => log::warn!("interface={name} {diagnostic}"),
            }
        }
    }

    fn carry(&mut self, now: LocalTime, action: Action, shared: &mut Shared) {
        let (name, route) = (self.link.name, &mut shared.route);
        if action == Action::Cycle {
            log::info!("no peer found, cycling the link interface={name}");
            let _ = route.change(Request::set_up(self.link.index, false));
        }
        if let Err(error) = route.change(Request::set_up(self.link.index, true)) {
            refused(
                format_args!("cannot set the interface up interface={name}"),
                error,
            );
        }
        self.refresh(now, shared);
    }

    fn set_mac(&mut self, now: LocalTime, mac: Mac, shared: &mut Shared) {
        let (index, route) = (self.link.index, &mut shared.route);
        // usbnet refuses while up (EBUSY), so down first, and up again whatever the result.
        let _ = route.change(Request::set_up(index, false));
        let result = route.change(Request::set_mac(index, mac));
        let _ = route.change(Request::set_up(index, true));
        let read = result.and_then(|()| route.link(index).ok_or(Errno::ENODEV));
        let (old, name) = (self.link.mac, self.link.name);
        match read {
            Ok(link) => log::info!(
                "duplicate MAC changed interface={name} from={old} to={}",
                link.mac
            ),
            Err(error) => refused(format_args!("MAC not changed interface={name}"), error),
        }
        let read = read.map(|link| link.mac).map_err(|_| ());
        self.cable.handle_input(now, Input::MacSet(read));
        self.refresh(now, shared);
    }

    fn install(&mut self, now: LocalTime, plan: &Plan, shared: &mut Shared) -> Result<(), Failure> {
        let (index, name, route) = (self.link.index, self.link.name, &mut shared.route);
        self.autoconf.disable(&self.link, route);
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
        let prober = Prober::open(now, index, addresses, (&shared.registry, self.prober_token));
        let log = |error| refused(format_args!("no UDP probe interface={name}"), error);
        self.prober = prober.map_err(log).ok();
        Ok(())
    }

    fn remove(&mut self, plan: &Plan, route: &mut Route) {
        let index = self.link.index;
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
        let (index, mut is_there) = (self.link.index, false);
        let _ = route.ask(Request::all_addresses(), |message| {
            is_there |= matches!(message, Message::Address { index: of, local, .. } if (of, local) == (index, address));
        });
        if !is_there {
            let name = self.link.name;
            log::info!("address removed by another program interface={name} address={address}");
            self.cable.handle_input(now, Input::AddressRemoved(address));
        }
    }

    pub(super) fn peer_up(&self) -> Option<(LinkId, FromDaemon)> {
        let &(peer, plan) = self.cable.assignment()?;
        let at = |ip| SocketAddr::new(ip, BRIDGE_PORT);
        let message = peer_up(
            self.link.name,
            (peer, self.cable.title()),
            &[at(plan.peer)],
            Way::Cable(at(plan.local)),
        );
        Some((self.id(), message))
    }

    pub(super) fn status(&self, now: LocalTime) -> CableStatus {
        let mut status = self.cable.status(now);
        status.device = DeviceStatus {
            interface: self.name().to_owned(),
            index: self.link.index.0,
            driver: self.device.driver.clone(),
            usb_id: self.device.usb_id.clone(),
            usb_path: self.device.usb_path.clone(),
            is_certain: self.cable.is_ours(),
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
