//! The bridge: one end of the cable as a pure machine.
//!
//! Feed it with [`Bridge::handle_input`], then drain [`Bridge::poll_output`] to `None`, and call
//! [`Bridge::handle_timeout`] when [`Bridge::poll_timeout`] is due. It holds no socket and reads no clock; after it is
//! made, nothing in it allocates.

mod game;
mod hearing;
mod lead;
mod means;
mod meet;
mod mend;
mod notice;
mod pacing;
pub mod peer;
pub mod session;
mod stall;
mod stats;
pub mod transfer;
mod wire;

#[cfg(test)]
mod tests;

pub use mend::{Cost, STATES};
pub use notice::Notice;
pub use stats::{Counters, Latency, Stats, Summary, Traffic};

use crate::clock::ClockSync;
use crate::control::LinkState;
use crate::protocol::MAX_DATAGRAM;
use crate::serial::Speed;
use crate::time::LocalTime;
use crate::timeline::Timeline;
use lead::Lead;
use means::Means;
use meet::Meet;
use notice::Notices;
use pacing::Pacing;
use peer::Peer;
use session::Session;
use stall::Stall;
use std::time::Duration;
use transfer::Transfer;

/// A datagram is sent at least so often: a tenth of the silence that ends a session.
const HEARTBEAT: Duration = Duration::from_millis(100);

/// Without a frame for so long the emulation counts as paused; several times the longest frame of a slow machine.
const PAUSE_AFTER: Duration = Duration::from_millis(250);

/// Something that happened at this end.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A peer's address is known from now on. The number is random, fresh for each plug, and not 0.
    Plug {
        /// This side's half of the session's name.
        nonce: u64,
    },
    /// The cable is pulled here: the peer is told, transfers read 0xFF.
    Unplug,
    /// A datagram from the peer's address.
    Datagram {
        /// Its bytes.
        bytes: &'a [u8],
        /// When it arrived, from the kernel's stamp.
        received: LocalTime,
    },
    /// The game starts a transfer with its internal clock and waits for [`Output::Complete`].
    Request {
        /// The byte that it shifts out.
        byte: u8,
        /// The clock that it chose.
        speed: Speed,
        /// Whether SC still shows a transfer enabled. If the game has just taken a byte, that byte is lost to it: torn.
        is_enabled: bool,
    },
    /// The game listens and looks whether a byte is there: one that waits is handed over now, not at the next frame.
    Poll,
    /// The game answered [`Output::Deliver`].
    Reply {
        /// The byte that it shifted out.
        byte: u8,
    },
    /// The emulation stands between two frames and goes on next.
    FrameStart {
        /// Whether the game listens, where that can be seen.
        is_armed: Option<bool>,
    },
    /// The core has run.
    FrameEnd {
        /// Whether it emulated anything.
        has_advanced: bool,
    },
    /// The core's connection was replaced.
    CoreReconnected,
}

/// Something to be done at this end, now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// The game that waits reads this byte.
    Complete {
        /// The byte.
        byte: u8,
    },
    /// Hand this byte to the listening game.
    Deliver {
        /// The byte.
        byte: u8,
        /// The clock that the peer's game chose.
        speed: Speed,
    },
    /// Send the first so many bytes of the buffer to the peer.
    Transmit {
        /// How many.
        len: usize,
    },
    /// Tell the player.
    Notify(Notice),
}

