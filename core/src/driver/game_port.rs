//! The loopback TCP port that the stock core connects to as a "Network Client".

use crate::serial::{Decoder, GameMessage};
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

/// The listener and, once the core has connected, its stream.
pub(super) struct GamePort {
    listener: TcpListener,
    address: SocketAddrV4,
    stream: Option<TcpStream>,
    has_been_connected: bool,
    decoder: Decoder,
}

impl GamePort {
    /// Listens on 127.0.0.1 and a free port.
    pub(super) fn open() -> io::Result<GamePort> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let SocketAddr::V4(address) = listener.local_addr()? else {
            return Err(io::Error::other("the listener has no IPv4 address"));
        };
        Ok(GamePort {
            listener,
            address,
            stream: None,
            has_been_connected: false,
            decoder: Decoder::default(),
        })
    }

    pub(super) fn address(&self) -> SocketAddrV4 {
        self.address
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.listener, token, Interest::READABLE)
    }

    /// Takes the newest connection of this process, if there is one; true if it replaced another.
    pub(super) fn accept(&mut self, registry: &Registry, token: Token) -> bool {
        let mut has_replaced = false;
        loop {
            let (mut stream, from) = match self.listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return has_replaced,
            };
            if !is_of_this_process(from, self.address) {
                log::warn!(
                    "refused a connection to the game port that is not this process's own from={from}"
                );
                continue;
            }
            // Two bytes must leave at once: the game waits for them.
            let set_up = stream
                .set_nodelay(true)
                .and_then(|()| registry.register(&mut stream, token, Interest::READABLE));
            if let Err(error) = set_up {
                log::warn!("game connection refused error={error}");
                continue;
            }
            // The old one may have been seen to end already.
            has_replaced |= std::mem::replace(&mut self.has_been_connected, true);
            self.stream = Some(stream);
            self.decoder = Decoder::default();
        }
    }

    /// The next message of the core; `None` when there is nothing more now.
    pub(super) fn receive(&mut self) -> Option<GameMessage> {
        loop {
            let mut bytes = [0; 2];
            match self.stream.as_mut()?.read(&mut bytes) {
                Ok(0) => {
                    self.stream = None;
                    return None;
                }
                Ok(len) => {
                    let messages = bytes
                        .iter()
                        .take(len)
                        .filter_map(|&byte| self.decoder.handle_byte(byte));
                    // Two bytes hold the end of at most one message.
                    if let Some(message) = messages.last() {
                        return Some(message);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(_) => {
                    self.stream = None;
                    return None;
                }
            }
        }
    }

    /// Writes one message in one piece. The core reads each before the next is written, so there is always room.
    pub(super) fn send(&mut self, message: GameMessage) {
        let Some(stream) = &mut self.stream else { return };
        let bytes = message.encode();
        match stream.write(&bytes) {
            Ok(len) if len == bytes.len() => {}
            result => {
                // Half a message would shift every later one: better no connection, which the core opens anew.
                log::warn!("game connection dropped result={result:?}");
                self.stream = None;
            }
        }
    }
}

/// Whether the connection from `from` to our `listener` was made by this process: any user may connect to 127.0.0.1.
fn is_of_this_process(from: SocketAddr, listener: SocketAddrV4) -> bool {
    let IpAddr::V4(ip) = from.ip() else { return false };
    let from = SocketAddrV4::new(ip, from.port());
    inode_of(from, listener).is_some_and(|inode| holds_socket(&inode))
}

/// The inode of the socket with this local and remote address (`/proc/net/tcp`, proc(5)).
fn inode_of(local: SocketAddrV4, remote: SocketAddrV4) -> Option<String> {
    // The kernel prints the address as one native-endian number.
    let field = |address: SocketAddrV4| {
        format!(
            "{:08X}:{:04X}",
            u32::from_ne_bytes(address.ip().octets()),
            address.port()
        )
    };
    let (local, remote) = (field(local), field(remote));
    let table = fs::File::open("/proc/thread-self/net/tcp")
        .or_else(|_| fs::File::open("/proc/net/tcp"))
        .ok()?;
    BufReader::new(table)
        .lines()
        .map_while(Result::ok)
        .find_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let is_it = fields.nth(1) == Some(&local) && fields.next() == Some(&remote);
            is_it.then(|| fields.nth(6).map(str::to_owned)).flatten()
        })
}

/// Whether one of this process's descriptors is the socket with this inode.
fn holds_socket(inode: &str) -> bool {
    let wanted = format!("socket:[{inode}]");
    let Ok(descriptors) = fs::read_dir("/proc/self/fd") else {
        return false;
    };
    descriptors
        .flatten()
        .any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target.as_os_str() == wanted.as_str()))
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
