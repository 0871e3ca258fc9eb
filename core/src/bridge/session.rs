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
        let deaf = self
            .heard_of_us
            .unheard_since
            .map_or(Duration::ZERO, |since| now.since(since));
        let silent = now.since(self.last_heard).max(deaf);
        if self.is_linked { silent } else { Duration::ZERO }
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
mod tests {
    use super::*;

    const T: LocalTime = LocalTime(1_000_000_000);

    fn at(ms: u64) -> LocalTime {
        T.after(Duration::from_millis(ms))
    }

    fn from(session: &Session) -> Header {
        Header {
            from: session.ours(),
            to: session.addressee(),
            sequence: Sequence(1),
            ..Header::default()
        }
    }

    #[test]
    fn two_datagrams_link_one_side_and_three_link_both() {
        let (mut a, mut b) = (Session::new(Nonce(1)), Session::new(Nonce(2)));
        assert_eq!(b.handle_header(T, &from(&a)), Standing::Hello);
        assert_eq!(
            a.handle_header(T, &from(&b)),
            Standing::Linked { is_new_peer: true }
        );
        assert_eq!(
            b.handle_header(T, &from(&a)),
            Standing::Linked { is_new_peer: true }
        );
        assert_eq!(a.handle_header(T, &from(&b)), Standing::Current);
    }

    fn linked() -> (Session, Session) {
        let (mut a, mut b) = (Session::new(Nonce(1)), Session::new(Nonce(2)));
        b.handle_header(T, &from(&a));
        a.handle_header(T, &from(&b));
        b.handle_header(T, &from(&a));
        (a, b)
    }

    #[test]
    fn a_restarted_peer_takes_over_and_its_old_datagrams_do_not_bring_it_back() {
        let (mut a, b) = linked();
        let old = from(&b);
        let mut b = Session::new(Nonce(3));
        assert_eq!(a.handle_header(T, &from(&b)), Standing::Hello);
        assert!(a.is_linked(), "a hello alone does not disturb a live session");
        assert_eq!(a.handle_header(T, &old), Standing::Current);
        assert_eq!(
            from(&a).to,
            Nonce(2),
            "what is said of the session goes to the live peer"
        );
        let greeting = Header {
            to: a.take_greeting().unwrap(),
            ..from(&a)
        };
        assert_eq!(
            b.handle_header(T, &greeting),
            Standing::Linked { is_new_peer: true }
        );
        let fresh = Header {
            echo: T.0 + 1,
            ..from(&b)
        };
        assert_eq!(a.handle_header(T, &fresh), Standing::Linked { is_new_peer: true });
        assert_eq!(a.handle_header(T, &old), Standing::Foreign);
    }

    #[test]
    fn a_late_datagram_of_a_peer_that_died_before_does_not_oust_the_living_one() {
        let mut a = Session::new(Nonce(1));
        let (mut dead, mut b) = (Session::new(Nonce(2)), Session::new(Nonce(3)));
        // The first peer heard our hello, answered and died; its answer is still under way.
        dead.handle_header(T, &from(&a));
        let late = Header {
            echo: T.0 - 1,
            ..from(&dead)
        };
        b.handle_header(T, &from(&a));
        a.handle_header(T, &from(&b));
        assert!(a.knows(Nonce(3)));
        assert_eq!(a.handle_header(T, &late), Standing::Hello);
        assert!(a.knows(Nonce(3)));
        assert_eq!(a.handle_header(T, &from(&b)), Standing::Current);
    }

    #[test]
    fn hellos_of_strangers_turn_no_datagram_away_from_the_peer() {
        let (mut a, mut b) = linked();
        for side in [&mut a, &mut b] {
            let peer = side.addressee();
            for stranger in 9..99 {
                assert_eq!(
                    side.handle_header(T, &from(&Session::new(Nonce(stranger)))),
                    Standing::Hello
                );
                assert_eq!(side.addressee(), peer);
            }
            assert_eq!(side.take_greeting(), Some(Nonce(98)), "the newest is answered");
            assert_eq!(side.take_greeting(), None, "once");
        }
        assert_eq!(b.handle_header(T, &from(&a)), Standing::Current);
        assert_eq!(a.handle_header(T, &from(&b)), Standing::Current);
    }

    #[test]
    fn strangers_keep_nobody_from_a_peer_that_comes_back() {
        let (mut a, b) = linked();
        a.handle_timeout(T.after(SILENCE_LIMIT));
        a.handle_header(T, &from(&Session::new(Nonce(9))));
        assert_eq!(a.addressee(), Nonce(2));
        assert_eq!(
            a.handle_header(T.after(SILENCE_LIMIT), &from(&b)),
            Standing::Linked { is_new_peer: false }
        );
    }

