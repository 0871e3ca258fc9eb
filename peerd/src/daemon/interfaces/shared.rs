//! Sockets and services that all interfaces share, and the events of their links.

use crate::daemon::assignment::Event;
use crate::sys::firewall_pinholes::Keeper;
use crate::sys::netlink::Route;
use mio::{Registry, Token};

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) registry: Registry,
    pub(super) tokens: Tokens,
    pub(super) route: Route,
    pub(super) firewall: Keeper,
    pub(super) events: Vec<Event>,
}

/// A supply of tokens for polled sockets, above the fixed ones.
#[derive(Debug)]
pub(in crate::daemon) struct Tokens(pub(in crate::daemon) usize);

impl Tokens {
    pub(in crate::daemon) fn next(&mut self) -> Token {
        self.0 += 1;
        Token(self.0)
    }
}
