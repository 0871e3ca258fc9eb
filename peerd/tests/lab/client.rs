//! A client of the daemon's control socket, as a game or a tool is one.

use super::{Message, PATIENCE};
use gamelink_core::control::{self, LinkReport, LinkState, ToDaemon, Transport};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

/// Report of a game that is linked over this cable.
pub(super) fn plays_on(cable: &str) -> ToDaemon {
    ToDaemon::Report(LinkReport {
        state: LinkState::Linked,
        cable: Some(cable.into()),
        ..LinkReport::default()
    })
}

/// Assignment of a peer, as a game is told it.
#[derive(Debug)]
pub(crate) struct PeerUp {
    pub(crate) cable: String,
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) bind: String,
    pub(crate) key: Option<String>,
}

/// A client of the control socket.
pub(crate) struct Client(BufReader<UnixStream>);

impl Client {
    pub(super) fn new(stream: UnixStream) -> Client {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client(BufReader::new(stream))
    }

    /// Writes bytes that may be no message; the daemon may close before it has read all of them.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        let _ = self.0.get_mut().write_all(bytes);
    }

    pub(super) fn send(&mut self, message: &ToDaemon) -> Option<()> {
        self.0
            .get_mut()
            .write_all(&control::encode(message).unwrap())
            .ok()
    }

    /// The next message that is no news of a LAN.
    pub(super) fn receive(&mut self) -> Option<Message> {
        loop {
            match self.receive_any()? {
                Message::Lan(_) => {}
                message => return Some(message),
            }
        }
    }

    fn receive_any(&mut self) -> Option<Message> {
        let mut line = vec![];
        self.0.read_until(b'\n', &mut line).ok()?;
        control::decode(&line).ok()?
    }

    /// Says that it is linked over this cable.
    pub(crate) fn plays_on(&mut self, cable: &str) {
        self.send(&plays_on(cable)).expect("the daemon reads");
    }

    /// Says that it is linked by netplay, or is not any more.
    pub(crate) fn is_in_netplay(&mut self, is_in_netplay: bool) {
        let (state, transport) = match is_in_netplay {
            true => (LinkState::Linked, Transport::Netplay),
            false => (LinkState::Unplugged, Transport::Udp),
        };
        let report = ToDaemon::Report(LinkReport {
            state,
            transport,
            ..LinkReport::default()
        });
        self.send(&report).expect("the daemon reads");
    }

    pub(crate) fn next(&mut self) -> Message {
        self.receive().expect("a message")
    }

    /// Tells if the daemon is gone without another word.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.0.fill_buf().is_ok_and(<[u8]>::is_empty)
    }

    pub(crate) fn first(&mut self) -> Option<Message> {
        self.receive()
    }

    pub(crate) fn refused(mut self) -> String {
        match self.receive() {
            Some(Message::Refused { reason }) => reason,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn try_peer_up(&mut self) -> Option<PeerUp> {
        match self.receive()? {
            Message::PeerUp {
                cable,
                name,
                address,
                bind,
                key,
                ..
            } => Some(PeerUp {
                cable,
                name,
                address,
                bind: bind.unwrap_or_default(),
                key,
            }),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn peer_up(&mut self) -> PeerUp {
        self.try_peer_up().expect("the daemon tells of a peer")
    }

    /// The reason for which the peer is lost; it may have come by another address before.
    pub(crate) fn peer_down(&mut self) -> String {
        loop {
            match self.receive() {
                Some(Message::PeerDown { reason, .. }) => return reason,
                Some(Message::PeerUp { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}
