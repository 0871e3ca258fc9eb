//! Timers of a bridge.

/// Timers of a bridge; each is computed from the part that it belongs to, so none can be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// The peer has been silent, or deaf, for too long.
    Silence,
    /// The game's wait is over.
    Wait,
    /// The open offer is repeated.
    Retransmit,
    /// The emulation counts as paused.
    Pause,
    /// The peer should hear that this side is there.
    Heartbeat,
}

/// All timers, in the order in which they act.
pub(super) const TIMERS: [Timer; 5] = [
    Timer::Silence,
    Timer::Wait,
    Timer::Retransmit,
    Timer::Pause,
    Timer::Heartbeat,
];
