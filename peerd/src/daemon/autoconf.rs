//! What the kernel does on a cable by itself, switched off while the cable is served.

use crate::sys::netlink::Route;
use crate::sys::sysctl;
use crate::wire::netlink::{AddrGenMode, Link, Request};

/// How it was before.
#[derive(Debug, Default)]
pub(super) struct Autoconf {
    gen_mode: Option<AddrGenMode>,
    /// What the kernel let neighbours decide.
    trust: Vec<sysctl::Changed>,
}

impl Autoconf {
    /// Keeps the kernel from making addresses of the MAC, and from letting the other end decide where packets go.
    pub(super) fn disable(&mut self, link: &Link, route: &mut Route) {
        if self.trust.is_empty() {
            self.trust = sysctl::distrust(link.name.as_str());
        }
        let mode = link.addr_gen_mode.filter(|&mode| mode != AddrGenMode::NONE);
        if self.gen_mode.is_none()
            && mode.is_some()
            && route
                .change(Request::set_addr_gen_mode(link.index, AddrGenMode::NONE))
                .is_ok()
        {
            self.gen_mode = mode;
        }
    }

    /// Lets it do as before.
    pub(super) fn restore(&mut self, link: &Link, route: &mut Route) {
        sysctl::restore(link.name.as_str(), std::mem::take(&mut self.trust));
        if let Some(mode) = self.gen_mode.take() {
            let _ = route.change(Request::set_addr_gen_mode(link.index, mode));
        }
    }
}
