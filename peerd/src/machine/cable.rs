//! One end of one cable: carrier, peer, MAC, addresses and health, put together.

mod io;
mod peering;
mod status;
mod taking;

pub(crate) use io::{Config, Input, Output};

use super::address_plan::{self, Addresses, Plan};
use super::carrier::Carrier;
use super::custody::Custody;
use super::diagnostic::{Diagnostic, Diagnostics};
use super::heartbeat::Heartbeat;
use super::mac_repair::{self, Repair};
use super::peer_loss::Loss;
use crate::identity::{Identity, Instance, Mac, Name, Nonce};
use crate::wire::ethernet_frame::{Flags, Frame, Kind, MacMessage, VERSION};
use crate::wire::reader::WireError;
use gamelink_core::control::FrameCounts;
use gamelink_core::time::LocalTime;
use peering::{Admission, Peering, Udp};
use std::collections::VecDeque;
use std::time::Duration;

/// Time for which a datagram of the peer proves that UDP works.
const UDP_FRESH: Duration = Duration::from_secs(4);
/// New instances drawn because another machine has ours, before a loop is assumed.
const MAX_REDRAWS: u8 = 3;

#[derive(Debug)]
pub(crate) struct Cable {
    me: Identity,
    custody: Custody,
    carrier: Carrier,
    heartbeat: Heartbeat,
    repair: Repair,
    addresses: Addresses,
    diagnostics: Diagnostics,
    peering: Peering,
    udp: Udp,
    /// Title of the game that waits here, or plays.
    game: Option<Name>,
    redraws: u8,
    is_stopped: bool,
    frames: FrameCounts,
    sent: Option<Frame>,
    outputs: VecDeque<Output>,
}

impl Cable {
    pub(crate) fn new(now: LocalTime, config: Config, mac: Mac) -> Cable {
        Cable {
            me: config.identity,
            custody: Custody::new(config.is_certain, config.is_taken, config.may_raise),
            carrier: Carrier::new(config.is_certain, config.recovers),
            heartbeat: Heartbeat::new(now, !config.is_certain && !config.is_taken),
            repair: Repair::new(config.seed, mac, config.is_locked),
            addresses: Addresses::new(config.has_v6),
            diagnostics: Diagnostics::default(),
            peering: Peering::default(),
            udp: Udp::default(),
            game: None,
            redraws: 0,
            is_stopped: false,
            frames: FrameCounts::default(),
            sent: None,
            outputs: VecDeque::new(),
        }
    }

    pub(crate) fn nonce(&self) -> Nonce {
        self.me.nonce
    }

    /// True if it is certainly a cable, or was taken as one.
    pub(crate) fn is_ours(&self) -> bool {
        self.custody.is_ours()
    }

    /// The peer's name and addresses, while games are assigned to it.
    pub(crate) fn assignment(&self) -> Option<&(Name, Plan)> {
        self.peering.assigned.as_ref()
    }

    pub(crate) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    pub(crate) fn poll_timeout(&self, now: LocalTime) -> Option<LocalTime> {
        if self.is_stopped {
            return None;
        }
        let is_linked = self.peering.assigned.is_some();
        let beat = self.heartbeat.poll_timeout(now, is_linked, self.can_send(now));
        beat.into_iter()
            .chain(self.carrier.poll_timeout())
            .chain(self.custody.poll_timeout())
            .chain(self.repair.poll_timeout())
            .chain(self.addresses.poll_timeout())
            .min()
    }