/// One end of the cable.
#[derive(Clone, Debug)]
pub struct Bridge {
    session: Session,
    peer: Peer,
    transfer: Transfer,
    /// Where this side can go on and mend.
    timeline: Option<Box<Timeline>>,
    /// In this session both can.
    is_mending: bool,
    means: Means,
    /// What replays have taken since the last frame.
    replayed: Duration,
    clock: ClockSync,
    pacing: Pacing,
    meet: Meet,
    stats: Stats,
    notices: Notices,
    is_plugged: bool,
    /// When the game began to wait for its open offer.
    waits_since: Option<LocalTime>,
    /// Frames emulated since the start.
    frames: u64,
    /// The same, and calls in which the game stood still for what the peer had to say.
    turns: u64,
    /// `frames` at the last boundary that was counted.
    boundary: u64,
    is_armed: bool,
    /// The game took a byte of the peer since the last boundary.
    has_taken: bool,
    has_refused: bool,
    /// The game clocked a transfer in the frame that runs.
    has_clocked: bool,
    /// A frame in which the game clocked is over.
    is_resting: bool,
    /// The core has a byte of a session that is over, and answers it next.
    has_orphan: bool,
    is_paused: bool,
    peer_paused_since: Option<LocalTime>,
    /// The player knows that the peer is paused.
    has_told_pause: bool,
    last_active: LocalTime,
    /// When a byte was last asked for or answered here; in a session that mends, when that frame began.
    last_byte: Option<LocalTime>,
    sequence: u64,
    /// The peer's newest stamp and when it arrived.
    echo: Option<(u64, LocalTime)>,
    /// When to repeat the open offer, and the pause after that.
    retransmit: Option<(LocalTime, Duration)>,
    heartbeat: LocalTime,
    must_transmit: bool,
    /// Whom the last datagram of a session that is over goes to.
    goodbye: Option<u64>,
    /// Whose hello is answered next, beside the session.
    greeting: Option<u64>,
    /// No hello is answered before this moment.
    greeting_due: LocalTime,
    stall: Stall,
    lead: Lead,
    complete: Option<u8>,
    deliver: Option<(u8, Speed)>,
    has_told_version: bool,
    has_told_step: bool,
}

impl Default for Bridge {
    fn default() -> Self {
        Bridge {
            session: Session::new(1),
            peer: Peer::default(),
            transfer: Transfer::default(),
            timeline: None,
            is_mending: false,
            means: Means::default(),
            replayed: Duration::ZERO,
            clock: ClockSync::default(),
            pacing: Pacing::default(),
            meet: Meet::default(),
            stats: Stats::default(),
            notices: Notices::default(),
            is_plugged: false,
            waits_since: None,
            frames: 0,
            turns: 0,
            boundary: u64::MAX,
            is_armed: false,
            has_taken: false,
            has_refused: false,
            has_clocked: false,
            is_resting: false,
            has_orphan: false,
            is_paused: true,
            peer_paused_since: None,
            has_told_pause: false,
            last_active: LocalTime::default(),
            last_byte: None,
            sequence: 0,
            echo: None,
            retransmit: None,
            heartbeat: LocalTime::default(),
            must_transmit: false,
            goodbye: None,
            greeting: None,
            greeting_due: LocalTime::default(),
            stall: Stall::default(),
            lead: Lead::default(),
            complete: None,
            deliver: None,
            has_told_version: false,
            has_told_step: false,
        }
    }
}

impl Bridge {
    /// Takes one event. Drain [`poll_output`](Self::poll_output) after each.
    pub fn handle_input(&mut self, now: LocalTime, input: Input<'_>) {
        match input {
            Input::Plug { nonce } => self.plug(now, nonce),
            Input::Unplug => self.unplug(),
            Input::Datagram { bytes, received } => self.handle_datagram(now, bytes, received.min(now)),
            Input::Request {
                byte,
                speed,
                is_enabled,
            } => self.handle_request(now, byte, speed, is_enabled),
            Input::Poll => self.handle_poll(),
            Input::Reply { byte } => self.handle_reply(now, byte),
            Input::FrameStart { is_armed } => self.handle_frame_start(now, is_armed),
            Input::FrameEnd { has_advanced } => self.handle_frame_end(now, has_advanced),
            Input::CoreReconnected => {
                self.stats.counters.core_reconnects += 1;
                self.deliver = None;
                self.has_orphan = false;
                self.transfer.redeliver();
                // A game that waited has lost its socket and read 0xFF from the core itself.
                self.transfer.give_up();
                self.end_wait(now);
            }
        }
    }

