//! Sockets and services that all interfaces share, and the events of their links.

use crate::daemon::assignment::Event;
use crate::daemon::poll_tokens::Tokens;
use crate::sys::firewall_pinholes::Keeper;
use crate::sys::netlink::Route;
use mio::Registry;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) registry: Registry,
    pub(super) tokens: Tokens,
    pub(super) route: Route,
    pub(super) firewall: Keeper,
    pub(super) events: Vec<Event>,
}
