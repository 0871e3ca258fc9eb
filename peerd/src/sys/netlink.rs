//! Netlink route sockets: one for events, one for requests.

use super::poll_for_input;
use crate::identity::IfIndex;
use crate::wire::netlink::{self, Link, Message, Request};
use mio::{Registry, Token};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, setsockopt,
    socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};

fn open(groups: u32, flags: SockFlag) -> Result<OwnedFd, Errno> {
    let flags = flags | SockFlag::SOCK_CLOEXEC;
    let fd = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        flags,
        SockProtocol::NetlinkRoute,
    )?;
    bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
    Ok(fd)
}

/// Events about links and addresses.
#[derive(Debug)]
pub(crate) struct Monitor(OwnedFd);

impl Monitor {
    pub(crate) fn open(registry: &Registry, token: Token) -> io::Result<Monitor> {
        let groups = libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR;
        let socket = open(groups.cast_unsigned(), SockFlag::SOCK_NONBLOCK)?;
        poll_for_input(registry, &socket, token)?;
        Ok(Monitor(socket))
    }

    /// Hands each message to `take`.
    ///
    /// # Errors
    /// `ENOBUFS` when the kernel dropped messages: all must be read again.
    pub(crate) fn receive(&self, buffer: &mut [u8], mut take: impl FnMut(Message)) -> Result<(), Errno> {
        let mut result = Ok(());
        loop {
            match recv(self.0.as_raw_fd(), buffer, MsgFlags::empty()) {
                Ok(len) => netlink::parse(buffer.get(..len).unwrap_or_default(), |_, message| take(message)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return result,
                // The rest is read all the same: until the socket is empty the kernel drops further messages,
                // and does not repeat the error.
                Err(Errno::ENOBUFS) => result = Err(Errno::ENOBUFS),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Requests to the kernel, answered before they return.
#[derive(Debug)]
pub(crate) struct Route {
    fd: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Route {
    pub(crate) fn open() -> io::Result<Route> {
        let fd = open(0, SockFlag::empty())?;
        // The kernel answers within the call; the timeout only guards against a fault.
        setsockopt(&fd, sockopt::ReceiveTimeout, &TimeVal::seconds(2))?;
        Ok(Route {
            fd,
            sequence: 0,
            buffer: vec![0; 32 * 1024],
        })
    }

    /// Performs a request.
    ///
    /// # Errors
    /// The kernel's error.
    pub(crate) fn change(&mut self, request: Request) -> Result<(), Errno> {
        self.ask(request, |_| {})
    }

    /// Reads one interface, if it is there.
    pub(crate) fn link(&mut self, index: IfIndex) -> Option<Link> {
        let mut found = None;
        self.ask(Request::one_link(index), |message| {
            if let Message::Link(link) = message {
                found = Some(link);
            }
        })
        .ok()?;
        found
    }

    /// IPv4 addresses of other interfaces, and of single hosts reached by them.
    pub(crate) fn addresses_beside(&mut self, index: IfIndex) -> Vec<IpAddr> {
        let mut found = vec![];
        let requests = [
            Request::all_addresses(),
            Request::all_routes(),
            Request::all_neighbours(),
        ];
        for request in requests {
            // A list that cannot be read is empty.
            let _ = self.ask(request, |message| match message {
                Message::Address {
                    index: of,
                    local,
                    partner,
                    ..
                } if of != index => found.extend([local, partner]),
                Message::HostRoute { index: of, to } if of != index => found.push(to),
                Message::Neighbour { index: of, ip, .. } if of != index => found.push(ip),
                _ => {}
            });
        }
        found.retain(IpAddr::is_ipv4);
        found
    }

    /// Performs a request; hands each answer to `take`.
    pub(crate) fn ask(&mut self, request: Request, mut take: impl FnMut(Message)) -> Result<(), Errno> {
        self.sequence = self.sequence.wrapping_add(1);
        let (sequence, bytes) = (self.sequence, request.finish(self.sequence));
        send(self.fd.as_raw_fd(), &bytes, MsgFlags::empty())?;
        let mut outcome = None;
        while outcome.is_none() {
            let len = match recv(self.fd.as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
                Ok(len) => len,
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(error),
            };
            let (mut is_list, mut is_one) = (false, false);
            let bytes = self.buffer.get(..len).unwrap_or_default();
            netlink::parse(bytes, |number, message| {
                if number != sequence {
                    return;
                }
                match message {
                    Message::Outcome(0) | Message::Done => outcome = Some(Ok(())),
                    Message::Outcome(error) => outcome = Some(Err(Errno::from_raw(error))),
                    message => {
                        is_list |= is_multi(bytes);
                        is_one = true;
                        take(message);
                    }
                }
            });
            // A request for one object is answered by that alone, without an end mark.
            if is_one && !is_list && outcome.is_none() {
                return Ok(());
            }
        }
        outcome.unwrap_or(Ok(()))
    }
}

/// True if the first message is part of a list (`NLM_F_MULTI`).
fn is_multi(bytes: &[u8]) -> bool {
    bytes
        .get(6..8)
        .and_then(|flags| flags.first_chunk())
        .is_some_and(|flags| u16::from_ne_bytes(*flags) & libc::NLM_F_MULTI as u16 != 0)
}
