//! Who the two sides are: the handshake, silence, and a restart of either.
//!
//! Each side draws 64 random bits. A datagram that carries both numbers is of this session; one that carries a new
//! number of the peer and our own is from a peer that restarted and has heard us since, so it cannot be an old packet.
//! Numbers that were replaced are remembered for a while, so that a delayed datagram cannot bring them back.

use crate::protocol::Header;
use crate::time::LocalTime;
use std::time::Duration;

/// Silence after which the peer counts as gone. Ten heartbeats: at 20 % loss all are lost once in 10^7.
pub const SILENCE_LIMIT: Duration = Duration::from_secs(1);

/// How many replaced numbers of the peer are remembered.
const RETIRED: usize = 8;

/// One side's view of the session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Session {
    ours: u64,
    theirs: Option<u64>,
    /// The peer's number from a hello that has not proved yet that it is fresh.
    candidate: Option<u64>,
    retired: [u64; RETIRED],
    /// When the peer's number was accepted.
    accepted: LocalTime,
    last_heard: LocalTime,
    is_linked: bool,
}

/// What a datagram means for the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Of this session: use it.
    Current,
    /// Of this session, which begins or comes back with it: use it.
    Linked {
        /// Whether the peer is another one than before, whose count of transfers begins anew.
        is_new_peer: bool,
    },
    /// The peer looks for us: answer, and use nothing else of it.
    Hello,
    /// Of a session that is over, or never was.
    Foreign,
    /// Our own datagram came back.
    Reflected,
}

impl Session {
    /// A session that has heard of nobody; `nonce` is random and not 0.
    #[must_use]
    pub fn new(nonce: u64) -> Session {
        Session {
            ours: nonce.max(1),
            theirs: None,
            candidate: None,
            retired: [0; RETIRED],
            accepted: LocalTime::default(),
            last_heard: LocalTime::default(),
            is_linked: false,
        }
    }

    /// This side's number.
    #[must_use]
    pub fn ours(&self) -> u64 {
        self.ours
    }

    /// The number that our datagrams address: the newest that may be the peer's; 0 for none.
    #[must_use]
    pub fn addressee(&self) -> u64 {
        self.candidate.or(self.theirs).unwrap_or(0)
    }

    /// Whether `number` is that of the peer which has proved to be there.
    #[must_use]
    pub fn knows(&self, number: u64) -> bool {
        self.theirs == Some(number)
    }

    /// Whether bytes can flow.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        self.is_linked
    }

    /// When silence will have lasted too long, while linked.
    #[must_use]
    pub fn silence_deadline(&self) -> Option<LocalTime> {
        self.is_linked.then(|| self.last_heard.after(SILENCE_LIMIT))
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
            // The living peer may say it as well, when a late hello of a dead one of ours misled it.
            self.candidate = Some(header.from).filter(|_| self.theirs != Some(header.from));
            return Standing::Hello;
        }
        let is_new_peer = self.theirs != Some(header.from);
        if is_new_peer && self.theirs.is_some() && header.echo <= self.accepted.0 {
            // It has heard nothing of us since we accepted the other number: it may be a datagram of one that is long
            // dead. One that lives hears our answer and shows its stamp.
            self.candidate = Some(header.from);
            return Standing::Hello;
        }
        if is_new_peer {
            self.accepted = now;
        }
        if is_new_peer && let Some(before) = self.theirs.replace(header.from) {
            self.retire(before);
        }
        self.candidate = None;
        // Stamps come from the wall clock, which may be set back.
        self.last_heard = self.last_heard.max(now);
        if is_new_peer || !self.is_linked {
            self.is_linked = true;
            return Standing::Linked { is_new_peer };
        }
        Standing::Current
    }

    /// Ends the link if the silence has lasted too long; true when it just did.
    pub fn handle_timeout(&mut self, now: LocalTime) -> bool {
        let is_over = self.silence_deadline().is_some_and(|deadline| now >= deadline);
        if is_over {
            self.is_linked = false;
        }
        is_over
    }

    /// The peer said goodbye, or we do: what is still under way of it is of a session that is over. True if it was linked.
    pub fn handle_goodbye(&mut self) -> bool {
        if let Some(theirs) = self.theirs.take() {
            self.retire(theirs);
        }
        std::mem::replace(&mut self.is_linked, false)
    }

    fn retire(&mut self, number: u64) {
        self.retired.rotate_right(1);
        self.retired[0] = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: LocalTime = LocalTime(1_000_000_000);

    fn from(session: &Session) -> Header {
        Header {
            from: session.ours(),
            to: session.addressee(),
            sequence: 1,
            ..Header::default()
        }
    }

    #[test]
    fn two_datagrams_link_one_side_and_three_link_both() {
        let (mut a, mut b) = (Session::new(1), Session::new(2));
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
        let (mut a, mut b) = (Session::new(1), Session::new(2));
        b.handle_header(T, &from(&a));
        a.handle_header(T, &from(&b));
        b.handle_header(T, &from(&a));
        (a, b)
    }

    #[test]
    fn a_restarted_peer_takes_over_and_its_old_datagrams_do_not_bring_it_back() {
        let (mut a, b) = linked();
        let old = from(&b);
        let mut b = Session::new(3);
        assert_eq!(a.handle_header(T, &from(&b)), Standing::Hello);
        assert!(a.is_linked(), "a hello alone does not disturb a live session");
        assert_eq!(a.handle_header(T, &old), Standing::Current);
        let hello = from(&a);
        assert_eq!(hello.to, 2, "the live peer spoke last");
        a.handle_header(T, &from(&b));
        assert_eq!(
            b.handle_header(T, &from(&a)),
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
        let mut a = Session::new(1);
        let (mut dead, mut b) = (Session::new(2), Session::new(3));
        // The first peer heard our hello, answered and died; its answer is still under way.
        dead.handle_header(T, &from(&a));
        let late = Header {
            echo: T.0 - 1,
            ..from(&dead)
        };
        b.handle_header(T, &from(&a));
        a.handle_header(T, &from(&b));
        assert!(a.knows(3));
        assert_eq!(a.handle_header(T, &late), Standing::Hello);
        assert!(a.knows(3));
        assert_eq!(a.handle_header(T, &from(&b)), Standing::Current);
    }

    #[test]
    fn late_hellos_on_both_sides_at_once_mislead_nobody_for_long() {
        let (mut a, mut b) = linked();
        for side in [&mut a, &mut b] {
            side.handle_header(T, &from(&Session::new(9)));
            assert_eq!(side.addressee(), 9);
        }
        a.handle_header(T, &from(&b));
        assert_eq!(b.handle_header(T, &from(&a)), Standing::Current);
        assert_eq!(a.handle_header(T, &from(&b)), Standing::Current);
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
        let mut a = Session::new(1);
        let own = from(&a);
        assert_eq!(a.handle_header(T, &own), Standing::Reflected);
    }
}
