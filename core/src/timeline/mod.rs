//! Go on and mend: a game that clocks runs on with a guessed byte, and is corrected if the guess was wrong.
//!
//! Waiting for a verdict costs a round trip a byte. Here the game reads a guess at once and goes on. The timeline of one
//! game keeps a short history: for each emulated frame what crossed its serial port, and now and then a state of the
//! whole core. When the truth arrives and differs, the game is taken back to a state before the guess and the frames
//! since are replayed, unseen, with all that is known by then. This is optimistic simulation (Jefferson, "Virtual Time",
//! 1985) with lazy cancellation (Gafni, 1988): what a replay sends again needs no word; only what it sends differently
//! is *replaced*, under a new *epoch*.
//!
//! It knows nothing of cores, sockets and clocks. It says what is to be done ([`Step`]); whoever owns the core does it.
//!
//! # How a corrected frame travels
//!
//! 1. In frame 40 A's game clocks a byte: *offer* 7. Its verdict is a round trip away, so the game reads the best guess
//!    ([`Timeline::request`]) and runs on; at the end of the slot one datagram carries all offers that B has not
//!    acknowledged. Frames 41 to 45 follow, with offers 8 to 12.
//! 2. B's game listens and has no open byte of its own: its next poll takes offer 7, at a frame and a poll that are
//!    recorded. What it answers is the verdict; B's next datagram carries it.
//! 3. Before frame 46 A compares: the game read something else. The slot begins with a correction: the newest state
//!    at or before frame 40 is loaded, and the frames up to 45 run again, unseen; request 7 reads the verdict, the others their
//!    verdicts or better guesses. Takes are repeated at their recorded polls.
//! 4. Offers 8 and 9 come out as before: nothing is said of them, and verdicts on them stay good. Offer 10 differs: it and
//!    all behind it are replaced, a new epoch begins, and the verdicts that were known for them become guesses.
//! 5. B follows the epoch: what it took from offer 10 on is void, so it goes back to before that take in the same way.
//! 6. A's verdicts up to 9 are read by its game: they are *settled*, A says so, and both let go of what lies before.
//!
//! What makes it sound: a game takes a byte only where all its own have their verdicts, and an offer is taken only where
//! exactly as many offers were sent as its maker had judged. So whatever is taken depends on nothing that the taker might still
//! change, and the oldest open offer of all can always be judged. Where both sides' oldest open offers stand against
//! each other, neither having judged the other, they are a *pair*: each is the other's answer.
//!
//! What is not here: sockets, clocks, threads; the session (who the peer is); the strict exchange, in which nothing is
//! ever replaced.
//!
//! # The face towards the port
//!
//! **Inside a running core**, the three hooks of the serial port; none of them waits, allocates or fails:
//!
//! | the core | call | answer |
//! |---|---|---|
//! | looks for a byte (`NetSerial::check`: armed, no shift under way) | [`Timeline::poll`] | `Some((byte, speed))`: the core takes it now |
//! | has taken it and gives its own SB | [`Timeline::taken`] | |
//! | starts a transfer with its own clock (`NetSerial::send`) | [`Timeline::request`] | the byte that the game reads |
//!
//! A caller that meets its peer splits two of them: a poll that found nothing may last a little and be looked at again
//! ([`Timeline::poll_again`]), and between [`Timeline::offer`] and [`Timeline::answer`] the verdict may come
//! ([`Timeline::is_answered`]). Words of the peer that take nothing back are followed at once then, in the middle of a live frame.
//!
//! Call them only from inside a frame that [`Step::Live`] or [`Step::Replay`] asked for. Elsewhere (the core polls while
//! it serialises) a poll finds nothing, and is not counted.
//!
//! **Between frames**, one slot for each call of `retro_run`: call [`Timeline::step`] and do what it says until it says
//! [`Step::Done`]:
//!
//! ```text
//! loop {
//!     match timeline.step() {
//!         Step::Load { slot }    => unserialise the buffer `slot`,
//!         Step::Replay { frame } => run one frame with the inputs kept for `frame`: no picture, no sound, no side effect;
//!                                   timeline.frame_end(boundary),
//!         Step::Save { slot, .. } => timeline.saved(serialise into the buffer `slot`),
//!         Step::Live { frame }   => run one frame for the player and keep its inputs under `frame`;
//!                                   timeline.frame_end(boundary),
//!         Step::Hold             => show the last picture again, with silence,
//!         Step::Done             => break,
//!     }
//! }
//! if timeline.must_transmit(), write a datagram, and another while write_events says that there is more
//! ```
//!
//! A slot is a correction (`Load`, then `Replay` and `Save` in turn; there may be several), then one `Live` or one
//! `Hold`, then perhaps a `Save`. A `Live` that is followed by a `Hold` in the same slot is undone: its picture and sound
//! are dropped. Frames are numbered from 0 as emulated, live; a replay has the number of the frame that it repeats. A call
//! that emulated nothing (the core repeated its picture) keeps the number for the next. The caller owns inputs and buffers:
//! inputs of frames before [`Timeline::oldest_frame`] are not asked for again, and slots are numbers below the count
//! given to [`Timeline::new`].
//!
//! [`Timeline::confirmed`] says up to which frame nothing can change any more, and which buffer holds a state of that past: the
//! only one whose save RAM may reach a disk.
//!
//! **Towards the peer**: [`Timeline::plug`] when a session is up and the peer's [`Flags::MENDS`](crate::protocol::Flags::MENDS)
//! is set, [`Timeline::unplug`] when it is over, [`Timeline::handle_datagram`] with each datagram of the session,
//! [`Timeline::write_header`] and [`Timeline::write_events`] into each that leaves. All of these may be called at any time,
//! from a helper thread's turn of the lock too: what arrives while a frame runs and takes something back is kept and looked at in the
//! next slot, and while a replay runs nothing is said. Without that flag nothing here is used: towards such a peer the strict path
//! serves, which never replaces what it has sent.
//!
//! **Measures**: [`Timeline::set_round_trip`] and [`Timeline::handle_replay_cost`] set how far the game may run ahead: the
//! round trip and three frames, at most 30, and less on a machine on which so long a replay would cost more than a quarter of a frame.
//!
//! **States** are saved at boundaries with no transfer in flight, as FF02 and the polls show it. A core whose states can be
//! repaired ([`Timeline::set_repairs`]) has shorter replays. Whatever the core does, a game that listens gets no byte for a
//! frame when no boundary was safe for twenty; a game that clocks across every boundary, on a core that cannot be repaired, cannot
//! be mended: its stretch ends ([`Counters::failures`]), and the strict path is the better one for it.

