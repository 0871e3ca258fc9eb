//! Order of two offers, one of each side, that crossed on their way.

/// Order of two offers whose makers had not judged each other's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bridge::exchange) enum Crossing {
    /// Made at the same instant, as far as that can be told: each is the other's answer.
    Pair,
    /// Ours was made first.
    Ours,
    /// The peer's was made first.
    Theirs,
}
