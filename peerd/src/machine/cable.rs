//! One end of one cable: carrier, peer, MAC, addresses and health, put together.

mod io;

pub(crate) use io::{Config, Counters, Input, Output, Peer};

use super::address::{self, Addresses, Plan};
use super::carrier::{self, Carrier};
use super::health::{Health, Heartbeat};
use super::loss::Loss;
use super::mac::{self, Repair};
use super::trouble::{Trouble, Troubles};
use crate::identity::{Identity, Instance, Mac, Name};
use crate::wire::cursor::WireError;
use crate::wire::frame::{Flags, Frame, Kind, MacWord, VERSION};
use gamelink_core::time::LocalTime;
use std::collections::VecDeque;
use std::time::Duration;

/// How long a datagram of the peer proves that IP works.
const IP_FRESH: Duration = Duration::from_secs(4);
/// How long the link may flap after an announced change of a MAC.
const FLAP: Duration = Duration::from_secs(2);
/// How often a new instance is drawn because another machine has ours, before it is taken for a loop.
const MAX_REDRAWS: u8 = 3;

/// One end of one cable.
#[derive(Debug)]
pub(crate) struct Cable {
    me: Identity,
    is_certain: bool,
    carrier: Carrier,
    heartbeat: Heartbeat,
    repair: Repair,
    addresses: Addresses,
    troubles: Troubles,
    peer: Option<Peer>,
    /// What the games were told.
    told: Option<(Name, Plan)>,
    /// A peer whose daemon has fallen silent, while a game goes on with it.
    held: Option<Name>,
    followed: Option<Instance>,
    udp_heard: Option<LocalTime>,
    is_udp_blocked: bool,
    has_game: bool,
    redraws: u8,
    sequence: u32,
    last_sent: Option<Frame>,
    is_stopped: bool,
    counters: Counters,
    outputs: VecDeque<Output>,
}

impl Cable {
    pub(crate) fn new(now: LocalTime, config: Config, mac: Mac) -> Cable {
        Cable {
            me: config.identity,
            is_certain: config.is_certain,
            carrier: Carrier::new(config.is_certain, config.recovers),
            heartbeat: Heartbeat::new(now, !config.is_certain),
            repair: Repair::new(config.seed, mac, config.is_locked),
            addresses: Addresses::new(config.has_v6),
            troubles: Troubles::default(),
            peer: None,
            told: None,
            held: None,
            followed: None,
            udp_heard: None,
            is_udp_blocked: false,
            has_game: false,
            redraws: 0,
            sequence: 0,
            last_sent: None,
            is_stopped: false,
            counters: Counters::default(),
            outputs: VecDeque::with_capacity(16),
        }
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.me
    }

    pub(crate) fn peer(&self) -> Option<&Peer> {
        self.peer.as_ref()
    }

    /// What the games were told, while it holds.
    pub(crate) fn told(&self) -> Option<&(Name, Plan)> {
        self.told.as_ref()
    }

    pub(crate) fn carrier(&self) -> &Carrier {
        &self.carrier
    }

    pub(crate) fn repair(&self) -> &Repair {
        &self.repair
    }

    pub(crate) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(crate) fn health(&self, now: LocalTime) -> Health {
        self.heartbeat.health(now)
    }

    pub(crate) fn troubles(&self, now: LocalTime) -> impl Iterator<Item = Trouble> {
        self.troubles.iter(now)
    }

    /// Whether a datagram of the peer came lately.
    pub(crate) fn hears_udp(&self, now: LocalTime) -> bool {
        self.udp_heard.is_some_and(|at| now.since(at) < IP_FRESH)
    }

    pub(crate) fn is_udp_blocked(&self) -> bool {
        self.is_udp_blocked
    }

    /// When an input is due even if nothing happens.
    pub(crate) fn poll_timeout(&self, now: LocalTime) -> Option<LocalTime> {
        if self.is_stopped {
            return None;
        }
        let can_send = self.can_speak();
        let beat = self.heartbeat.poll_timeout(now, self.told.is_some(), can_send);
        beat.into_iter()
            .chain(self.carrier.poll_timeout())
            .chain(self.repair.poll_timeout())
            .chain(self.addresses.poll_timeout())
            .min()
    }

