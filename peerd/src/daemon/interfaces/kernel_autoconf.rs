//! IPv6 autoconfiguration by the kernel, switched off on a cable while it is served.

use crate::sys::netlink::Route;
use crate::sys::sysctl;
use crate::wire::netlink::{AddrGenMode, Link, Request};

/// The former settings of one interface.
#[derive(Debug, Default)]
pub(super) struct Autoconf {
    gen_mode: Option<AddrGenMode>,
    /// Sysctls that let neighbours configure this machine.
    trust: Vec<sysctl::Changed>,
}

impl Autoconf {
    /// Stops the kernel from deriving addresses from the MAC, and from accepting routes of the other end.
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

    pub(super) fn restore(&mut self, link: &Link, route: &mut Route) {
        sysctl::restore(link.name.as_str(), std::mem::take(&mut self.trust));
        if let Some(mode) = self.gen_mode.take() {
            let _ = route.change(Request::set_addr_gen_mode(link.index, mode));
        }
    }
}
