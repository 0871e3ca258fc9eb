//! Identity of the two sides: the handshake, silence, and a restart of either.
//!
//! Each side draws 64 random bits. A datagram that carries both numbers is of this session; one that carries
//! a new number of the peer and our own is from a peer that restarted and has heard us since, so it cannot be
//! an old packet. Numbers that were replaced are remembered for a while, so that a delayed datagram cannot
//! bring them back.
//!
//! A hello proves nothing, and anybody can forge one: it is answered beside the session, and changes nothing
//! in it.

use crate::protocol::{Header, Nonce, Sequence};
use crate::time::LocalTime;
use std::time::Duration;

/// Silence after which the peer counts as gone, where the player has chosen no other: small radios were seen
/// to hold datagrams for two seconds, and a player who waits longer than this takes the other to have left.
pub const SILENCE_LIMIT: Duration = Duration::from_secs(10);

/// Pause after the first link that was ended because the peer answered nothing; twice as long after each
/// further one.
const FIRST_BACKOFF: Duration = Duration::from_secs(4);
/// The longest such pause: a peer that stalls the game for two seconds has little of a minute.
const LONGEST_BACKOFF: Duration = Duration::from_secs(64);

/// Replaced numbers of the peer that are remembered.
const RETIRED: usize = 8;

/// One side's view of the session; the default, of a bridge that is not plugged in, has no number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Session {
    ours: Nonce,
    theirs: Option<Nonce>,
    /// The peer's number from a hello that has not proved yet that it is fresh.
    candidate: Option<Nonce>,
    retired: [Nonce; RETIRED],
    /// When the peer's number was accepted.
    accepted: LocalTime,
    last_heard: LocalTime,
    heard_of_us: Acknowledgements,
    /// Silence, or deafness, after which the peer counts as gone.
    silence_limit: Duration,
    is_linked: bool,
    /// No link before this moment, and how long the pause was that ends there.
    backoff: Option<(LocalTime, Duration)>,
}

/// The peer's acknowledgements beside what was sent: a path may lose one direction alone.
///
/// While something that we sent has no acknowledgement and none arrives for as long, the peer counts as gone
/// as much as one that is silent. It is back when it acknowledges what was sent after that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Acknowledgements {
    /// Newest sequence number sent to the peer, 0 for none.
    sent: Sequence,
    /// Newest one that it acknowledged.
    acknowledged: Sequence,
    /// Since when something sent has waited for its acknowledgement, and no other has arrived.
    unheard_since: Option<LocalTime>,
    /// The link ended here: it comes back once a later number is acknowledged.
    lost_at: Option<Sequence>,
}

impl Acknowledgements {
    /// The peer acknowledges everything up to `sequence`; one that was never sent says nothing.
    fn handle_acknowledged(&mut self, received: LocalTime, sequence: Sequence) {
        if sequence > self.acknowledged && sequence <= self.sent {
            self.acknowledged = sequence;
            self.unheard_since = (sequence < self.sent).then_some(received);
        }
    }

    /// When the peer counts as gone unless it acknowledges something.
    fn deadline(&self, limit: Duration) -> Option<LocalTime> {
        self.unheard_since.map(|since| since.after(limit))
    }

    /// True where the peer has heard us since the link last ended.
    fn is_back(&self) -> bool {
        self.lost_at.is_none_or(|lost_at| self.acknowledged > lost_at)
    }
}

/// Standing of a datagram towards the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Of this session: use it.
    Current,
    /// Of this session, which begins or comes back with it: use it.
    Linked {
        /// True if the peer is another one than before, whose count of transfers begins anew.
        is_new_peer: bool,
    },
    /// The peer looks for us: answer, and use nothing else of it.
    Hello,
    /// Of this session's peer, which cannot be linked yet: it has not heard us since the link ended, or a
    /// pause is not over. Answer, and use nothing of it but its number and stamp.
    Unlinked,
    /// Of a session that is over, or never was.
    Foreign,
    /// Our own datagram came back.
    Reflected,
}

impl Session {
    /// A session that has heard of nobody; `nonce` is random and not 0.
    #[must_use]
    pub fn new(nonce: Nonce) -> Session {
        Session {
            ours: Nonce(nonce.0.max(1)),
            silence_limit: SILENCE_LIMIT,
            ..Session::default()
        }
    }

    /// Sets the silence after which the peer counts as gone.
    pub fn set_silence_limit(&mut self, limit: Duration) {
        self.silence_limit = limit;
    }

    /// Time for which nothing has been heard of the peer, or it has not heard us, while linked.
    #[must_use]
    pub fn silent_for(&self, now: LocalTime) -> Duration {
        let silent = now.since(self.silent_since());
        if self.is_linked { silent } else { Duration::ZERO }
    }

    /// Since when nothing has been heard of the peer, or it has not heard us.
    pub(super) fn silent_since(&self) -> LocalTime {
        let deaf_since = self.heard_of_us.unheard_since.unwrap_or(self.last_heard);
        self.last_heard.min(deaf_since)
    }

    /// Newest sequence number sent to the peer, 0 for none.
    pub(super) fn sent(&self) -> Sequence {
        self.heard_of_us.sent
    }

