//! Pure state machines: inputs in, outputs out. No system call, clock or hidden randomness.

pub(crate) mod address;
pub(crate) mod cable;
pub(crate) mod carrier;
pub(crate) mod diagnostic;
pub(crate) mod discovery;
pub(crate) mod health;
pub(crate) mod loss;
pub(crate) mod mac;
mod roster;

#[cfg(test)]
mod tests;