    #[test]
    fn a_peer_that_does_not_hear_us_is_gone_and_back_when_it_does() {
        let (mut a, b) = linked();
        let heard = |acknowledged| Header {
            acknowledged,
            ..from(&b)
        };
        a.handle_sent(at(0), Sequence(1));
        assert_eq!(a.handle_header(at(20), &heard(Sequence(1))), Standing::Current);
        a.set_silence_limit(Duration::from_secs(1));
        for n in 2..60 {
            a.handle_sent(at(n * 20), Sequence(n));
            assert_eq!(a.handle_timeout(at(n * 20)), n * 20 == 1040, "{n}");
            a.handle_header(at(n * 20), &heard(Sequence(1)));
        }
        assert_eq!(a.handle_header(at(1300), &heard(Sequence(1))), Standing::Unlinked);
        a.handle_sent(at(1400), Sequence(60));
        let back = a.handle_header(at(1500), &heard(Sequence(60)));
        assert_eq!(back, Standing::Linked { is_new_peer: false });
    }

    #[test]
    fn a_peer_that_answers_nothing_is_linked_again_after_longer_and_longer_pauses() {
        let (mut a, b) = linked();
        let mut now = T;
        for pause in [4, 8, 16, 32, 64, 64] {
            a.back_off(now);
            let end = now.after(Duration::from_secs(pause));
            let before = now.after(Duration::from_secs(pause) - Duration::from_millis(1));
            assert_eq!(a.handle_header(before, &from(&b)), Standing::Unlinked);
            assert!(!a.may_acknowledge(before));
            let back = a.handle_header(end, &from(&b));
            assert_eq!(back, Standing::Linked { is_new_peer: false });
            now = end;
        }
    }

    #[test]
    fn a_peer_that_restarts_in_a_pause_is_a_new_one_when_the_pause_is_over() {
        let (mut a, _) = linked();
        a.back_off(T);
        let fresh = Header {
            echo: T.0 + 1,
            to: a.ours(),
            ..from(&Session::new(Nonce(3)))
        };
        let in_pause = T.after(FIRST_BACKOFF / 2);
        assert_eq!(a.handle_header(in_pause, &fresh), Standing::Unlinked);
        assert!(a.knows(Nonce(2)), "nothing of one is written to the other");
        let linked = a.handle_header(T.after(FIRST_BACKOFF), &fresh);
        assert_eq!(linked, Standing::Linked { is_new_peer: true });
    }

    #[test]
    fn acknowledgements_that_keep_coming_move_the_deadline_however_late_they_are() {
        let (mut a, _) = linked();
        assert_eq!(
            a.heard_of_us.deadline(Duration::from_secs(1)),
            None,
            "nothing was sent"
        );
        for n in 1..=300 {
            a.handle_sent(at(n * 10), Sequence(n));
            // A round trip of 900 ms.
            if let Some(heard) = n.checked_sub(90).filter(|heard| *heard > 0) {
                a.heard_of_us.handle_acknowledged(at(n * 10), Sequence(heard));
            }
            assert!(
                a.heard_of_us.deadline(Duration::from_secs(1)) > Some(at(n * 10)),
                "{n}"
            );
        }
    }

    #[test]
    fn everything_acknowledged_is_no_silence() {
        let (mut a, _) = linked();
        a.handle_sent(T, Sequence(1));
        a.heard_of_us.handle_acknowledged(at(1), Sequence(1));
        assert_eq!(a.heard_of_us.deadline(Duration::from_secs(1)), None);
        a.handle_sent(at(5000), Sequence(2));
        assert_eq!(a.heard_of_us.deadline(Duration::from_secs(1)), Some(at(6000)));
        a.heard_of_us.handle_acknowledged(at(5001), Sequence(3));
        assert_eq!(
            a.heard_of_us.deadline(Duration::from_secs(1)),
            Some(at(6000)),
            "3 was never sent"
        );
    }

    #[test]
    fn a_peer_that_heard_nothing_since_the_loss_is_not_back() {
        let (mut a, _) = linked();
        a.handle_sent(T, Sequence(7));
        a.end();
        a.heard_of_us.handle_acknowledged(at(1100), Sequence(7));
        assert!(!a.heard_of_us.is_back());
        a.handle_sent(at(1200), Sequence(8));
        a.heard_of_us.handle_acknowledged(at(1300), Sequence(8));
        assert!(a.heard_of_us.is_back());
    }

    #[test]
    fn silence_ends_the_link_and_a_word_brings_it_back() {
        let (mut a, b) = linked();
        assert!(!a.handle_timeout(T.after(Duration::from_millis(999))));
        assert!(a.handle_timeout(T.after(SILENCE_LIMIT)));
        assert!(!a.handle_timeout(T.after(SILENCE_LIMIT)), "told once");
        assert_eq!(
            a.handle_header(T.after(SILENCE_LIMIT), &from(&b)),
            Standing::Linked { is_new_peer: false }
        );
    }

    #[test]
    fn our_own_datagrams_are_recognised() {
        let mut a = Session::new(Nonce(1));
        let own = from(&a);
        assert_eq!(a.handle_header(T, &own), Standing::Reflected);
    }
}
