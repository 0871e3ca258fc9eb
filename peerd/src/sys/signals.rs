//! SIGTERM, SIGINT and SIGHUP as something to poll.

use super::poll_for_input;
use mio::{Registry, Token};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::io;

/// The signals that end the daemon.
#[derive(Debug)]
pub(crate) struct Signals(SignalFd);

impl Signals {
    /// Blocks them for this process and opens the descriptor that tells of them.
    pub(crate) fn open(registry: &Registry, token: Token) -> io::Result<Signals> {
        let mut set = SigSet::empty();
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            set.add(signal);
        }
        set.thread_block()?;
        let signals = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        poll_for_input(registry, &signals, token)?;
        Ok(Signals(signals))
    }

    /// The name of one that has come.
    pub(crate) fn poll(&mut self) -> Option<&'static str> {
        let signal = self.0.read_signal().ok()??;
        Some(match i32::try_from(signal.ssi_signo).map(Signal::try_from) {
            Ok(Ok(signal)) => signal.as_str(),
            _ => "a signal",
        })
    }
}
