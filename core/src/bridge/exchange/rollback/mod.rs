//! Rollback of one game's link: a game that clocks reads a predicted byte at once and runs on; a wrong
//! prediction is corrected by replaying the frames since.
//!
//! Waiting for a verdict would cost a round trip a byte. Instead each side keeps a short history of its game:
//! for each emulated frame what crossed the serial port, and now and then a snapshot of the whole core. When
//! a verdict arrives and differs from the prediction, the caller loads a snapshot from before it, and the
//! frames since are replayed, unseen, with all that is known by then. This is optimistic simulation
//! (Jefferson, "Virtual Time", 1985) with lazy cancellation (Gafni, 1988): offers that a replay sends again
//! unchanged are not mentioned; those that it sends differently are *replaced*, under a new *epoch*.
//!
//! A rollback knows nothing of cores, sockets, threads and clocks, nor who the peer is. It says what is to be
//! done ([`Step`]); the owner of the core does it.
//!
//! `history` is what is known; `timeline` and `moments` say when the peer's offers are due in it. Three
//! machines work on it: `serial_port` inside a frame, `scheduler` between frames, `peer_sync` with the peer;
//! `misprediction` notices what must be emulated again. ARCHITECTURE.md, "How a corrected frame travels",
//! follows one wrong prediction through both sides.
//!
//! # Why it is sound
//!
//! A game takes a byte only where all its own have their verdicts, and an offer is taken only where exactly
//! as many offers were sent as its maker had judged. So a byte that is taken depends on nothing that the
//! taker might still change, and the oldest open offer of all can always be judged. Where both sides' oldest
//! open offers stand against each other, neither having judged the other, they are a *pair*: each is the
//! other's answer.
//!
//! A verdict keeps the frame and the poll in which it was given, and a replay gives it there again.
//!
//! # Moments
//!
//! Where both cores tell the time inside their frames ([`Rollback::set_clock`]), an offer says the chunk in
//! which it was made, and is judged in that chunk of the taker's own time (`timeline`, `moments`): by going
//! back where that has passed. There the taker had made exactly the offers that the maker had judged, or more
//! of the maker's would have to come first; so nothing that is asked for above changes. A game that did not
//! listen at that moment refuses, as it does not hear on a cable; it does so before it makes an offer of its
//! own that both sides know to be the later one.
//!
//! Between two takes a game is left the time that the maker's had between its two offers (`exchange::pause`),
//! to a part of a chunk where the maker's core tells that: it may have armed long before it has loaded the
//! byte that counts. A take may so come later than its moment, and the next one too; what the maker runs
//! ahead by for that, its window limits. A replay that makes an offer again with the same pause before it is
//! not worth a word, though the game came to it some cycles sooner or later; the peer is told of the pause,
//! not of the place.
//!
//! Of two offers that cross, the one that was made first counts, by a moment that both sides compute from the
//! same two numbers; the other side goes back to before its own, hears, and replaces it. Only two within a
//! chunk are a pair. The earliest open offer of all can always be judged: its taker has nothing open that is
//! earlier, and whatever it has made later it can take back.
//!
//! A moment that lies further back than this machine's slack allows is given up (`PredictionWindow::reach`):
//! the byte is taken when the game next listens, with its maker's pauses. `Transfers::late` counts these.
//! Games that take turns answer each other further back with each turn, and wait for no more than a few dozen
//! frames of their own; theirs are given up sooner (`turn_reach`), also in a replay for another cause. A
//! frame is final when nothing in it is open and no offer can come that is due in it: the peer says up to
//! where its own frames are final, and what it has not heard of ours is open here.
//!
//! # Calls
//!
//! **Inside a running core**, at the serial port; none of these waits, allocates or fails:
//!
//! | the core | call | answer |
//! |---|---|---|
//! | looks for a byte (`NetSerial::check`: armed, no shift under way) | [`Rollback::poll`] | `Some((byte, speed))`: the core takes it now |
//! | has taken it and gives its own SB | [`Rollback::taken`] | |
//! | starts a transfer with its own clock (`NetSerial::send`) | [`Rollback::offer`], then [`Rollback::answer`] | the byte that the game reads |
//!
//! A caller that has a rendezvous with its peer lets datagrams in between: a poll that found nothing may last
//! a little and be looked at again ([`Rollback::poll_again`]), and between offer and answer the verdict may
//! come ([`Rollback::is_answered`]). Datagrams that take nothing back are followed at once then, inside a
//! live frame.
//!
//! Such calls belong inside a frame that [`Step::Live`] or [`Step::Replay`] asked for. Elsewhere (the core
//! polls while it serialises) a poll finds nothing, and is not counted.
//!
//! **Between frames**, in each call of `retro_run`: ask [`Rollback::step`] and do what it says, up to
//! [`Step::Done`]; [`Step`] tells their order.
//!
//! **Towards the peer**: [`Rollback::plug`] when a session is up and the peer's
//! [`Flags::ROLLBACK`](crate::protocol::Flags::ROLLBACK) is set, [`Rollback::unplug`] when it is over,
//! [`Rollback::handle_datagram`] with each datagram of the session, [`Rollback::write_header`] and
//! [`Rollback::write_events`] into each that leaves. All of these may be called at any time, from another
//! thread that has the lock too: a datagram that takes something back while a frame runs is kept for the next
//! call, and nothing is said while a replay runs.
//!
//! **Snapshots** are saved at boundaries with no transfer in flight, as FF02 and the polls show it. A core
//! whose snapshots can be repaired ([`Rollback::set_repairs`]) has shorter replays. A game that listens gets
//! no byte for a frame when no boundary was safe for twenty; a game that clocks across every boundary, on a
//! core whose snapshots cannot be repaired, cannot be corrected: its incarnation of the link ends
//! ([`Counters::failures`]), and the strict exchange is the better one for it.

