//! Detection of a peer that does not hear us: a path may lose one direction alone.
//!
//! Each datagram of the peer acknowledges the newest sequence number that it has received. While something
//! that we sent has no acknowledgement and none arrives for [`SILENCE_LIMIT`], the peer counts as gone as
//! much as one that is silent. It is back when it acknowledges what was sent after that.

use super::session::SILENCE_LIMIT;
use crate::protocol::Sequence;
use crate::time::LocalTime;

/// The peer's acknowledgements beside what was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Hearing {
    /// Newest sequence number sent to the peer, 0 for none.
    sent: Sequence,
    /// Newest one that it acknowledged.
    acknowledged: Sequence,
    /// Since when something sent has waited for its acknowledgement, and no other has arrived.
    unheard_since: Option<LocalTime>,
    /// The link ended here: it comes back once a later number is acknowledged.
    lost_at: Option<Sequence>,
}

impl Hearing {
    /// A datagram of the session leaves.
    pub(super) fn handle_sent(&mut self, now: LocalTime, sequence: Sequence) {
        self.sent = self.sent.max(sequence);
        self.unheard_since.get_or_insert(now);
    }

    /// The peer acknowledges everything up to `sequence`; one that was never sent says nothing.
    pub(super) fn handle_acknowledged(&mut self, received: LocalTime, sequence: Sequence) {
        if sequence > self.acknowledged && sequence <= self.sent {
            self.acknowledged = sequence;
            self.unheard_since = (sequence < self.sent).then_some(received);
        }
    }

    /// When the peer counts as gone unless it acknowledges something.
    pub(super) fn deadline(&self) -> Option<LocalTime> {
        self.unheard_since.map(|since| since.after(SILENCE_LIMIT))
    }

    /// The link has ended: nothing acknowledged so far brings it back.
    pub(super) fn handle_loss(&mut self) {
        self.lost_at = (self.sent > Sequence::NONE).then_some(self.sent);
        self.unheard_since = None;
    }

    /// True where the peer has heard us since the link last ended.
    pub(super) fn is_back(&self) -> bool {
        self.lost_at.is_none_or(|lost_at| self.acknowledged > lost_at)
    }

    /// The link is made.
    pub(super) fn handle_linked(&mut self) {
        self.lost_at = None;
        self.unheard_since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const T: LocalTime = LocalTime(1_000_000_000);

    fn at(ms: u64) -> LocalTime {
        T.after(Duration::from_millis(ms))
    }

    #[test]
    fn acknowledgements_that_keep_coming_move_the_deadline_however_late_they_are() {
        let mut hearing = Hearing::default();
        assert_eq!(hearing.deadline(), None, "nothing was sent");
        for n in 1..=300 {
            hearing.handle_sent(at(n * 10), Sequence(n));
            // A round trip of 900 ms.
            if let Some(heard) = n.checked_sub(90).filter(|heard| *heard > 0) {
                hearing.handle_acknowledged(at(n * 10), Sequence(heard));
            }
            assert!(hearing.deadline() > Some(at(n * 10)), "{n}");
        }
    }

    #[test]
    fn everything_acknowledged_is_no_silence() {
        let mut hearing = Hearing::default();
        hearing.handle_sent(T, Sequence(1));
        hearing.handle_acknowledged(at(1), Sequence(1));
        assert_eq!(hearing.deadline(), None);
        hearing.handle_sent(at(5000), Sequence(2));
        assert_eq!(hearing.deadline(), Some(at(6000)));
        hearing.handle_acknowledged(at(5001), Sequence(3));
        assert_eq!(hearing.deadline(), Some(at(6000)), "3 was never sent");
    }

    #[test]
    fn a_peer_that_heard_nothing_since_the_loss_is_not_back() {
        let mut hearing = Hearing::default();
        hearing.handle_sent(T, Sequence(7));
        hearing.handle_loss();
        hearing.handle_acknowledged(at(1100), Sequence(7));
        assert!(!hearing.is_back());
        hearing.handle_sent(at(1200), Sequence(8));
        hearing.handle_acknowledged(at(1300), Sequence(8));
        assert!(hearing.is_back());
    }
}
