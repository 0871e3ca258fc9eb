//! The bridge: one end of the cable as a pure machine.
//!
//! Feed it with [`Bridge::handle_input`], then drain [`Bridge::poll_output`] to `None`, and call
//! [`Bridge::handle_timeout`] when [`Bridge::poll_timeout`] is due. It holds no socket and reads no clock;
//! after it is made, nothing in it allocates.
//!
//! A byte of the game goes from [`Input::Request`] to the exchange, which answers with a byte that the game
//! reads at once or with a wait; a byte of the peer is found by [`Input::Poll`] and answered with
//! [`Input::Reply`]. Where this side keeps snapshots, the owner of the core also asks for [`Bridge::step`]s
//! around each frame: the exchange may take the game back.

mod context;
pub mod conversation;
mod datagrams;
mod emulation;
pub mod exchange;
mod first_numbers;
mod frame_budget;
mod frame_lead;
mod game;
mod io;
mod leaving;
mod liveness;
mod notice;
mod outbox;
mod pacing;
mod rendezvous;
mod replay_window;
pub mod session;
mod speed;
mod speed_trials;
mod stall;
mod stats;
mod timer;
mod view;
mod wait_policy;

#[cfg(test)]
mod tests;

pub use exchange::{Mode, STATES, rollback};
pub use first_numbers::FirstNumbers;
pub use io::{Input, Output};
pub use liveness::{Liveness, WAIT_LIMIT};
pub use notice::Notice;
pub use session::SILENCE_LIMIT;
pub use speed::{Slowness, Speed};
pub use stats::{Cost, Counters, Latency, Stats, Summary, Traffic};
pub use wait_policy::Policy;

use crate::clock::ClockSync;
use crate::protocol::{Key, MAX_DATAGRAM, Nonce};
use crate::serial::Request;
use crate::time::LocalTime;

use context::{Context, RoundTrip, SILENT};
use game::Game;
use notice::Notices;
use outbox::Outbox;
use replay_window::ReplayWindow;
use rollback::{Rollback, Step};
use session::Session;
use std::time::Duration;

/// A datagram is sent at least so often.
const HEARTBEAT: Duration = Duration::from_millis(100);

/// One end of the cable.
#[derive(Clone, Debug, Default)]
pub struct Bridge {
    is_plugged: bool,
    /// Silence of the peer that the player waits out, where he has chosen it.
    silence_limit: Option<Duration>,
    /// Datagrams are sealed with it, and none that is not is used.
    key: Option<Key>,
    session: Session,
    /// Sealed datagrams of the session's peer.
    replays: ReplayWindow,
    /// The datagram just handled was sealed, and the newest of its sender: the newest stamp of ours in this
    /// session that it had seen, 0 for none.
    authentic: Option<LocalTime>,
    liveness: Liveness,
    clock: ClockSync,
    game: Game,
    outbox: Outbox,
    stats: Stats,
    notices: Notices,
}

impl Bridge {
    /// Takes one event. Drain [`poll_output`](Self::poll_output) after each.
    pub fn handle_input(&mut self, now: LocalTime, input: Input<'_>) {
        let (game, mut link) = self.game(now);
        match input {
            Input::Plug { nonce } => self.plug(now, nonce),
            Input::Unplug => self.unplug(),
            Input::Datagram { bytes, received } => self.handle_datagram(now, bytes, received.min(now)),
            Input::Request {
                byte,
                speed,
                is_enabled,
                time,
            } => game.request(&mut link, Request { byte, speed, time }, is_enabled),
            Input::Poll { look, time } => link.outbox.deliver = game.exchange.poll(now, look, time),
            Input::PollAgain => link.outbox.deliver = game.exchange.poll_again(now),
            Input::Reply { byte } => game.reply(&mut link, byte),
            Input::FrameStart { is_armed, port } => {
                self.note_silence(now);
                let (game, link) = self.game(now);
                if game.check_stall(&link) {
                    self.session.back_off(now);
                    self.lose(now, Notice::PeerStalled);
                }
                let (game, mut link) = self.game(now);
                game.frame_start(&mut link, is_armed, port);
            }
            Input::Resumed => {
                game.emulation.handle_activity(now);
                self.note_silence(now);
            }
            Input::GiveUp => game.give_up(&mut link),
            Input::FrameEnd { has_advanced } => game.frame_end(&mut link, has_advanced),
            Input::CoreReconnected => game.handle_reconnect(&mut link),
        }
    }