mod conversation;
mod core_requests;
mod counters;
mod due;
mod frequency;
mod history;
mod inbound;
mod incarnation;
mod misprediction;
mod moments;
mod outbound;
mod peer_sync;
mod prediction_window;
mod scheduler;
mod sequence_buffer;
mod serial_port;
mod snapshots;
mod timeline;

#[cfg(test)]
mod tests;

pub use core_requests::{Boundary, Confirmed, SaveToken, Step};
pub use counters::{Counters, Frames, Predictions, Transfers};

use super::FirstNumbers;
use crate::protocol::{Events, Header, Writer};
use crate::sequence_numbers::Number;
use crate::serial::{Look, Request, Speed};
use crate::time::Chunk;
use history::History;
use peer_sync::{Moment, PeerSync};
use scheduler::Scheduler;
use serial_port::Port;
use std::time::Duration;

/// Capacity for transfers: those open, and those since the oldest snapshot. At 13 a frame, two seconds.
const MAX_TRANSFERS: usize = 2048;

/// History of one game and its link as far back as it may still change, and the machines that work on it.
///
/// Allocates nothing after it was made. Equality is of two moments between calls: histories are alike if they
/// go on alike, whatever they have counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rollback {
    history: History,
    port: Port,
    scheduler: Scheduler,
    peer_sync: PeerSync,
}

impl Rollback {
    /// A history that is not plugged in, for a caller with so many snapshot slots; 48 are enough.
    #[must_use]
    pub fn new(slots: usize) -> Rollback {
        Rollback::with_places(slots, MAX_TRANSFERS)
    }

    /// A history with capacity for so many transfers: a small one can be explored whole.
    #[must_use]
    pub fn with_places(slots: usize, places: usize) -> Rollback {
        Rollback {
            history: History::new(slots, places),
            port: Port::default(),
            scheduler: Scheduler::default(),
            peer_sync: PeerSync::new(),
        }
    }

    /// Counts on from these numbers.
    pub(in crate::bridge) fn count_from(&mut self, first: FirstNumbers) {
        self.history.count_from(first);
    }