mod certainty;
mod counters;
mod hooks;
mod joint;
mod judging;
mod offers;
mod reach;
mod ring;
mod states;
mod steps;
mod wire;

#[cfg(test)]
mod tests;

pub use counters::Counters;

use crate::serial::{SerialControl, Shift};
use hooks::Port;
use joint::Joint;
use judging::{Judging, Void};
use offers::{Answer, Kind, Offers};
use reach::Reach;
use states::{State, States};
use std::hash::{Hash, Hasher};
use std::time::Duration;
use steps::Then;
use wire::Inbox;

/// Transfers that may be kept: those open, and those since the oldest state. At 13 a frame that is two seconds.
const PLACES: usize = 2048;

/// What is to be done next in this slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Load the state that this buffer holds.
    Load {
        /// Number of the buffer.
        slot: usize,
    },
    /// Save the core's state into this buffer, then call [`Timeline::saved`].
    Save {
        /// Number of the buffer.
        slot: usize,
        /// A transfer is in flight: repair the state and load it again. Only where [`Timeline::set_repairs`] allowed it.
        in_flight: Option<Shift>,
    },
    /// Emulate this frame again, unseen, then call [`Timeline::frame_end`].
    Replay {
        /// Its number.
        frame: u64,
    },
    /// Emulate the next frame for the player, then call [`Timeline::frame_end`].
    Live {
        /// Its number.
        frame: u64,
    },
    /// Show the last picture again, with silence: the game stands still.
    Hold,
    /// The slot is over.
    Done,
}

/// What the caller sees of the core at the end of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boundary {
    /// Whether the call emulated anything.
    pub has_advanced: bool,
    /// FF02 as it is stored.
    pub serial_control: SerialControl,
    /// FF01 as it is stored.
    pub serial_byte: u8,
}

/// Up to where nothing can change any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// Frames before this one are final.
    pub frame: u64,
    /// The buffer of the newest kept state that is final and was saved with no transfer in flight, and the frame that starts
    /// from it.
    pub state: Option<(usize, u64)>,
}