    /// The next thing to be done; a datagram is written into `buffer`.
    pub fn poll_output(&mut self, now: LocalTime, buffer: &mut [u8; MAX_DATAGRAM]) -> Option<Output> {
        if let Some(byte) = self.outbox.complete.take() {
            return Some(Output::Complete { byte });
        }
        if let Some((byte, speed)) = self.outbox.deliver.take() {
            return Some(Output::Deliver { byte, speed });
        }
        if let Some(recipient) = self.outbox.next_recipient(self.is_plugged) {
            return self
                .write_datagram(now, recipient, true, buffer)
                .map(|len| Output::Transmit { len });
        }
        self.notices.pop().map(Output::Notify)
    }

    /// Makes a datagram leave now: the peer waits for one at an address that it may have come to.
    pub fn transmit(&mut self) {
        self.outbox.transmit();
    }

    /// Writes the datagram of the [`Output::Transmit`] before once more, for another address at which its
    /// receiver may be: a header alone, of a number of its own and with this stamp, by which the owner of the
    /// socket knows the answer.
    pub fn write_probe(&mut self, stamp: LocalTime, buffer: &mut [u8; MAX_DATAGRAM]) -> Option<usize> {
        let recipient = self.outbox.last_recipient()?;
        self.write_datagram(stamp, recipient, false, buffer)
    }

    /// Sets whether this side keeps snapshots, and so rolls back where the peer does too. The owner of the
    /// core then does what [`step`](Self::step) says. Call it before a peer is plugged in.
    pub fn set_rollback(&mut self, is_on: bool) {
        let history = is_on.then(|| Rollback::new(STATES));
        self.game.exchange.set_rollback(history);
    }

    /// Sets the silence of the peer after which the link ends: until then a game that needs it stands still.
    pub fn set_silence_limit(&mut self, limit: Duration) {
        self.silence_limit = Some(limit);
        self.session.set_silence_limit(limit);
    }

    /// Sets whether the owner of the core can end a call of the frontend while the game waits for a byte, and
    /// go on with it in the next one ([`Input::Resumed`]). In strict mode silence and pauses of the peer are
    /// then waited out, as long as the session lasts.
    pub fn set_patient(&mut self, is_patient: bool) {
        self.liveness.set_patient(is_patient);
    }

    /// When the owner of the core should end the frontend's call that began at `called`, in which the game
    /// waits; `None` where it cannot, or need not. The answer changes with each input: see the module
    /// `leaving`.
    #[must_use]
    pub fn leave_at(&self, called: LocalTime) -> Option<LocalTime> {
        let is_patient = self.liveness.is_patient() && self.mode() == Mode::Strict;
        let wait = self.game.wait().filter(|_| is_patient)?;
        Some(leaving::leave_at(
            called,
            (&wait, self.game.bytes_waited_for()),
            &self.session,
            &self.liveness,
            self.round_trip(),
        ))
    }

    /// Sets the key that this side has in common with its peer: no datagram without it is used from here on.
    /// A session lasts where the peer changes its key within the limit of silence.
    pub fn set_key(&mut self, key: Option<Key>) {
        self.key = key;
    }

