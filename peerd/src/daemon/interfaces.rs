//! The interfaces of the machine: which are ours, and what happens to them.

use super::Daemon;
use super::clients::Down;
use super::lan::LanPort;
use super::port::{Port, level};
use crate::identity::{Identity, IfIndex, Nonce};
use crate::machine::cable::{Config, Input};
use crate::machine::discovery::Lan;
use crate::machine::mac::Seed;
use crate::sys::claim::Claimed;
use crate::sys::environment;
use crate::sys::sysfs::{Certainty, Device};
use crate::sys::udev;
use crate::wire::netlink::{Link, Message, Request};
use gamelink_core::control::{BRIDGE_PORT, DownCause};
use gamelink_core::time::LocalTime;
use mio::Token;
use nix::errno::Errno;
use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

/// How soon an interface that another daemon held is tried again.
const RETRY_CLAIM: Duration = Duration::from_secs(1);

impl Daemon {
    pub(super) fn receive_monitor(&mut self, now: LocalTime) {
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
            // ENOBUFS: the kernel dropped some of what it had to say.
            self.costs.resyncs += 1;
            log::debug!("reading all interfaces afresh error={error}");
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
                port.check_removed(now, address, &mut self.route);
            }
        }
    }

    pub(super) fn refresh(&mut self, now: LocalTime, index: IfIndex) {
        if let Some(port) = self.ports.get_mut(&index) {
            let is_there = port.refresh(now, &mut self.route);
            // What it still has to say is said before it goes.
            self.settle(now);
            if !is_there && let Some(mut port) = self.ports.remove(&index) {
                log::info!("interface gone interface={}", port.name());
                self.claims.release(index);
                port.close(&mut self.route, self.poll.registry());
                if let Some(keeper) = &self.keeper
                    && self.holes.remove(&index)
                {
                    keeper.close(index);
                }
            }
        } else if let Some(link) = self.route.link(index) {
            self.consider_lan(now, &link);
            self.consider(now, link);
        } else {
            self.unnamed.forget(index);
            self.claims.release(index);
            self.leave_lan(index, "the interface is gone", DownCause::Unplugged);
        }
    }

    /// Looks at all interfaces.
    pub(super) fn rescan(&mut self, now: LocalTime) {
        self.rescan = None;
        let mut indices: BTreeSet<IfIndex> = self.ports.keys().chain(self.lans.keys()).copied().collect();
        let _ = self.route.ask(Request::all_links(), |message| {
            if let Message::Link(link) = message {
                indices.insert(link.index);
            }
        });
        for index in indices {
            self.refresh(now, index);
        }
    }

    /// Takes an interface into service if it is a cable.
    pub(super) fn consider(&mut self, now: LocalTime, link: Link) {
        let name = link.name.as_str();
        let is_named = self.settings.interfaces.iter().any(|of| of == name);
        let is_excluded = self.settings.lan.iter().any(|of| of == name)
            || !self.settings.interfaces.is_empty() && !is_named;
        if !link.is_ethernet || is_excluded {
            return;
        }
        let device = Device::read(name);
        let certainty = |word| match is_named {
            true => Some(Certainty::Sure),
            false => device.certainty_by(word, &self.settings.extra),
        };
        // Of any USB device a rule may say that it is a cable.
        if device.usb_id.is_none() && certainty(None).is_none() {
            return;
        }
        // What has no driver (veth) is none of udev's business, and what is in another namespace it does not see.
        if device.driver.is_some()
            && self
                .unnamed
                .must_wait(now, link.index, udev::progress(link.index))
        {
            return;
        }
        let Some(certainty) = certainty(device.driver.as_ref().and_then(|_| udev::word(link.index))) else {
            return self.unnamed.forget(link.index);
        };
        if !self.claim(now, &link) {
            return;
        }
        let identity = match self.identity() {
            Ok(identity) => identity,
            Err(error) => return log::error!("no random numbers error={error}"),
        };
        let config = Config {
            identity,
            seed: Seed {
                machine_id: environment::machine_id(),
                hardware: environment::hardware_ids(),
                usb_path: device.usb_path.clone().unwrap_or_else(|| name.to_owned()),
            },
            is_certain: certainty == Certainty::Sure,
            is_locked: link.master.is_some(),
            recovers: device.recovers(),
            has_v6: !self.settings.is_v4_only && environment::has_v6(name),
        };
        let tokens = (Token(self.next_token), Token(self.next_token + 1));
        self.next_token += 2;
        match Port::open(now, link, device, certainty, config, self.poll.registry(), tokens) {
            Ok(mut port) => {
                self.unnamed.forget(link.index);
                log::info!(
                    "cable found interface={name} mac={} certainty={certainty:?}",
                    link.mac
                );
                port.prepare(now, &mut self.route);
                port.refresh(now, &mut self.route);
                self.ports.insert(link.index, port);
                self.serve_games(now);
            }
            Err(error) => {
                self.claims.release(link.index);
                let level = error
                    .raw_os_error()
                    .map(Errno::from_raw)
                    .map_or(log::Level::Warn, level);
                log::log!(level, "cannot serve interface={name} error={error}");
            }
        }
    }

    /// Whether this daemon is the one that serves this cable.
    fn claim(&mut self, now: LocalTime, link: &Link) -> bool {
        let name = link.name;
        match self.claims.take(link.index) {
            Ok(Claimed::Ours) => true,
            Ok(Claimed::OursAgainst(uid)) => {
                let uid = uid.map_or("unknown".to_owned(), |uid| uid.to_string());
                log::warn!(
                    "a program that is no daemon holds the name of the one that serves interface={name}, of \
                     user={uid}: serving it all the same"
                );
                true
            }
            Ok(Claimed::Theirs { is_new }) => {
                if is_new {
                    log::warn!(
                        "another peerd serves interface={name}: stop it, or leave the interface to it; waiting"
                    );
                }
                self.rescan = Some(now.after(RETRY_CLAIM));
                false
            }
            Err(error) => {
                log::warn!("cannot claim interface={name} error={error}");
                false
            }
        }
    }

    pub(super) fn consider_lan(&mut self, now: LocalTime, link: &Link) {
        let is_asked = self.settings.lan.iter().any(|of| of == link.name.as_str());
        if !is_asked || self.lans.contains_key(&link.index) {
            return;
        }
        let Ok(identity) = self.identity() else { return };
        let lan = Lan::new(now, identity, BRIDGE_PORT);
        let next = &mut self.next_token;
        let port = LanPort::open(link.name, link.index, lan, self.poll.registry(), || {
            *next += 1;
            Token(*next - 1)
        });
        log::info!("looking for machines lan={}", link.name);
        self.lans.insert(link.index, port);
        self.serve_games(now);
    }

    pub(super) fn leave_lan(&mut self, index: IfIndex, reason: &str, cause: DownCause) {
        if let Some(lan) = self.lans.remove(&index) {
            log::info!("left lan={} reason={reason}", lan.name);
            let down = Down::new(lan.name, reason, cause);
            self.clients.take_back(lan.key(), &down);
        }
    }

    pub(super) fn identity(&self) -> io::Result<Identity> {
        Ok(Identity {
            instance: self.instance,
            nonce: Nonce(u64::from_ne_bytes(environment::random()?)),
            box_id: self.box_id,
            started_ms: u64::try_from(self.started.as_millis()).unwrap_or(u64::MAX),
            name: self.settings.name,
        })
    }

    pub(super) fn redraw(&mut self, now: LocalTime) {
        let Ok(instance) = environment::instance() else {
            return;
        };
        log::warn!("another machine has this instance, drew a new one");
        self.instance = instance;
        // The LANs start anew with it.
        for index in self.lans.keys().copied().collect::<Vec<_>>() {
            self.leave_lan(index, "this side takes a new identity", DownCause::Restarted);
        }
        self.rescan = Some(now);
        let fresh: Vec<_> = self.ports.keys().copied().collect();
        for index in fresh {
            let Ok(identity) = self.identity() else { return };
            if let Some(port) = self.ports.get_mut(&index) {
                port.set_identity(now, identity);
            }
        }
    }
}
