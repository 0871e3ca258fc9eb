//! Discovery of interfaces, and the kernel's messages about them.

use super::Interfaces;
use super::cable_port::CablePort;
use super::lan_port::LanPort;
use crate::daemon::assignment::Event;
use crate::identity::{Identity, IfIndex, Nonce};
use crate::log_lines::refused;
use crate::machine::cable::{Config, Input};
use crate::machine::lan::Lan;
use crate::machine::mac_repair::Seed;
use crate::machine::peer_loss::Loss;
use crate::sys::firewall_pinholes::Order;
use crate::sys::interface_lock::Claimed;
use crate::sys::sysfs::{Certainty, Device};
use crate::sys::udev::Mark;
use crate::sys::{environment, sysctl, udev};
use crate::wire::netlink::{Link, Message, Request};
use gamelink_core::time::LocalTime;
use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

/// Interval at which an interface that another daemon claims is tried again.
const CLAIM_RETRY: Duration = Duration::from_secs(1);

impl Interfaces {
    pub(in crate::daemon) fn receive_monitor(&mut self, now: LocalTime) {
        let mut buffer = [0; 16 * 1024];
        let (mut links, mut removed, mut flapped) = (BTreeSet::new(), vec![], BTreeSet::new());
        let result = self.monitor.receive(&mut buffer, |message| match message {
            Message::Link(link) => {
                links.insert(link.index);
                if !link.is_up {
                    flapped.insert(link.index);
                }
            }
            Message::LinkGone(index) => {
                links.insert(index);
            }
            Message::Address {
                index,
                local,
                is_gone: true,
                ..
            } => removed.push((index, local)),
            _ => {}
        });
        if let Err(error) = result {
            // ENOBUFS: the kernel dropped messages.
            self.resyncs += 1;
            log::debug!("netlink messages dropped, reading all interfaces again error={error}");
            flapped.extend(self.ports.keys());
            self.rescan(now);
        }
        for index in flapped {
            if let Some(port) = self.ports.get_mut(&index) {
                port.cable.handle_input(now, Input::Flapped);
            }
        }
        for index in links {
            self.refresh(now, index);
        }
        for (index, address) in removed {
            if let Some(port) = self.ports.get_mut(&index) {
                port.check_removed(now, address, &mut self.shared.route);
            }
        }
    }

    pub(super) fn refresh(&mut self, now: LocalTime, index: IfIndex) {
        if let Some(port) = self.ports.get_mut(&index) {
            if port.refresh(now, &mut self.shared) {
                return;
            }
            // Its last outputs are performed before it goes.
            port.drain(now, &mut self.shared);
            log::info!("interface gone interface={}", port.name());
            self.claims.release(index);
            port.close(&mut self.shared.route);
            self.shared.firewall.order(Order::Close(index));
            self.ports.remove(&index);
        } else if let Some(link) = self.shared.route.link(index) {
            self.consider_lan(now, &link);
            self.consider(now, link);
        } else {
            self.udev_settle.forget(index);
            self.claims.release(index);
            self.leave_lan(index, Loss::LanGone);
        }
    }

    pub(super) fn rescan(&mut self, now: LocalTime) {
        self.rescan = None;
        let mut indices: BTreeSet<IfIndex> = self.ports.keys().chain(self.lans.keys()).copied().collect();
        let _ = self.shared.route.ask(Request::all_links(), |message| {
            if let Message::Link(link) = message {
                indices.insert(link.index);
            }
        });
        for index in indices {
            self.refresh(now, index);
        }
    }

    /// Takes an interface into service if it is a cable.
    fn consider(&mut self, now: LocalTime, link: Link) {
        let Some((device, certainty)) = self.judge(now, &link) else {
            return;
        };
        if !self.claim(now, &link) {
            return;
        }
        let identity = match identity(self.me) {
            Ok(identity) => identity,
            Err(error) => return log::error!("no random numbers error={error}"),
        };
        let name = link.name.as_str();
        let config = Config {
            identity,
            seed: Seed {
                machine_id: environment::machine_id(),
                hardware: environment::hardware_ids(),
                usb_path: device.usb_path.clone().unwrap_or_else(|| name.to_owned()),
            },
            is_certain: certainty == Certainty::Sure,
            is_taken: certainty == Certainty::Maybe && link.former.is_some(),
            may_raise: device.is_listed_gadget(),
            is_locked: link.master.is_some(),
            recovers: device.recovers(),
            has_v6: !self.settings.ipv4 && sysctl::has_v6(name),
        };
        match CablePort::open(now, link, device, config, &mut self.shared) {
            Ok(port) => {
                self.udev_settle.forget(link.index);
                log::info!(
                    "cable found interface={name} mac={} certainty={certainty:?}",
                    link.mac
                );
                self.shared.events.push(Event::Changed);
                self.ports.insert(link.index, port);
            }
            Err(error) => {
                self.claims.release(link.index);
                refused(format_args!("cannot serve interface={name}"), error);
            }
        }
    }