    /// Begins a session with a peer that rolls back too. `is_new_peer`: not the one of the last session, or
    /// it restarted.
    ///
    /// One of the two sides is the keeper of their timeline, and both know which.
    pub fn plug(&mut self, is_new_peer: bool, is_keeper: bool) {
        self.peer_sync.plug(is_new_peer, is_keeper, &mut self.history);
    }

    /// Ends the session: transfers that are not confirmed read 0xFF, from the next call on.
    pub fn unplug(&mut self) {
        self.peer_sync.unplug(&mut self.history);
    }

    /// Gives up all that is open as it stands, because the game was reset or the player loaded a state; a new
    /// incarnation of the link begins with the peer from here.
    pub fn abandon(&mut self) {
        if self.is_open() {
            self.history.end();
            self.history.close();
            self.port.close();
            self.scheduler.end_call();
        }
    }

    /// True if bytes can cross now.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        self.history.link.is_linked()
    }

    /// True if anything may still change: after an unplug, until what was open is replayed as unplugged.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.history.link.is_open()
    }

    /// The oldest frame whose inputs may be asked for again; those before it can be let go of.
    #[must_use]
    pub fn oldest_frame(&self) -> u64 {
        let oldest = self.history.snapshots.oldest();
        oldest
            .map_or(self.history.frame(), |snapshot| snapshot.frame)
            .raw()
    }

    /// The part of the history that nothing can change any more: only its snapshot's save RAM may reach a
    /// disk.
    #[must_use]
    pub fn confirmed(&self) -> Confirmed {
        let frame = self.history.horizon();
        let snapshot = self.history.snapshots.newest_whole(frame);
        Confirmed {
            frame: frame.raw(),
            state: snapshot.map(|snapshot| (snapshot.slot, snapshot.frame.raw())),
        }
    }

    /// Sets how long a datagram and its answer take now: usually, and with all but rare delays.
    pub fn set_round_trip(&mut self, mean: Duration, slow: Duration) {
        self.history.window.set_round_trip(slow);
        self.history.timeline.set_round_trip(mean);
    }

    /// Records the cost of one replayed frame on this machine, its snapshot included.
    pub fn handle_replay_cost(&mut self, cost: Duration) {
        self.history.window.handle_cost(cost);
    }

    /// Sets the time that replays may take in a call besides its own frame, for that frame to be on time.
    pub fn set_slack(&mut self, slack: Duration) {
        self.history.window.set_slack(slack);
    }

    /// Sets whether a snapshot saved with a transfer in flight can be repaired: then replays get shorter.
    pub fn set_repairs(&mut self, has_repairs: bool) {
        self.history.settings.has_repairs = has_repairs;
    }

    /// Sets whether the core tells the time inside its frames: then bytes are taken at the moment at which
    /// they were made, where the peer's core does too.
    pub fn set_clock(&mut self, has_clock: bool) {
        self.history.timeline.set_clock(has_clock);
    }

    /// Sets whether the caller waits a little for each verdict: no frame begins while one is open.
    pub fn set_rendezvous(&mut self, is_rendezvous: bool) {
        self.history.settings.has_rendezvous = is_rendezvous;
    }

    /// Sets whether the game is so far ahead of its peer's frames that it should stall: see the bridge's
    /// `frame_lead`.
    pub fn set_leading(&mut self, is_leading: bool) {
        self.history.settings.is_leading = is_leading;
    }

    /// A call begins in which the peer cannot answer: it is silent, in either direction, or paused.
    pub fn handle_silence(&mut self) {
        self.history.window.handle_silence();
    }

    /// True if bytes are taken at the moments at which they were made: both cores tell their time.
    #[must_use]
    pub fn has_timeline(&self) -> bool {
        self.history.timeline.is_shared()
    }

    /// True if this machine has too little slack for the prediction window that the path asks for.
    #[must_use]
    pub fn is_cut_short(&self) -> bool {
        self.history.window.is_cut_short()
    }

    /// True if the path is longer than any game may run ahead.
    #[must_use]
    pub fn is_path_too_long(&self) -> bool {
        self.history.window.is_path_too_long()
    }

    /// Mean cost of one replayed frame, its snapshot included.
    #[must_use]
    pub fn replay_cost(&self) -> Duration {
        self.history.window.mean_cost()
    }

    /// Counts since the start.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.history.counters
    }

    /// Decides what is to be done next; see the module.
    pub fn step(&mut self) -> Step {
        if self.scheduler.is_between() {
            self.peer_sync.read_kept(&mut self.history);
        }
        self.scheduler.step(&mut self.history, &mut self.port)
    }

    /// Ends the frame that the last step asked for.
    pub fn frame_end(&mut self, boundary: Boundary) {
        self.scheduler
            .frame_end(boundary, &mut self.history, &mut self.port);
    }

    /// Ends the save that the last step asked for: the snapshot is kept, or could not be.
    pub fn saved(&mut self, token: SaveToken, is_kept: bool) {
        self.scheduler
            .saved(token.into_snapshot(), is_kept, &mut self.history);
    }

    /// Looks for a byte of the peer. `Some`: the core takes it, and calls [`taken`](Self::taken) before
    /// anything else.
    ///
    /// Nothing is taken anew inside an [access](Look::Access). Such a poll is counted all the same, and
    /// repeats what was taken in it: a replay must not depend on how its looks are told apart. Nor is the
    /// first byte of a conversation taken in a frame's first poll: the game's own code of each frame comes
    /// right after that, and at a title it writes SB and SC, or begins a conversation itself.
    pub fn poll(&mut self, look: Look, chunk: Option<Chunk>) -> Option<(u8, Speed)> {
        self.port.poll(look, chunk, &mut self.history)
    }

    /// Looks again in the same poll, which has been prolonged: something may have arrived.
    pub fn poll_again(&mut self) -> Option<(u8, Speed)> {
        self.port.poll_again(&mut self.history)
    }

    /// True if the next poll might find a byte. Where it cannot, it may be left out and counted:
    /// [`skip_polls`](Self::skip_polls).
    #[must_use]
    pub fn may_find(&self) -> bool {
        self.port.may_find(&self.history)
    }

    /// Counts polls of the frame that runs which were left out.
    pub fn skip_polls(&mut self, polls: u32) {
        self.port.skip(polls, &mut self.history);
    }

    /// Takes the core's own SB, after the byte that [`poll`](Self::poll) gave.
    pub fn taken(&mut self, byte: u8) {
        self.port.taken(byte, &mut self.history);
    }

    /// Starts a transfer with the game's own clock; [`answer`](Self::answer) comes next.
    pub fn offer(&mut self, request: Request) {
        self.port.offer(request, &mut self.history);
    }

    /// True if nothing better can be known of the byte that the game reads next.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.port.is_answered(&self.history)
    }

    /// Ends the started transfer: the byte that the game reads, by the verdict or the best prediction.
    pub fn answer(&mut self) -> u8 {
        self.port.answer(&mut self.history)
    }

    /// Follows a datagram of the session; older ones may come too.
    pub fn handle_datagram(&mut self, header: &Header, events: Events<'_>) {
        let moment = self.moment();
        self.peer_sync
            .handle_datagram(header, events, moment, &mut self.history);
    }

    /// True if there is something to say to the peer now.
    #[must_use]
    pub fn must_transmit(&self) -> bool {
        self.peer_sync.must_transmit(&self.history)
    }

    /// Fills in the header's fields of the history, which are 0 where no bytes can cross.
    pub fn write_header(&self, header: &mut Header) {
        peer_sync::write_header(header, &self.history);
    }

    /// Appends everything that the peer has not acknowledged, as far as it fits; call
    /// [`write_header`](Self::write_header) for the same datagram. True if there was more: write another
    /// datagram at once, which goes on with it.
    pub fn write_events(&mut self, writer: &mut Writer<'_>) -> bool {
        let moment = self.moment();
        self.peer_sync.write_events(writer, moment, &self.history)
    }

    fn moment(&self) -> Moment {
        if self.scheduler.is_between() {
            Moment::Between
        } else if self.port.is_live() {
            Moment::Live
        } else {
            Moment::Busy
        }
    }
}
