//! Numbers of things that are counted, typed so that two kinds cannot be mixed up, nor two machines' counts.

use std::fmt::Debug;
use std::hash::Hash;

/// A number that counts one kind of thing, from 0. There is no arithmetic but these steps, which saturate.
pub(crate) trait Number: Copy + Debug + Default + Ord + Hash {
    /// The number that is this on the wire, or at the caller.
    fn new(raw: u64) -> Self;

    /// This number for the wire, or the caller.
    fn raw(self) -> u64;

    /// The number so many after this one.
    fn after(self, count: u64) -> Self {
        Self::new(self.raw().saturating_add(count))
    }

    /// The number so many before this one, or 0.
    fn before(self, count: u64) -> Self {
        Self::new(self.raw().saturating_sub(count))
    }

    /// The number behind this one.
    fn next(self) -> Self {
        self.after(1)
    }

    /// The number before this one, if it is not the first.
    fn previous(self) -> Option<Self> {
        self.raw().checked_sub(1).map(Self::new)
    }

    /// Distance from `earlier` to this one; 0 where `earlier` is the larger.
    fn since(self, earlier: Self) -> u64 {
        self.raw().saturating_sub(earlier.raw())
    }

    /// The numbers from this one on, up to but not including `end`.
    fn until(self, end: Self) -> impl DoubleEndedIterator<Item = Self> + Clone {
        (self.raw()..end.raw()).map(Self::new)
    }
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) struct $name(u64);

        impl Number for $name {
            fn new(raw: u64) -> Self {
                $name(raw)
            }

            fn raw(self) -> u64 {
                self.0
            }
        }
    )*};
}

numbers! {
    /// A transfer that this side's game clocks.
    OwnOffer;
    /// A transfer that the peer's game clocks.
    PeerOffer;
    /// A history of this side's offers: each replacement begins one.
    OwnEpoch;
    /// A history of the peer's offers.
    PeerEpoch;
    /// A frame that this side's game has emulated.
    OwnFrame;
    /// A frame that the peer's game has emulated.
    PeerFrame;
    /// A chunk of this side's emulated time: see the rollback's `timeline`.
    OwnChunk;
    /// A chunk of the peer's emulated time.
    PeerChunk;
    /// A chunk of the emulated time of the side that does not keep the timeline, which both sides count
    /// alike.
    SharedChunk;
}