    /// Certainty that an interface is a cable, by the operator's word, driver and udev; `None` if it is not,
    /// or if udev has not settled.
    fn judge(&mut self, now: LocalTime, link: &Link) -> Option<(Device, Certainty)> {
        let (name, settings) = (link.name.as_str(), &self.settings);
        let is_named = settings.interfaces.iter().any(|of| of == name);
        let is_excluded =
            settings.lan.iter().any(|of| of == name) || !settings.interfaces.is_empty() && !is_named;
        if !link.is_ethernet || is_excluded {
            return None;
        }
        let device = Device::read(name);
        let certainty = |word| match is_named {
            true => Some(Certainty::Sure),
            false => device.certainty(word, &self.cables),
        };
        // A udev rule may make any USB device a cable.
        if device.usb_id.is_none() && certainty(None).is_none() {
            return None;
        }
        // Devices without a driver (veth) and those in other namespaces are unknown to udev.
        let has_driver = device.driver.is_some();
        let progress = || udev::progress(link.index);
        if has_driver && self.udev_settle.must_wait(now, link.index, progress()) {
            return None;
        }
        let word = has_driver.then(|| udev::mark(link.index)).flatten();
        // What was taken has a cable's name, and by that a cable's mark.
        let word = match link.former {
            Some(_) => word.map(|mark| mark.min(Mark::Gadget)),
            None => word,
        };
        let certainty = certainty(word);
        if certainty.is_none() {
            self.udev_settle.forget(link.index);
        }
        Some((device, certainty?))
    }

    fn claim(&mut self, now: LocalTime, link: &Link) -> bool {
        let name = link.name;
        match self.claims.take(link.index) {
            Ok(Claimed::Ours) => true,
            Ok(Claimed::OursAgainst(uid)) => {
                let uid = uid.map_or("unknown".to_owned(), |uid| uid.to_string());
                log::warn!(
                    "claim held by a program that is not a daemon, serving the interface anyway interface={name} \
                     of user={uid}"
                );
                true
            }
            Ok(Claimed::Theirs { is_new }) => {
                if is_new {
                    log::warn!(
                        "another peerd serves interface={name}: stop it, or leave the interface to it; waiting"
                    );
                }
                self.rescan = Some(now.after(CLAIM_RETRY));
                false
            }
            Err(error) => {
                log::warn!("cannot claim interface={name} error={error}");
                false
            }
        }
    }

    fn consider_lan(&mut self, now: LocalTime, link: &Link) {
        let is_asked = self.settings.lan.iter().any(|of| of == link.name.as_str());
        if !is_asked || self.lans.contains_key(&link.index) {
            return;
        }
        let (Ok(identity), Ok(seed)) = (identity(self.me), environment::random()) else {
            return;
        };
        let lan = Lan::new(now, identity, self.keys.trust.clone(), seed);
        let port = LanPort::open(link.name, link.index, lan, &mut self.shared);
        log::info!("LAN discovery started lan={}", link.name);
        self.shared.events.push(Event::Changed);
        self.lans.insert(link.index, port);
    }

    fn leave_lan(&mut self, index: IfIndex, loss: Loss) {
        if let Some(lan) = self.lans.remove(&index) {
            self.shared.firewall.order(Order::Close(index));
            log::info!("LAN interface released lan={} reason={loss}", lan.name);
            self.shared.events.push(Event::Down(lan.id(), lan.name, loss));
        }
    }

    /// Draws a new instance for the whole process.
    pub(super) fn redraw(&mut self, now: LocalTime) {
        let Ok(instance) = environment::instance() else {
            return;
        };
        log::warn!("another machine has the same instance, new one drawn");
        self.me.instance = instance;
        // LAN discovery starts again with it.
        for index in self.lans.keys().copied().collect::<Vec<_>>() {
            self.leave_lan(index, Loss::NewIdentity);
        }
        self.rescan = Some(now);
        for port in self.ports.values_mut() {
            let Ok(identity) = identity(self.me) else { return };
            port.cable.handle_input(now, Input::Identity(identity));
        }
    }
}

/// The identity on a new link: it has a nonce of its own.
fn identity(me: Identity) -> io::Result<Identity> {
    let nonce = Nonce(u64::from_ne_bytes(environment::random()?));
    Ok(Identity { nonce, ..me })
}