    /// The next thing to do; drain to `None` after each input.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(crate) fn handle_input(&mut self, now: LocalTime, input: Input<'_>) {
        if self.is_stopped {
            return;
        }
        match input {
            Input::Link(state, mac) => {
                if state.can_carry() && !self.carrier.state().can_carry() {
                    self.heartbeat.wake(now);
                }
                self.carrier.handle_state(now, state);
                self.repair.handle_mine(mac);
            }
            Input::Frame(frame, sibling) => self.handle_frame(now, frame, sibling),
            Input::BadFrame(WireError::Malformed) => self.counters.frames.malformed += 1,
            Input::BadFrame(WireError::Version(theirs, name)) => {
                self.counters.frames.malformed += 1;
                self.say(
                    now,
                    Trouble::Version {
                        name,
                        theirs,
                        ours: VERSION,
                    },
                );
            }
            Input::Installed(result) => {
                self.addresses.handle_installed(now, result);
                if result == Err(address::Failure::Taken) {
                    self.say(now, Trouble::AddressTaken);
                }
            }
            Input::AddressRemoved(address) => {
                self.addresses.handle_removed(now, address);
                if self.addresses.is_contested() {
                    self.say(now, Trouble::Contested);
                }
            }
            Input::MacSet(result) => {
                self.counters.mac_changes += u64::from(result.is_ok());
                self.repair.handle_set(result);
                self.addresses.handle_flushed();
                if *self.repair.state() == mac::State::Refused {
                    self.say(now, Trouble::MacRefused);
                }
            }
            Input::UdpHeard => self.udp_heard = Some(now),
            Input::UdpBlocked(is_blocked) => self.is_udp_blocked = is_blocked,
            Input::Game { waits, holds } => {
                self.has_game = waits;
                if !holds && self.held.take().is_some() && self.peer.is_none() {
                    self.addresses.want(None);
                }
            }
            Input::Identity(identity) => {
                self.lose(now, Loss::NewIdentity);
                self.me = identity;
            }
            Input::Flapped => self.addresses.handle_flushed(),
            Input::Resumed => self.heartbeat.handle_resume(now),
            Input::Gone => {
                self.lose(now, Loss::Unplugged);
                self.is_stopped = true;
            }
            Input::Stop { leaves_path: true } => self.is_stopped = true,
            Input::Stop { leaves_path: false } => self.stop(now),
            Input::Timeout => {}
        }
        if !self.is_stopped {
            self.settle(now);
        }
    }

    fn handle_frame(&mut self, now: LocalTime, frame: &Frame, sibling: Option<Name>) {
        self.counters.frames.received += 1;
        if let Some(sibling) = sibling {
            return self.say(now, Trouble::OneBox { other: sibling });
        }
        if frame.sender.instance == self.me.instance {
            return self.meet_double(now);
        }
        if frame.sender.box_id == self.me.box_id {
            return self.say(
                now,
                Trouble::OneBox {
                    other: Name::default(),
                },
            );
        }
        if !self.admit(now, frame) {
            return;
        }
        if frame.kind == Kind::Goodbye {
            return self.lose(now, Loss::PeerStopped);
        }
        let hears_us = frame.heard == self.me.instance;
        self.peer = Some(Peer {
            identity: frame.sender,
            mac: frame.mac,
            flags: frame.flags,
            hears_us,
            sequence: frame.sequence,
        });
        self.heartbeat.handle_heard(now, hears_us);
        if !hears_us && self.told.is_some() {
            // It lost us, or missed a frame: tell it again before it searches.
            self.heartbeat.speak();
        }
        // Only once both ends play: a change of the MAC takes the link down for a moment, and play must not wait for it.
        if hears_us && self.told.is_some() {
            let word = frame.mac_word;
            let (me, peer) = (self.me.instance, frame.sender.instance);
            match self.repair.handle_frame(now, me, peer, frame.mac, word) {
                Some(mac::Action::Set(mac)) => {
                    self.carrier.expect_flap(now.after(FLAP));
                    self.outputs.push_back(Output::SetMac(mac));
                }
                Some(mac::Action::ExpectFlap) => self.carrier.expect_flap(now.after(FLAP)),
                None => {}
            }
        }
    }

    /// Our own instance came from elsewhere: a machine cloned with its random numbers, or a loop in the wire.
    fn meet_double(&mut self, now: LocalTime) {
        if self.redraws >= MAX_REDRAWS {
            return self.say(now, Trouble::Loop);
        }
        if self.told.is_none() {
            self.redraws += 1;
            self.outputs.push_back(Output::Redraw);
        }
    }

    /// Whether this frame is of the one peer that the cable has, or may become it.
    fn admit(&mut self, now: LocalTime, frame: &Frame) -> bool {
        let sender = &frame.sender;
        let is_taken = frame.flags.has(Flags::LINKED) && frame.heard != self.me.instance;
        let Some(peer) = &self.peer else {
            if is_taken {
                self.counters.frames.foreign += 1;
                self.say(now, Trouble::Taken { name: sender.name });
                return false;
            }
            return frame.kind == Kind::Hello;
        };
        let known = &peer.identity;
        if known.instance == sender.instance && known.nonce == sender.nonce {
            // Replayed, or overtaken.
            let is_newer = frame.sequence.wrapping_sub(peer.sequence).cast_signed() > 0;
            self.counters.frames.stale += u64::from(!is_newer);
            return is_newer;
        }
        if frame.kind != Kind::Hello {
            return false;
        }
        if known.box_id == sender.box_id {
            // Plugged again, or its daemon was started again: at most one serves a cable, so the old one is silent.
            let is_later = sender.started_ms >= known.started_ms;
            let is_free = self.told.is_none() || self.heartbeat.has_missed_a_beat(now);
            if is_later && is_free {
                self.lose(now, Loss::PeerRestarted);
            }
            return is_later && is_free;
        }
        let prefers = |a: Instance, b: Instance| a.pair_key(self.me.instance) < b.pair_key(self.me.instance);
        if !peer.hears_us && !is_taken && prefers(sender.instance, known.instance) {
            self.lose(now, Loss::OtherMachine);
            return true;
        }
        self.counters.frames.foreign += 1;
        if self.told.is_some() {
            self.say(
                now,
                Trouble::Claimant {
                    name: sender.name,
                    peer: known.name,
                },
            );
        }
        false
    }

    /// Brings everything in line with what is known now.
    fn settle(&mut self, now: LocalTime) {
        self.udp_heard = self.udp_heard.filter(|&at| now.since(at) < IP_FRESH);
        if self.peer.is_some() || self.held.is_some() {
            if !self.carrier.is_plugged(now) {
                let loss = if self.carrier.state().is_up {
                    Loss::Unplugged
                } else {
                    Loss::TakenDown
                };
                self.lose(now, loss);
            } else if let Some(loss) = self.heartbeat.poll_lost(now) {
                self.lose(now, loss);
            }
        }
        if self.repair.handle_timeout(now) {
            self.heartbeat.speak();
        }
        // A cable by which a game plays is not shaken.
        let is_alone = self.peer.is_none() && self.held.is_none();
        let jitter = (self.me.nonce.0 ^ u64::from(self.sequence)) as u8;
        if let Some(action) = self.carrier.poll(now, is_alone, jitter) {
            self.outputs.push_back(Output::Carrier(action));
            if action == carrier::Action::Cycle {
                self.carrier.expect_flap(now.after(FLAP));
            }
        }
        if self.carrier.is_held_down() {
            self.say(now, Trouble::HeldDown);
        }
        self.settle_addresses(now);
        self.settle_link();
        if self
            .last_sent
            .is_none_or(|sent| self.frame(Kind::Hello, sent.sequence) != sent)
        {
            self.heartbeat.speak();
        }
        if self.can_speak() && self.heartbeat.poll_send(now, self.told.is_some()) {
            self.send(Kind::Hello);
        }
    }

    fn settle_addresses(&mut self, now: LocalTime) {
        let peer = self.peer.filter(|peer| peer.hears_us);
        if let Some(peer) = peer {
            let with_v6 = self.addresses.has_v6() && peer.flags.has(Flags::V6);
            self.addresses
                .want(Some(Plan::new(&self.me, &peer.identity, peer.mac, with_v6)));
        }
        while let Some(action) = self.addresses.poll(now) {
            match action {
                // Its outcome is an input of its own.
                address::Action::Install(plan) => return self.outputs.push_back(Output::Install(plan)),
                address::Action::Remove(plan) => self.outputs.push_back(Output::Remove(plan)),
            }
        }
    }

    fn settle_link(&mut self) {
        let Some(peer) = self.peer else { return };
        let Some(plan) = self.addresses.installed().copied() else {
            return;
        };
        if !peer.hears_us || !peer.flags.has(Flags::READY) {
            return;
        }
        let is_new = self
            .told
            .is_none_or(|(_, told)| (told.local, told.peer) != (plan.local, plan.peer));
        if is_new {
            self.counters.links += 1;
            self.redraws = 0;
            self.told = Some((peer.identity.name, plan));
            self.held = None;
            self.carrier.handle_peer();
            self.follow(Some(peer.identity.instance));
            self.outputs.push_back(Output::PeerUp(peer, plan));
        }
    }

    fn follow(&mut self, instance: Option<Instance>) {
        if self.followed != instance {
            self.followed = instance;
            self.outputs.push_back(Output::Follow(instance));
        }
    }

    fn lose(&mut self, now: LocalTime, loss: Loss) {
        self.peer = None;
        self.udp_heard = None;
        self.is_udp_blocked = false;
        self.repair.forget();
        self.heartbeat.forget(now);
        self.follow(None);
        let known = self.told.take().map(|(name, _)| name);
        if loss.leaves_the_path() {
            if let Some(name) = known {
                self.held = Some(name);
                self.outputs.push_back(Output::PeerDown(name, loss));
            }
            if self.held.is_some() {
                return;
            }
        }
        if let Some(name) = known.or(self.held.take()) {
            self.outputs.push_back(Output::PeerDown(name, loss));
        }
        self.addresses.want(None);
        if let Some(address::Action::Remove(plan)) = self.addresses.poll(now) {
            self.outputs.push_back(Output::Remove(plan));
        }
    }

    fn stop(&mut self, now: LocalTime) {
        if self.can_speak() {
            // Twice, as nobody answers a goodbye.
            self.send(Kind::Goodbye);
            self.send(Kind::Goodbye);
        }
        self.lose(now, Loss::Stopping);
        self.is_stopped = true;
    }

    fn say(&mut self, now: LocalTime, trouble: Trouble) {
        if self.troubles.note(now, trouble) {
            self.outputs.push_back(Output::Say(trouble));
        }
    }

    /// Whether frames can go out, and there is somebody or something to say them for.
    fn can_speak(&self) -> bool {
        let has_reason = self.is_certain || self.has_game || self.peer.is_some() || self.held.is_some();
        has_reason && self.carrier.state().can_carry()
    }

    fn send(&mut self, kind: Kind) {
        self.sequence = self.sequence.wrapping_add(1);
        self.counters.frames.sent += 1;
        let frame = self.frame(kind, self.sequence);
        self.last_sent = Some(frame);
        self.outputs.push_back(Output::Send(frame));
    }

    fn frame(&self, kind: Kind, sequence: u32) -> Frame {
        let peer = self.peer.as_ref();
        // Those of a peer that is held are in place before the next one hears us.
        let is_ready = peer.is_some_and(|peer| peer.hears_us) && self.addresses.installed().is_some();
        let flags = Flags::default()
            .with(Flags::V6, self.addresses.has_v6())
            .with(Flags::READY, is_ready)
            .with(Flags::IP_HEARD, self.udp_heard.is_some())
            .with(Flags::GAME, self.has_game)
            .with(Flags::LINKED, peer.is_some_and(|peer| peer.hears_us))
            .with(Flags::SEND_BLOCKED, self.is_udp_blocked);
        Frame {
            kind,
            flags,
            sender: self.me,
            heard: peer.map_or(Instance::NONE, |peer| peer.identity.instance),
            sequence,
            mac: self.repair.mine(),
            mac_word: if peer.is_some() {
                self.repair.word()
            } else {
                MacWord::None
            },
        }
    }
}
