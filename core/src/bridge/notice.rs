//! Notices: messages for the player.

use super::speed::Slowness;
use super::stats::Counters;
use crate::protocol::VERSION;
use crate::time::LocalTime;
use std::time::Duration;

/// Something that the player should be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Both sides know each other and bytes can flow.
    Linked,
    /// The peer's emulation stands still, as it says itself: a menu, a pause.
    PeerPaused {
        /// A game that uses the cable here stands still until the peer goes on; otherwise it reads an
        /// unplugged cable.
        is_waited_for: bool,
    },
    /// The peer's emulation goes on.
    PeerResumed,
    /// Nothing has been heard of the peer for so many seconds; told once a second.
    PeerSilent {
        /// Whole seconds.
        seconds: u32,
    },
    /// The peer is heard again.
    PeerHeard,
    /// Nothing has been heard of the peer for as long as the player waits, or it said goodbye.
    PeerGone,
    /// The peer is heard and answers nothing: the link has ended, and is made again after a pause.
    PeerStalled,
    /// The cable was pulled, or its interface went down: the daemon says so.
    Unplugged,
    /// A byte was taken on one side only, because its wait had ended on the other: the two games may now
    /// disagree.
    OutOfStep,
    /// The game is slower than it should be, for seconds now.
    Slow {
        /// Cause of it.
        cause: Slowness,
        /// Milliseconds that a datagram and its answer take.
        round_trip_ms: u32,
    },
    /// A mistake of our own: the cable stays unplugged until the game is loaded again.
    Failed,
    /// The other side has another key than this one, or only one of them has a key.
    KeyMismatch {
        /// This side has a key.
        is_ours_set: bool,
    },
    /// The peer speaks another version of the protocol.
    VersionMismatch {
        /// This side's version.
        ours: u16,
        /// The peer's version; the side with the lower one should be updated.
        theirs: u16,
    },
}

/// Notices kept: more than a player reads in a frame; a flapping link fills it and loses the oldest.
const CAPACITY: usize = 8;

/// Length of a pause that the player is told of: loading a game takes shorter ones.
const TOLD_AFTER: Duration = Duration::from_millis(750);

/// Notices not yet taken, and which of them are told once only.
#[derive(Clone, Debug, Default)]
pub(super) struct Notices {
    /// Newest first, without gaps.
    queue: [Option<Notice>; CAPACITY],
    has_told_version: bool,
    has_told_key: bool,
    has_told_step: bool,
    has_told_pause: bool,
    has_told_slow: bool,
    /// Seconds of silence of which the player was told; 0 while the peer is heard.
    told_silence: u32,
    peer_paused_since: Option<LocalTime>,
}

impl Notices {
    /// Adds one; the oldest goes for it where there is no room, and is counted.
    pub(super) fn push(&mut self, notice: Notice, counters: &mut Counters) {
        self.queue.rotate_right(1);
        counters.notices_lost += u64::from(self.queue[0].replace(notice).is_some());
    }

    pub(super) fn pop(&mut self) -> Option<Notice> {
        self.queue.iter_mut().rev().find_map(Option::take)
    }

    /// A datagram of another version, told once: the number comes from outside and may change with every
    /// datagram.
    pub(super) fn handle_version(&mut self, theirs: u16, counters: &mut Counters) {
        if !std::mem::replace(&mut self.has_told_version, true) {
            let ours = VERSION;
            self.push(Notice::VersionMismatch { ours, theirs }, counters);
        }
    }

    /// A datagram that this side cannot open, told once: anybody may send one.
    pub(super) fn handle_unauthentic(&mut self, is_ours_set: bool, counters: &mut Counters) {
        if !std::mem::replace(&mut self.has_told_key, true) {
            self.push(Notice::KeyMismatch { is_ours_set }, counters);
        }
    }

    /// A byte was taken on one side only.
    pub(super) fn handle_out_of_step(&mut self, counters: &mut Counters) {
        counters.too_late += 1;
        if !std::mem::replace(&mut self.has_told_step, true) {
            self.push(Notice::OutOfStep, counters);
        }
    }

    /// The game has been slow for seconds; told once.
    pub(super) fn handle_slow(&mut self, cause: Slowness, round_trip: Duration, counters: &mut Counters) {
        if !std::mem::replace(&mut self.has_told_slow, true) {
            let round_trip_ms = u32::try_from(round_trip.as_millis()).unwrap_or(u32::MAX);
            self.push(Notice::Slow { cause, round_trip_ms }, counters);
        }
    }

    /// A datagram of the peer says whether it is paused.
    pub(super) fn handle_pause(
        &mut self,
        received: LocalTime,
        is_paused: bool,
        is_waited_for: bool,
        counters: &mut Counters,
    ) {
        self.peer_paused_since = is_paused.then(|| self.peer_paused_since.unwrap_or(received));
        let is_long = |since| received.since(since) >= TOLD_AFTER;
        let is_told = self.peer_paused_since.is_some_and(is_long);
        match (std::mem::replace(&mut self.has_told_pause, is_told), is_told) {
            (false, true) => self.push(Notice::PeerPaused { is_waited_for }, counters),
            (true, false) => self.push(Notice::PeerResumed, counters),
            _ => {}
        }
    }

    /// Nothing has been heard of the linked peer for so long.
    pub(super) fn handle_silence(&mut self, silence: Duration, counters: &mut Counters) {
        let seconds = u32::try_from(silence.as_secs()).unwrap_or(u32::MAX);
        let told = std::mem::replace(&mut self.told_silence, seconds);
        if seconds > told {
            self.push(Notice::PeerSilent { seconds }, counters);
        } else if seconds == 0 && told > 0 {
            self.push(Notice::PeerHeard, counters);
        }
    }

    /// The link is over, and the player was told so.
    pub(super) fn handle_end(&mut self) {
        self.told_silence = 0;
    }

    /// The cable is plugged in anew.
    pub(super) fn handle_plug(&mut self) {
        (self.has_told_version, self.has_told_key) = (false, false);
    }

    /// The peer is another one than before.
    pub(super) fn forget_peer(&mut self) {
        self.has_told_step = false;
        self.has_told_pause = false;
        self.has_told_slow = false;
        self.told_silence = 0;
        self.peer_paused_since = None;
    }
}
