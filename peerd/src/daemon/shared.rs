//! Sockets and services that all interfaces share, and the events of their links.

use super::link::Event;
use crate::sys::holes::Keeper;
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
pub(super) struct Tokens(pub(super) usize);

impl Tokens {
    pub(super) fn next(&mut self) -> Token {
        self.0 += 1;
        Token(self.0)
    }
}