/// Where a slot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    /// No slot is under way.
    Between,
    /// What comes next has to be found.
    Deciding,
    /// A correction, between two of its frames.
    Mending { until: u64 },
    /// A frame of a correction runs.
    Replaying { until: u64 },
    /// The frame of this slot runs.
    Running,
    /// A state is to be saved.
    Keeping {
        state: State,
        in_flight: Option<Shift>,
        then: Then,
    },
    /// The caller saves it.
    Saving { state: State, then: Then },
    /// The slot has had its frame, or held.
    Ending,
}

impl Phase {
    /// Whether the core runs a frame.
    fn is_running(self) -> bool {
        matches!(self, Phase::Running | Phase::Replaying { .. })
    }
}

/// The history of one game and of its link, as far back as it may still change.
///
/// Nothing in it allocates after it was made.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// Frames emulated in this timeline; in a replay, the number of the frame that is repeated.
    frame: u64,
    phase: Phase,
    port: Port,
    offers: Offers,
    judging: Judging,
    states: States,
    reach: Reach,
    joint: Joint,
    inbox: Inbox,
    counters: Counters,
    is_plugged: bool,
    /// There is a first state: what crosses the port is history from there on.
    is_open: bool,
    /// The stretch is over, and what was open has not yet been replayed as unplugged.
    is_closing: bool,
    /// Whether the core is between two frames with no transfer in flight.
    is_here_safe: bool,
    /// Whether the caller can save a state with a transfer in flight.
    has_repairs: bool,
    /// Whether the caller waits for verdicts.
    is_meeting: bool,
    /// Whether the game is so far ahead of its peer that the peer should have its turn first.
    is_leading: bool,
    /// What was taken in this frame has been replaced.
    back_to: Option<u64>,
    /// The live frame of this slot has been undone.
    is_undone: bool,
    /// A replay takes nothing anew before this frame.
    not_before: u64,
    /// Corrections in this slot.
    mends: u32,
    /// Calls in a row that emulated nothing, in a replay.
    repeats: u32,
    /// The first frame since which the game has not listened, or could not have been given a byte.
    unarmed_since: u64,
    /// Whether a byte could have been given when the live frame began.
    was_ready: bool,
    /// Bytes that were taken in the last live frame.
    last_takes: u64,
    /// What the game would answer next: number of the peer's offer, byte.
    announced: Option<(u64, u8)>,
    /// Slots since anything happened.
    quiet: u32,
    /// The first offer that did not fit into the last datagram.
    rest: Option<u64>,
}

/// Two timelines are alike between two slots if they go on alike: counts and measures do not matter.
impl PartialEq for Timeline {
    fn eq(&self, other: &Timeline) -> bool {
        self.essence() == other.essence()
            && self.offers == other.offers
            && self.judging == other.judging
            && self.states == other.states
    }
}

impl Eq for Timeline {}

impl Hash for Timeline {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.essence().hash(hasher);
        self.offers.hash(hasher);
        self.judging.hash(hasher);
        self.states.hash(hasher);
    }
}

impl Timeline {
    fn essence(&self) -> impl PartialEq + Hash {
        (
            (self.frame, self.phase, self.joint, self.inbox.newest()),
            (self.is_plugged, self.is_open, self.is_closing, self.is_here_safe),
            (self.back_to, self.unarmed_since, self.announced, self.rest),
        )
    }
}

impl Timeline {
    /// A timeline that is not plugged in, for a caller with so many buffers for states; 48 are enough.
    #[must_use]
    pub fn new(slots: usize) -> Timeline {
        Timeline::with_places(slots, PLACES)
    }

    /// The same for so many transfers, a power of two: for a model that explores every state of a small one.
    #[must_use]
    pub fn with_places(slots: usize, places: usize) -> Timeline {
        Timeline {
            frame: 0,
            phase: Phase::Between,
            port: Port::default(),
            offers: Offers::new(places),
            judging: Judging::new(places),
            states: States::new(slots),
            reach: Reach::default(),
            joint: Joint::default(),
            inbox: Inbox::default(),
            counters: Counters::default(),
            is_plugged: false,
            is_open: false,
            is_closing: false,
            is_here_safe: true,
            has_repairs: false,
            is_meeting: false,
            is_leading: false,
            back_to: None,
            is_undone: false,
            not_before: 0,
            mends: 0,
            repeats: 0,
            unarmed_since: 0,
            was_ready: false,
            last_takes: 0,
            announced: None,
            quiet: 0,
            rest: None,
        }
    }

