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

/// The next datagram.
fn receive<'a>(fd: &OwnedFd, buffer: &'a mut [u8]) -> Result<&'a [u8], Errno> {
    loop {
        match recv(fd.as_raw_fd(), buffer, MsgFlags::empty()) {
            Ok(len) => return Ok(buffer.get(..len).unwrap_or_default()),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
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
            match receive(&self.0, buffer) {
                Ok(bytes) => netlink::parse(bytes, |_, message| take(message)),
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
    pub(crate) fn change(&mut self, request: Request) -> Result<(), Errno> {
        self.ask(request, |_| {})
    }

    /// Reads one interface, if it is there.
    pub(crate) fn link(&mut self, index: IfIndex) -> Option<Link> {
        let mut found = None;
        let result = self.ask(Request::one_link(index), |message| {
            if let Message::Link(link) = message {
                found = Some(link);
            }
        });
        result.ok().and(found)
    }

    /// IPv4 addresses of other interfaces, and of single hosts reached by them.
    pub(crate) fn addresses_beside(&mut self, index: IfIndex) -> Vec<IpAddr> {
        let mut found = vec![];
        for list in [
            Request::all_addresses,
            Request::all_routes,
            Request::all_neighbours,
        ] {
            // A list that cannot be read is empty.
            let _ = self.ask(list(), |message| match message {
                Message::Address {
                    index: of,
                    local,
                    partner,
                    ..
                } if of != index => found.extend([local, partner]),
                Message::HostRoute { index: of, to: ip } | Message::Neighbour { index: of, ip, .. }
                    if of != index =>
                {
                    found.push(ip);
                }
                _ => {}
            });
        }
        found.retain(IpAddr::is_ipv4);
        found
    }

    /// Performs a request; hands each answer to `take`.
    pub(crate) fn ask(&mut self, request: Request, mut take: impl FnMut(Message)) -> Result<(), Errno> {
        self.sequence = self.sequence.wrapping_add(1);
        let (sequence, mut outcome) = (self.sequence, None);
        send(self.fd.as_raw_fd(), &request.finish(sequence), MsgFlags::empty())?;
        loop {
            netlink::parse(
                receive(&self.fd, &mut self.buffer)?,
                |number, message| match message {
                    _ if number != sequence => {}
                    Message::Outcome(error) => outcome = Some(error),
                    message => take(message),
                },
            );
            match outcome {
                Some(0) => return Ok(()),
                Some(error) => return Err(Errno::from_raw(error)),
                None => {}
            }
        }
    }
}