    /// The next output; drain to `None` after each input.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(crate) fn handle_input(&mut self, now: LocalTime, input: Input<'_>) {
        if self.is_stopped {
            return;
        }
        match input {
            Input::Link(state, mac) => {
                if self.carrier.handle_state(now, state) {
                    self.heartbeat.wake(now);
                }
                self.repair.handle_mine(mac);
            }
            Input::Frame(frame, sibling) => self.handle_frame(now, frame, sibling),
            Input::BadFrame(error) => self.handle_bad_frame(now, error),
            Input::Installed(result) => {
                self.addresses.handle_installed(now, result);
                if result == Err(address_plan::Failure::Taken) {
                    self.report(now, Diagnostic::AddressTaken);
                }
            }
            Input::AddressRemoved(address) => {
                self.addresses.handle_removed(now, address);
                if self.addresses.is_contested() {
                    self.report(now, Diagnostic::Contested);
                }
            }
            Input::MacSet(result) => {
                self.repair.handle_set(result);
                self.addresses.handle_flushed();
                if *self.repair.state() == mac_repair::State::Refused {
                    self.report(now, Diagnostic::MacRefused);
                }
            }
            Input::UdpHeard => self.udp.heard = Some(now),
            Input::UdpBlocked(is_blocked) => self.udp.is_blocked = is_blocked,
            Input::Game { waiting, holds } => {
                self.game = waiting;
                if !holds && self.peering.held.take().is_some() && self.peering.peer.is_none() {
                    self.addresses.want(None);
                }
            }
            Input::Usage(usage) => self.custody.handle_usage(now, usage),
            Input::Taken(result) => self.handle_taken(now, result),
            Input::Identity(identity) => {
                self.lose(now, Loss::NewIdentity);
                self.me = identity;
            }
            Input::Flapped => self.addresses.handle_flushed(),
            Input::Resumed => self.heartbeat.handle_resume(now),
            Input::Gone => self.stop(now, Loss::Unplugged),
            Input::Stop { leaves_path: true } => self.is_stopped = true,
            Input::Stop { leaves_path: false } => {
                if self.can_send(now) {
                    // Twice, as a goodbye is not answered.
                    self.send(Kind::Goodbye);
                    self.send(Kind::Goodbye);
                }
                self.stop(now, Loss::Stopping);
            }
            Input::Timeout => {}
        }
        if !self.is_stopped {
            self.settle(now);
        }
    }

    fn handle_bad_frame(&mut self, now: LocalTime, error: WireError) {
        self.frames.malformed += 1;
        if let WireError::Version(theirs, name) = error {
            let ours = VERSION;
            self.report(now, Diagnostic::Version { name, theirs, ours });
        }
    }

    fn handle_frame(&mut self, now: LocalTime, frame: &Frame, sibling: Option<Name>) {
        self.frames.received += 1;
        if !self.custody.may_speak(now) {
            return self.refuse(now, frame);
        }
        let (me, sender) = (&self.me, &frame.sender);
        let is_double = sender.instance == me.instance;
        let is_this_box = sender.box_id == me.box_id && !is_double;
        if let Some(other) = sibling.or(is_this_box.then(Name::default)) {
            return self.report(now, Diagnostic::SameMachine { other });
        }
        if is_double {
            return self.handle_duplicate(now);
        }
        if !self.admit(now, frame) {
            return;
        }
        if frame.kind == Kind::Goodbye {
            return self.lose(now, Loss::PeerStopped);
        }
        let hears_us = frame.heard == self.me.instance;
        let before = self.peering.peer.replace(*frame);
        self.peering.hears_us = hears_us;
        self.heartbeat.handle_heard(now, hears_us);
        if self.peering.assigned.is_none() {
            return;
        }
        if before.is_some_and(|before| before.title != frame.title) {
            self.outputs.push_back(Output::PeerPlays);
        }
        if !hears_us {
            // It lost us, or missed a frame: an immediate frame keeps it from searching.
            return self.heartbeat.speak();
        }
        // Only once both ends are linked: changing a MAC takes the link down for a moment, and games must not
        // wait for it.
        let (me, peer) = (self.me.instance, frame.sender.instance);
        let action = self
            .repair
            .handle_frame(now, me, peer, frame.mac, frame.mac_message);
        if action.is_some() {
            self.carrier.expect_flap(now);
        }
        if let Some(mac_repair::Action::Set(mac)) = action {
            self.outputs.push_back(Output::SetMac(mac));
        }
    }

    /// Handles our own instance from elsewhere: a machine cloned with its random numbers, or a loop.
    fn handle_duplicate(&mut self, now: LocalTime) {
        if self.redraws >= MAX_REDRAWS {
            return self.report(now, Diagnostic::Loop);
        }
        if self.peering.assigned.is_none() {
            self.redraws += 1;
            self.outputs.push_back(Output::Redraw);
        }
    }

    /// True if this frame is of the peer, or of a machine that becomes the peer.
    fn admit(&mut self, now: LocalTime, frame: &Frame) -> bool {
        let is_quiet = self.heartbeat.has_missed_a_beat(now);
        match self.peering.judge(self.me.instance, frame, is_quiet) {
            Admission::Admitted => return true,
            Admission::Succeeds(loss) => {
                self.lose(now, loss);
                return true;
            }
            Admission::Stale => self.frames.stale += 1,
            Admission::Foreign(diagnostic) => {
                self.frames.foreign += 1;
                self.report(now, diagnostic);
            }
            Admission::Ignored => {}
        }
        false
    }

    /// Applies all that is known now.
    fn settle(&mut self, now: LocalTime) {
        self.udp.heard = self.udp.heard.filter(|&at| now.since(at) < UDP_FRESH);
        if !self.peering.is_alone() {
            let loss = match self.carrier.is_plugged(now) {
                true => self.heartbeat.poll_lost(now),
                false if self.carrier.state().is_up => Some(Loss::Unplugged),
                false => Some(Loss::TakenDown),
            };
            if let Some(loss) = loss {
                self.lose(now, loss);
            }
        }
        if self.repair.handle_timeout(now) {
            self.heartbeat.speak();
        }
        // A cable with a linked game is not cycled.
        let jitter = (self.me.nonce.0 ^ u64::from(self.sequence())) as u8;
        if let Some(action) = self.carrier.poll(now, self.peering.is_alone(), jitter) {
            self.outputs.push_back(Output::Carrier(action));
        }
        if self.carrier.is_held_down() {
            self.report(now, Diagnostic::HeldDown);
        }
        self.settle_custody(now);
        self.settle_addresses(now);
        self.settle_link();
        if self.sent != Some(self.frame(Kind::Hello)) {
            self.heartbeat.speak();
        }
        if self.can_send(now) && self.heartbeat.poll_send(now, self.peering.assigned.is_some()) {
            self.send(Kind::Hello);
        }
    }

    fn settle_addresses(&mut self, now: LocalTime) {
        if let Some(peer) = self.peering.mutual().filter(|_| self.custody.is_ours()) {
            let with_v6 = self.addresses.has_v6() && peer.flags.has(Flags::V6);
            let plan = Plan::new(&self.me, &peer.sender, peer.mac, with_v6);
            self.addresses.want(Some(plan));
        }
        let old = self.addresses.poll_remove().map(Output::Remove);
        let new = self.addresses.poll_install(now).map(Output::Install);
        self.outputs.extend(old.into_iter().chain(new));
    }

    fn settle_link(&mut self) {
        let ready = self.peering.mutual().filter(|peer| peer.flags.has(Flags::READY));
        let (Some(&peer), Some(&plan)) = (ready, self.addresses.installed()) else {
            return;
        };
        let is_known = |(_, known): (Name, Plan)| known.has_addresses_of(&plan);
        if !self.peering.assigned.is_some_and(is_known) {
            self.peering.links += 1;
            self.redraws = 0;
            self.peering.assigned = Some((peer.sender.name, plan));
            self.peering.held = None;
            self.carrier.handle_peer();
            self.outputs.push_back(Output::PeerUp(peer.sender, plan));
        }
    }

    fn lose(&mut self, now: LocalTime, loss: Loss) {
        self.peering.peer = None;
        self.udp = Udp::default();
        self.repair.forget();
        self.heartbeat.forget(now);
        let known = self.peering.assigned.take().map(|(name, _)| name);
        if loss.leaves_the_path() {
            if let Some(name) = known {
                self.peering.held = Some(name);
                self.outputs.push_back(Output::PeerDown(name, loss));
            }
            if self.peering.held.is_some() {
                return;
            }
        }
        if let Some(name) = known.or(self.peering.held.take()) {
            self.outputs.push_back(Output::PeerDown(name, loss));
        }
        self.addresses.want(None);
        self.outputs
            .extend(self.addresses.poll_remove().map(Output::Remove));
    }

    fn stop(&mut self, now: LocalTime, loss: Loss) {
        self.lose(now, loss);
        self.is_stopped = true;
    }

    fn report(&mut self, now: LocalTime, diagnostic: impl Into<Option<Diagnostic>>) {
        if let Some(diagnostic) = diagnostic.into()
            && self.diagnostics.note(now, diagnostic)
        {
            self.outputs.push_back(Output::Report(diagnostic));
        }
    }

    fn send(&mut self, kind: Kind) {
        self.frames.sent += 1;
        let sequence = self.sequence().wrapping_add(1);
        let frame = Frame {
            sequence,
            ..self.frame(kind)
        };
        self.sent = Some(frame);
        self.outputs.push_back(Output::Send(frame));
    }

    fn sequence(&self) -> u32 {
        self.sent.map_or(0, |frame| frame.sequence)
    }

    /// A frame that says what is so now, with the number of the last one.
    fn frame(&self, kind: Kind) -> Frame {
        let peer = self.peering.peer.as_ref();
        let is_mutual = self.peering.mutual().is_some();
        // The addresses of a held peer are in place before the next one hears us.
        let is_ready = is_mutual && self.addresses.installed().is_some();
        let flags = Flags::default()
            .with(Flags::V6, self.addresses.has_v6())
            .with(Flags::READY, is_ready)
            .with(Flags::IP_HEARD, self.udp.heard.is_some())
            .with(Flags::GAME, self.game.is_some())
            .with(Flags::LINKED, is_mutual)
            .with(Flags::SEND_BLOCKED, self.udp.is_blocked);
        Frame {
            kind,
            flags,
            sender: self.me,
            heard: peer.map_or(Instance::NONE, |peer| peer.sender.instance),
            sequence: self.sequence(),
            mac: self.repair.mine(),
            mac_message: peer.map_or(MacMessage::None, |_| self.repair.message()),
            title: self.game.unwrap_or_default(),
        }
    }
}
