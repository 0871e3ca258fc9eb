//! Snapshots of the core: which slots of the caller hold them, and of which frames.

use crate::sequence_numbers::{Number, OwnFrame, OwnOffer, PeerOffer};
use crate::serial::Shift;

/// Age, in frames, at which a whole snapshot is released although none has followed it: the history since it
/// has to be kept as well.
const MAX_CONFIRMED_AGE: u64 = 60;

/// A snapshot of the core between two frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Snapshot {
    /// The caller's slot.
    pub(super) slot: usize,
    /// The frame that starts from it.
    pub(super) frame: OwnFrame,
    /// Transfer in flight; the snapshot is *whole* without one.
    pub(super) in_flight: Option<Shift>,
    /// Next offer that the history makes from here.
    pub(super) made: OwnOffer,
    /// Next offer of the peer that it judges from here.
    pub(super) judged: PeerOffer,
}

/// The snapshots that are kept, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Snapshots {
    kept: Vec<Snapshot>,
    slots: usize,
}

impl Snapshots {
    pub(super) fn new(slots: usize) -> Snapshots {
        Snapshots {
            kept: Vec::with_capacity(slots),
            slots,
        }
    }

    pub(super) fn reset(&mut self) {
        self.kept.clear();
    }

    pub(super) fn oldest(&self) -> Option<Snapshot> {
        self.kept.first().copied()
    }

    /// The newest one from which this frame can be emulated that was saved with no transfer in flight.
    pub(super) fn newest_whole(&self, frame: OwnFrame) -> Option<Snapshot> {
        let is_fit = |snapshot: &&Snapshot| snapshot.in_flight.is_none() && snapshot.frame <= frame;
        self.kept.iter().rfind(is_fit).copied()
    }

    pub(super) fn newest(&self) -> Option<Snapshot> {
        self.kept.last().copied()
    }

    /// A slot for the next snapshot; evicts the snapshot whose loss costs the least replay if none is free.
    pub(super) fn free_slot(&mut self) -> Option<usize> {
        if self.kept.len() == self.slots {
            // The oldest is the only way back to what is still open. Of the others, the one whose loss leaves
            // the smallest gap.
            let (place, _) = self
                .kept
                .windows(3)
                .map(|three| three[2].frame.since(three[0].frame))
                .enumerate()
                .min_by_key(|(_, gap)| *gap)?;
            return Some(self.kept.remove(place + 1).slot);
        }
        (0..self.slots).find(|slot| self.kept.iter().all(|snapshot| snapshot.slot != *slot))
    }

    /// Notes that the slot that [`free_slot`](Self::free_slot) named holds this snapshot now.
    pub(super) fn keep(&mut self, snapshot: Snapshot) {
        self.kept.push(snapshot);
    }

    /// The newest snapshot from which this frame can be emulated again; newer ones are given up.
    pub(super) fn go_back(&mut self, frame: OwnFrame) -> Option<Snapshot> {
        let place = self.position(frame)?;
        self.kept.truncate(place + 1);
        self.newest()
    }

    /// Gives up all snapshots but the newest one from which this frame can be emulated, and those after it;
    /// and, unless it is too old, the newest whole one before them, which the player may be given.
    pub(super) fn release(&mut self, frame: OwnFrame) {
        let Some(newest) = self.position(frame) else {
            return;
        };
        let may_be_given = |snapshot: &Snapshot| {
            snapshot.in_flight.is_none() && frame.since(snapshot.frame) <= MAX_CONFIRMED_AGE
        };
        let whole = self.kept.iter().take(newest + 1).rposition(may_be_given);
        self.kept.drain(..whole.unwrap_or(newest));
    }

    /// Place of the newest snapshot from which this frame can be emulated.
    fn position(&self, frame: OwnFrame) -> Option<usize> {
        self.kept.iter().rposition(|snapshot| snapshot.frame <= frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serial::Speed;

    fn save(snapshots: &mut Snapshots, frame: u64) {
        let slot = snapshots.free_slot().unwrap();
        snapshots.keep(Snapshot {
            slot,
            frame: OwnFrame::new(frame),
            in_flight: None,
            made: OwnOffer::default(),
            judged: PeerOffer::default(),
        });
    }

    #[test]
    fn the_oldest_state_is_kept_however_few_buffers_there_are() {
        let mut snapshots = Snapshots::new(4);
        for frame in 0..100 {
            save(&mut snapshots, frame);
        }
        assert_eq!(snapshots.oldest().unwrap().frame.raw(), 0);
        assert_eq!(snapshots.go_back(OwnFrame::new(99)).unwrap().frame.raw(), 99);
        assert!(snapshots.go_back(OwnFrame::new(98)).unwrap().frame.raw() < 99);
    }

    #[test]
    fn a_whole_state_is_kept_for_the_player_until_it_is_too_old() {
        let mut snapshots = Snapshots::new(48);
        let (byte, speed) = (0, Speed::Normal);
        let shift = Shift { byte, speed };
        for frame in 0..20 {
            let slot = snapshots.free_slot().unwrap();
            snapshots.keep(Snapshot {
                slot,
                frame: OwnFrame::new(frame),
                in_flight: (frame != 5).then_some(shift),
                made: OwnOffer::default(),
                judged: PeerOffer::default(),
            });
        }
        snapshots.release(OwnFrame::new(15));
        assert_eq!(snapshots.oldest().unwrap().frame.raw(), 5);
        assert_eq!(snapshots.newest_whole(OwnFrame::new(19)).unwrap().frame.raw(), 5);
        snapshots.release(OwnFrame::new(5 + MAX_CONFIRMED_AGE + 1));
        assert_eq!(
            (
                snapshots.oldest().unwrap().frame.raw(),
                snapshots.newest_whole(OwnFrame::new(19))
            ),
            (19, None)
        );
    }

    #[test]
    fn the_newest_state_at_or_before_a_frame_is_gone_back_to() {
        let mut snapshots = Snapshots::new(8);
        for frame in [3, 7, 9] {
            save(&mut snapshots, frame);
        }
        assert_eq!(snapshots.go_back(OwnFrame::new(2)), None);
        assert_eq!(snapshots.go_back(OwnFrame::new(8)).unwrap().frame.raw(), 7);
        assert_eq!(
            snapshots.go_back(OwnFrame::new(9)).unwrap().frame.raw(),
            7,
            "what came after is void"
        );
        save(&mut snapshots, 12);
        snapshots.release(OwnFrame::new(11));
        assert_eq!(snapshots.oldest().unwrap().frame.raw(), 7);
        snapshots.release(OwnFrame::new(12));
        assert_eq!(snapshots.oldest().unwrap().frame.raw(), 12);
    }
}