    /// Does what is due by `now`. Hand over what has arrived before calling this, or silence is found where there is none.
    pub fn handle_timeout(&mut self, now: LocalTime) {
        if self.session.handle_timeout(now) {
            self.lose(now, Notice::PeerGone);
        }
        self.check_wait(now);
        if let Some((at, pause)) = self.retransmit
            && now >= at
        {
            self.retransmit = Some((now.after(pause), pause.mul_f32(1.5).min(game::LONGEST_RETRANSMIT)));
            self.stats.counters.retransmits += 1;
            self.must_transmit = true;
        }
        if !self.is_paused && self.waits_since.is_none() && now >= self.last_active.after(PAUSE_AFTER) {
            self.is_paused = true;
            self.must_transmit = true;
        }
        if self.is_plugged && now >= self.heartbeat {
            self.must_transmit = true;
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due next; an input may move it.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<LocalTime> {
        let wait = self
            .waits_since
            .map(|since| self.peer.deadline(since, self.slow_round_trip()));
        let may_pause = self.is_plugged && !self.is_paused && self.waits_since.is_none();
        [
            self.is_plugged.then_some(self.heartbeat),
            self.session.silence_deadline(),
            wait,
            self.retransmit.map(|(at, _)| at),
            may_pause.then(|| self.last_active.after(PAUSE_AFTER)),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The next thing to be done; a datagram is written into `buffer`.
    pub fn poll_output(&mut self, now: LocalTime, buffer: &mut [u8; MAX_DATAGRAM]) -> Option<Output> {
        if let Some(byte) = self.complete.take() {
            return Some(Output::Complete { byte });
        }
        if let Some((byte, speed)) = self.deliver.take() {
            return Some(Output::Deliver { byte, speed });
        }
        if let Some(recipient) = self.next_recipient() {
            return self
                .write_datagram(now, recipient, buffer)
                .map(|len| Output::Transmit { len });
        }
        self.notices.pop().map(Output::Notify)
    }

    /// Time that the emulation thread should sleep at the end of its frame, once: see the modules `pacing` and
    /// `lead`.
    ///
    /// Zero nearly always, and never longer than two frames.
    pub fn pause(&mut self, now: LocalTime) -> Duration {
        let held = self.lead.pause(now, self.is_mending);
        if self.is_linked() && held.is_zero() {
            self.pacing.step(self.round_trip())
        } else {
            held
        }
    }

    /// Until when the armed game, whose frame would else run on without a byte, should be kept in its poll for the next one.
    ///
    /// `None`, as nearly always, is not at all. The answer changes with each input: ask again after one.
    #[must_use]
    pub fn meeting(&self) -> Option<LocalTime> {
        let comes = !self.is_mending || self.peer.meets();
        let is_awaited = comes && self.is_linked() && self.is_quiet() && !self.peer.is_paused();
        self.meet.deadline(self.peer.rests_until()).filter(|_| is_awaited)
    }

    /// The emulation thread has been kept in a poll for so long, as [`meeting`](Self::meeting) said.
    pub fn handle_meeting(&mut self, wait: Duration) {
        self.meet.handle_wait(wait);
        self.stats.meeting.record(wait);
    }

    /// Whether both sides know each other now.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        self.session.is_linked()
    }

    /// The peer's number in this session and this side's, while both sides know each other.
    #[must_use]
    pub fn session_numbers(&self) -> Option<(u64, u64)> {
        self.is_linked()
            .then(|| (self.session.addressee(), self.session.ours()))
    }

    /// Whether an offer of the peer waits for the next frame boundary at which the game listens.
    #[must_use]
    pub fn is_offer_waiting(&self) -> bool {
        self.transfer.is_offer_waiting()
    }

    /// Whether nothing is between the core and the bridge: no byte handed over and unanswered, no game that waits.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        !self.transfer.is_delivered() && !self.has_orphan && self.waits_since.is_none()
    }

    /// When a byte was last asked for or answered at this end, to a frame.
    #[must_use]
    pub fn last_byte(&self) -> Option<LocalTime> {
        self.last_byte
    }

    /// Where the session stands.
    #[must_use]
    pub fn state(&self) -> LinkState {
        match (self.is_plugged, self.is_linked(), self.peer.is_paused()) {
            (false, _, _) => LinkState::Unplugged,
            (true, false, _) => LinkState::Searching,
            (true, true, false) => LinkState::Linked,
            (true, true, true) => LinkState::PeerPaused,
        }
    }

    /// Frames emulated so far.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// The peer's clock as far as it is known.
    #[must_use]
    pub fn clock(&self) -> &ClockSync {
        &self.clock
    }

    /// What has been measured.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Transfers that have crossed the cable so far, in sessions that mend and in those that do not.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        let (strict, mending) = (&self.stats.counters, self.timeline_counters());
        let mending = mending.copied().unwrap_or_default();
        Traffic {
            taken: strict.taken + strict.paired + mending.exchanged,
            peer_taken: strict.peer_taken
                + strict.peer_paired
                + mending.taken.saturating_sub(mending.taken_back)
                + mending.paired,
            holds: mending.holds,
        }
    }

    /// The counters, for what the driver sees and the bridge does not.
    pub fn counters_mut(&mut self) -> &mut Counters {
        &mut self.stats.counters
    }

    /// An unplugged bridge in the place of this one, which cannot be trusted any more; the core may still hold a byte of it.
    #[must_use]
    pub fn broken(&self) -> Bridge {
        let has_orphan = self.has_orphan || self.transfer.is_delivered();
        Bridge {
            has_orphan,
            frames: self.frames,
            turns: self.turns,
            ..Bridge::default()
        }
    }

    fn plug(&mut self, now: LocalTime, nonce: u64) {
        self.unplug();
        self.session = Session::new(nonce);
        self.forget_peer();
        self.has_told_version = false;
        self.is_plugged = true;
        self.goodbye = None;
        self.heartbeat = now;
        self.must_transmit = true;
    }

    fn unplug(&mut self) {
        self.goodbye = Some(self.session.addressee()).filter(|&peer| self.is_plugged && peer != 0);
        self.must_transmit |= self.goodbye.is_some();
        if self.session.handle_goodbye() {
            self.stats.counters.losses += 1;
        }
        self.is_plugged = false;
        self.greeting = None;
        self.interrupt();
    }

    /// The peer fell silent, left, or answers nothing.
    fn lose(&mut self, now: LocalTime, notice: Notice) {
        self.stats.counters.losses += 1;
        self.notify(notice);
        self.interrupt();
        self.last_active = now;
    }

    /// Ends what is under way with a peer that is not there any more.
    fn interrupt(&mut self) {
        self.unplug_timeline();
        self.transfer.forget_waiting();
        if let Some(byte) = self.transfer.give_up() {
            self.stats.counters.timeouts_silent += 1;
            self.complete = Some(byte);
        }
        self.waits_since = None;
        self.retransmit = None;
        self.stall = Stall::default();
        self.lead = Lead::default();
    }

    fn forget_peer(&mut self) {
        // What was handed to the core cannot be taken back: its answer is for nobody.
        self.has_orphan |= self.transfer.is_delivered() && self.deliver.take().is_none();
        self.transfer = Transfer::default();
        self.peer = Peer::default();
        self.clock.reset();
        self.echo = None;
        self.has_refused = false;
        self.has_told_step = false;
        self.peer_paused_since = None;
        self.has_told_pause = false;
    }

    fn notify(&mut self, notice: Notice) {
        if !self.notices.push(notice) {
            self.stats.counters.notices_lost += 1;
        }
    }
}
