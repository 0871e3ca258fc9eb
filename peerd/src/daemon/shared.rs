//! Sockets and services that all interfaces share.

use super::link::Event;
use super::tokens::Tokens;
use crate::sys::holes::Keeper;
use crate::sys::netlink::Route;
use mio::Registry;

/// Sockets and services that all interfaces share, and the events of their links.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) registry: Registry,
    pub(super) tokens: Tokens,
    pub(super) route: Route,
    pub(super) firewall: Keeper,
    pub(super) events: Vec<Event>,
}
