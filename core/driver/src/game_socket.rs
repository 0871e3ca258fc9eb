//! The loopback TCP port that the stock core connects to as a "Network Client".

use super::deferred_log::DeferredLog;
use super::thread;
use gamelink_core::serial::{Decoder, GameMessage};
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry};
use nix::sys::socket::{SockaddrIn, getpeername, getsockname};
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// Connections looked at in one go: the core makes one, and a stranger's flood must not keep the lock.
const ACCEPT_BATCH: usize = 4;

/// The listener and, once the core has connected, its stream.
pub(super) struct GameSocket {
    listener: TcpListener,
    address: SocketAddrV4,
    stream: Option<TcpStream>,
    has_been_connected: bool,
    has_refused: bool,
    decoder: Decoder,
}

impl GameSocket {
    /// Listens on 127.0.0.1 and a free port; the helper thread is woken for it.
    pub(super) fn open(registry: &Registry) -> io::Result<GameSocket> {
        let mut listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into())?;
        registry.register(&mut listener, thread::LISTENER, Interest::READABLE)?;
        let SocketAddr::V4(address) = listener.local_addr()? else {
            return Err(io::Error::other("the listener has no IPv4 address"));
        };
        Ok(GameSocket {
            listener,
            address,
            stream: None,
            has_been_connected: false,
            has_refused: false,
            decoder: Decoder::default(),
        })
    }

    pub(super) fn address(&self) -> SocketAddrV4 {
        self.address
    }

    /// Takes the newest connection of this process, if there is one; true if it replaced another.
    ///
    /// Any program of this machine may connect: only a few are looked at in one go.
    pub(super) fn accept(&mut self, registry: &Registry, log: &mut DeferredLog) -> bool {
        let mut has_replaced = false;
        for _ in 0..ACCEPT_BATCH {
            let (mut stream, from) = match self.listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return has_replaced,
            };
            if !is_of_this_process(from, self.address) {
                if !std::mem::replace(&mut self.has_refused, true) {
                    log.warn(format_args!(
                        "refused connections of other programs to the game port from={from}"
                    ));
                }
                continue;
            }
            // Two bytes must leave at once: the game waits for them.
            let set_up = stream
                .set_nodelay(true)
                .and_then(|()| registry.register(&mut stream, thread::GAME, Interest::READABLE));
            if let Err(error) = set_up {
                log.warn(format_args!("game connection refused error={error}"));
                continue;
            }
            // The old one may have been seen to end already.
            has_replaced |= std::mem::replace(&mut self.has_been_connected, true);
            self.stream = Some(stream);
            self.decoder = Decoder::default();
        }
        // More may be waiting, and an edge-triggered poll would not say so again.
        if let Err(error) = registry.reregister(&mut self.listener, thread::LISTENER, Interest::READABLE) {
            log.warn(format_args!("game port not polled again error={error}"));
        }
        has_replaced
    }

    /// The next message of the core; `None` when there is nothing more now.
    pub(super) fn receive(&mut self) -> Option<GameMessage> {
        loop {
            let mut bytes = [0; 2];
            let len = match self.stream.as_mut()?.read(&mut bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Ok(0) | Err(_) => {
                    self.stream = None;
                    return None;
                }
                Ok(len) => len,
            };
            let bytes = bytes.iter().take(len);
            // Two bytes hold the end of at most one message.
            let message = bytes.filter_map(|&byte| self.decoder.handle_byte(byte)).last();
            if message.is_some() {
                return message;
            }
        }
    }

    /// Writes one message in one piece. The core reads each before the next is written, so there is always
    /// room.
    pub(super) fn send(&mut self, message: GameMessage, log: &mut DeferredLog) {
        let Some(stream) = &mut self.stream else { return };
        let bytes = message.encode();
        match stream.write(&bytes) {
            Ok(len) if len == bytes.len() => {}
            result => {
                // Half a message would shift every later one: better no connection, which the core opens
                // anew.
                log.warn(format_args!("game connection dropped result={result:?}"));
                self.stream = None;
            }
        }
    }
}

/// True if the connection from `from` to our `listener` was made by this process: any user may connect to
/// 127.0.0.1.
///
/// The other end is then one of our own descriptors.
fn is_of_this_process(from: SocketAddr, listener: SocketAddrV4) -> bool {
    let SocketAddr::V4(from) = from else { return false };
    let (from, listener) = (SockaddrIn::from(from), SockaddrIn::from(listener));
    let Ok(descriptors) = fs::read_dir("/proc/self/fd") else {
        return false;
    };
    descriptors
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .any(|fd| {
            getsockname::<SockaddrIn>(fd).is_ok_and(|local| local == from)
                && getpeername::<SockaddrIn>(fd).is_ok_and(|remote| remote == listener)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_of_this_process_is_known_as_such() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let SocketAddr::V4(address) = listener.local_addr().unwrap() else {
            panic!()
        };
        let stream = std::net::TcpStream::connect(address).unwrap();
        assert!(is_of_this_process(stream.local_addr().unwrap(), address));
        assert!(!is_of_this_process("127.0.0.1:1".parse().unwrap(), address));
    }
}