    /// A session with a peer that mends is up. `is_new_peer`: not the one of the last session, or it restarted.
    pub fn plug(&mut self, is_new_peer: bool) {
        if is_new_peer {
            self.end_stretch();
            self.joint.forget_peer();
            self.inbox.reset();
        }
        self.is_plugged = true;
        self.quiet = 0;
    }

    /// The session is over: what is not confirmed reads 0xFF, from the next slot on.
    pub fn unplug(&mut self) {
        self.is_plugged = false;
        self.end_stretch();
    }

    /// The game has left its own history, by a loaded state or a reset: what is open is given up as it stands, and a new stretch begins
    /// with the peer from here.
    pub fn abandon(&mut self) {
        if self.is_open {
            self.end_stretch();
            self.close();
            self.phase = Phase::Between;
        }
    }

    /// Whether bytes can cross now.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        self.is_open && !self.is_closing
    }

    /// Whether anything may still change: also after the cable has been pulled, until what was open has been replayed as unplugged.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// The numbers of this stretch of the link, ours and the peer's: while linked, both sides mean the same.
    #[must_use]
    pub fn stretch(&self) -> (u32, u32) {
        self.joint.numbers()
    }

    /// The oldest frame whose inputs may be asked for again.
    #[must_use]
    pub fn oldest_frame(&self) -> u64 {
        self.states.oldest().map_or(self.frame, |state| state.frame)
    }

    /// Up to where nothing can change any more.
    #[must_use]
    pub fn confirmed(&self) -> Confirmed {
        let frame = self.oldest_open();
        let state = self.states.newest_whole(frame);
        Confirmed {
            frame,
            state: state.map(|state| (state.slot, state.frame)),
        }
    }

    /// How long a word and its answer take now, with all but rare delays.
    pub fn set_round_trip(&mut self, round_trip: Duration) {
        self.reach.set_round_trip(round_trip);
    }

    /// What one replayed frame cost on this machine, its state included.
    pub fn handle_replay_cost(&mut self, cost: Duration) {
        self.reach.handle_cost(cost);
    }

    /// Whether a state saved with a transfer in flight can be repaired; replays get shorter where it can.
    pub fn set_repairs(&mut self, has_repairs: bool) {
        self.has_repairs = has_repairs;
    }

    /// Whether the caller waits a little for each verdict: then a frame begins only where none is open, so that the next can come at
    /// once.
    pub fn set_meeting(&mut self, is_meeting: bool) {
        self.is_meeting = is_meeting;
    }

    /// Whether the game is so far ahead of its peer's frames that it should stand still: see the bridge's module `lead`.
    pub fn set_leading(&mut self, is_leading: bool) {
        self.is_leading = is_leading;
    }

    /// Whether guesses hold the game up here: this machine replays too slowly to run as far ahead as the path would have it.
    #[must_use]
    pub fn is_cut_short(&self) -> bool {
        self.reach.is_cut_short()
    }

    /// What has been counted.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The stretch is over here: what is open will be replayed as unplugged.
    fn end_stretch(&mut self) {
        self.joint.end();
        self.announced = None;
        self.quiet = 0;
        if self.is_open && !self.is_closing {
            self.is_closing = true;
            let void = self.judging.handle_end();
            self.take_back(void);
        } else if !self.is_open {
            self.offers.reset();
            self.judging.reset();
        }
    }

    /// These judgements are void.
    fn take_back(&mut self, void: Void) {
        self.counters.taken_back += void.takes;
        if let Some(frame) = void.frame {
            self.go_back_before(frame);
        }
    }

    /// What was taken in this frame is void.
    fn go_back_before(&mut self, frame: u64) {
        self.back_to = Some(self.back_to.map_or(frame, |before| before.min(frame)));
    }

    fn count_replace(&mut self, cancelled: u64) {
        self.counters.replaces += 1;
        self.counters.cancelled += cancelled;
        self.quiet = 0;
    }

    /// Counts the verdict that has just been noted.
    fn count_answer(&mut self, answer: Answer) {
        let number = self.offers.answered().saturating_sub(1);
        if let Some(own) = self.offers.get(number) {
            self.reach.handle_verdict(self.frame.saturating_sub(own.frame));
        }
        self.quiet = 0;
        self.counters.answered += 1;
        match answer.kind {
            Kind::Taken => {}
            Kind::Refused => self.counters.refused += 1,
            Kind::Paired => self.counters.paired += 1,
        }
    }
}