    /// The key of this side.
    #[must_use]
    pub fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }

    /// For the owner of the socket, who may follow a peer to another address: the newest of our stamps in
    /// this session that the sender of the datagram just handled has seen, 0 for none; where that was sealed,
    /// and its newest.
    pub fn take_authentic(&mut self) -> Option<LocalTime> {
        self.authentic.take()
    }

    /// The exchange that this side is set to, linked or not.
    #[must_use]
    pub fn setting(&self) -> Mode {
        self.game.exchange.setting()
    }

    /// The exchange that serves this session; strict while there is none.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.game.exchange.mode()
    }

    /// The history of this side's game, where it keeps snapshots: for the owner of the core, see
    /// [`crate::bridge::rollback`].
    #[must_use]
    pub fn rollback(&self) -> Option<&Rollback> {
        self.game.exchange.rollback()
    }

    /// The same, to report what a step led to.
    pub fn rollback_mut(&mut self) -> Option<&mut Rollback> {
        self.game.exchange.rollback_mut()
    }

    /// The next step around a frame: see [`crate::bridge::rollback`]. [`Step::Done`] alone where this side
    /// keeps no snapshots.
    pub fn step(&mut self) -> Step {
        let round_trip = self.round_trip();
        self.game.step(round_trip, &mut self.outbox)
    }

    /// Takes the cost of the frames that were replayed before the next one, snapshots included.
    pub fn handle_replays(&mut self, frames: u32, cost: Cost) {
        self.game.handle_replays(frames, cost, &mut self.stats);
    }

    /// Time that the emulation thread should sleep at the end of its frame, once: see the modules `pacing`
    /// and `frame_lead`.
    ///
    /// Zero nearly always, and never much longer than a frame.
    pub fn pause(&mut self, now: LocalTime) -> Duration {
        let (is_linked, round_trip) = (self.is_linked(), self.round_trip());
        self.game.pause(now, is_linked, round_trip)
    }

    /// Moment until which the listening game, whose frame would else run on without a byte, should be kept in
    /// its poll for the next one.
    ///
    /// `None`, as nearly always, is not at all. The answer changes with each input: ask again after one.
    #[must_use]
    pub fn rendezvous(&self) -> Option<LocalTime> {
        self.game.rendezvous(self.is_linked(), &self.liveness)
    }

    /// The emulation thread has been kept in a poll for so long, as [`rendezvous`](Self::rendezvous) said.
    pub fn handle_rendezvous(&mut self, wait: Duration) {
        self.game.handle_rendezvous(wait, &mut self.stats);
    }

    /// An unplugged bridge in the place of one that cannot be trusted; the core may still hold a byte of it.
    #[must_use]
    pub fn restarted(&self) -> Bridge {
        Bridge {
            game: self.game.restarted(),
            key: self.key.clone(),
            liveness: self.liveness.restarted(),
            silence_limit: self.silence_limit,
            ..Bridge::default()
        }
    }

    /// The game, and the link as it uses it.
    fn game(&mut self, now: LocalTime) -> (&mut Game, Context<'_>) {
        let link = Context {
            now,
            is_excused: self.is_peer_excused(now),
            clock_offset: self.clock.offset(),
            is_linked: self.session.is_linked(),
            sent: self.session.sent(),
            round_trip: self.round_trip(),
            liveness: &mut self.liveness,
            outbox: &mut self.outbox,
            stats: &mut self.stats,
            notices: &mut self.notices,
        };
        (&mut self.game, link)
    }

    /// True if the peer says that it is paused, or nothing is heard in one of the two directions.
    fn is_peer_excused(&self, now: LocalTime) -> bool {
        self.liveness.is_paused() || self.session.silent_for(now) >= SILENT
    }

    /// Tells the player for how long nothing has been heard.
    fn note_silence(&mut self, now: LocalTime) {
        let silence = self.session.silent_for(now);
        self.notices.handle_silence(silence, &mut self.stats.counters);
    }

    fn plug(&mut self, now: LocalTime, nonce: Nonce) {
        self.unplug();
        self.session = Session::new(nonce);
        if let Some(limit) = self.silence_limit {
            self.session.set_silence_limit(limit);
        }
        self.forget_peer();
        self.notices.handle_plug();
        self.is_plugged = true;
        self.outbox.plug(now);
    }

    fn unplug(&mut self) {
        let peer = self.session.addressee();
        self.outbox
            .unplug((self.is_plugged && peer != Nonce::NONE).then_some(peer));
        if self.session.handle_goodbye() {
            self.stats.counters.losses += 1;
        }
        self.is_plugged = false;
        self.interrupt();
    }

    /// The peer fell silent, left, or answers nothing.
    fn lose(&mut self, now: LocalTime, notice: Notice) {
        self.stats.counters.losses += 1;
        self.notices.handle_end();
        self.notify(notice);
        self.interrupt();
        self.game.emulation.handle_activity(now);
    }

    /// Ends what is under way with a peer that is not there any more.
    fn interrupt(&mut self) {
        self.game.interrupt(&mut self.outbox, &mut self.stats);
    }

    fn forget_peer(&mut self) {
        self.replays = ReplayWindow::default();
        self.game.exchange.forget_peer();
        self.liveness = self.liveness.restarted();
        self.clock.reset();
        self.outbox.forget_peer();
        self.notices.forget_peer();
    }

    fn notify(&mut self, notice: Notice) {
        self.notices.push(notice, &mut self.stats.counters);
    }

    /// Round trip as the clock samples show it; on a busy path the mean and four deviations (RFC 6298,
    /// section 2).
    fn round_trip(&self) -> RoundTrip {
        let mean = self.clock.delay().unwrap_or_default();
        RoundTrip {
            mean,
            slow: mean + 4 * self.clock.jitter(),
        }
    }
}
