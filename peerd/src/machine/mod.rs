//! The sans-IO state machines of a cable and of a LAN: `handle_*` takes an event with its time, `poll_output`
//! gives what is to be done, and `poll_timeout` says when `handle_timeout` or `poll` is due. No system call,
//! clock or hidden randomness: [`crate::daemon`] drives them, and their tests do so in virtual time.

pub(crate) mod address_plan;
pub(crate) mod cable;
pub(crate) mod carrier;
pub(crate) mod custody;
pub(crate) mod diagnostic;
pub(crate) mod heartbeat;
pub(crate) mod lan;
pub(crate) mod mac_repair;
pub(crate) mod peer_loss;
pub(crate) mod trust;

#[cfg(test)]
mod tests;