    /// Newest one that the peer acknowledged.
    pub(super) fn acknowledged(&self) -> Sequence {
        self.heard_of_us.acknowledged
    }

    /// This side's number.
    #[must_use]
    pub fn ours(&self) -> Nonce {
        self.ours
    }

    /// The number that our datagrams address: the peer's, or as long as none has proved to be there that of
    /// the newest hello; 0 for none.
    #[must_use]
    pub fn addressee(&self) -> Nonce {
        self.theirs.or(self.candidate).unwrap_or_default()
    }

    /// The sender of a hello that is to be answered beside the peer of the session, once.
    pub fn take_greeting(&mut self) -> Option<Nonce> {
        self.theirs?;
        self.candidate.take()
    }

    /// True if `number` is that of the peer which has proved to be there.
    #[must_use]
    pub fn knows(&self, number: Nonce) -> bool {
        self.theirs == Some(number)
    }

    /// True if bytes can flow.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        self.is_linked
    }

    /// When the peer will have been silent for too long, or have heard nothing of us, while linked.
    #[must_use]
    pub fn silence_deadline(&self) -> Option<LocalTime> {
        let silent = self.last_heard.after(self.silence_limit);
        let deadline = self
            .heard_of_us
            .deadline(self.silence_limit)
            .map_or(silent, |deaf| deaf.min(silent));
        self.is_linked.then_some(deadline)
    }

    /// True where the peer may be told that we hear it: not during a pause, so that it does not wait for us.
    #[must_use]
    pub fn may_acknowledge(&self, now: LocalTime) -> bool {
        self.backoff
            .is_none_or(|(until, _)| self.is_linked || now >= until)
    }

    /// A datagram to the peer of this session leaves under this sequence number.
    pub fn handle_sent(&mut self, now: LocalTime, sequence: Sequence) {
        self.heard_of_us.sent = self.heard_of_us.sent.max(sequence);
        self.heard_of_us.unheard_since.get_or_insert(now);
    }

    /// Ends the link with a peer that is heard and answers nothing; it is not linked again before a pause.
    pub fn back_off(&mut self, now: LocalTime) {
        let pause = self
            .backoff
            .map_or(FIRST_BACKOFF, |(_, pause)| (2 * pause).min(LONGEST_BACKOFF));
        self.backoff = Some((now.after(pause), pause));
        self.end();
    }

    /// Judges one datagram of the peer's address.
    pub fn handle_header(&mut self, now: LocalTime, header: &Header) -> Standing {
        if header.from == self.ours {
            return Standing::Reflected;
        }
        if self.retired.contains(&header.from) {
            return Standing::Foreign;
        }
        if header.to != self.ours {
            // A hello, or a peer that still speaks to what we were before a restart.
            // The peer of the session may say it as well, to somebody whose hello it answers.
            if self.theirs != Some(header.from) {
                self.candidate = Some(header.from);
            }
            return Standing::Hello;
        }
        let is_new_peer = self.theirs != Some(header.from);
        if is_new_peer && self.theirs.is_some() && header.echo <= self.accepted.0 {
            // It has heard nothing of us since we accepted the other number: it may be a datagram of one that
            // is long dead. One that lives hears our answer and shows its stamp.
            self.candidate = Some(header.from);
            return Standing::Hello;
        }
        if is_new_peer && !self.may_acknowledge(now) {
            // Accepted in a pause, it would be no new one when the link is made.
            return Standing::Unlinked;
        }
        if is_new_peer {
            self.accepted = now;
            self.is_linked = false;
            self.heard_of_us = Acknowledgements::default();
            self.candidate = None;
            if let Some(before) = self.theirs.replace(header.from) {
                self.retire(before);
            }
        }
        // Stamps come from the wall clock, which may be set back.
        self.last_heard = self.last_heard.max(now);
        self.heard_of_us.handle_acknowledged(now, header.acknowledged);
        if self.is_linked {
            return Standing::Current;
        }
        if !self.heard_of_us.is_back() || !self.may_acknowledge(now) {
            return Standing::Unlinked;
        }
        self.is_linked = true;
        (self.heard_of_us.lost_at, self.heard_of_us.unheard_since) = (None, None);
        Standing::Linked { is_new_peer }
    }

    /// Ends the link if the peer has been silent, or deaf, for too long; true when it just did.
    pub fn handle_timeout(&mut self, now: LocalTime) -> bool {
        let is_over = self.silence_deadline().is_some_and(|deadline| now >= deadline);
        if is_over {
            self.end();
        }
        is_over
    }

    fn end(&mut self) {
        self.is_linked = false;
        // Nothing acknowledged so far brings it back.
        let sent = self.heard_of_us.sent;
        self.heard_of_us.lost_at = (sent > Sequence::NONE).then_some(sent);
        self.heard_of_us.unheard_since = None;
    }

    /// The peer said goodbye, or we do: what is still under way of it is of a session that is over. True if
    /// it was linked.
    pub fn handle_goodbye(&mut self) -> bool {
        if let Some(theirs) = self.theirs.take() {
            self.retire(theirs);
        }
        std::mem::replace(&mut self.is_linked, false)
    }

    fn retire(&mut self, number: Nonce) {
        self.retired.rotate_right(1);
        self.retired[0] = number;
    }
}

#[cfg(test)]
mod tests;
