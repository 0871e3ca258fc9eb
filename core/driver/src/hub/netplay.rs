//! Transport of the datagrams: the UDP port of a cable, or the packets of the frontend's netplay.
//!
//! The player's last act counts. A partner who joins by netplay sets the cable aside, and another cable that
//! is plugged in sets netplay aside; when the one that is used ends, the other is used again. What is set
//! aside hears nothing and says nothing.
//!
//! A partner whom the daemon finds on a LAN is no act, nor is a cable that was lost without being unplugged
//! and is back, as when a daemon was restarted: they are set aside until netplay ends.

use super::Hub;
use crate::packets::{PacketExchange, Packets};
use crate::peer_port::{Buffer, PeerPort, Received};
use gamelink_core::bridge::Input;
use gamelink_core::control::Transport;
use gamelink_core::protocol::MAX_DATAGRAM;
use gamelink_core::time::LocalTime;

/// Datagrams of a port that has been set aside that are thrown away when it is used again: a whole receive
/// buffer of small ones.
const STALE: usize = 512;

/// Transport in use, and the one that is set aside.
pub(super) enum PeerTransport {
    /// The UDP port to the peer, where there is one.
    Udp {
        port: Option<PeerPort>,
        aside: Option<Packets>,
    },
    /// The frontend's packets; the port stays open, for nobody else to take it, and is not read.
    Netplay {
        packets: Packets,
        aside: Option<PeerPort>,
    },
}

impl Default for PeerTransport {
    fn default() -> Self {
        PeerTransport::Udp {
            port: None,
            aside: None,
        }
    }
}

impl PeerTransport {
    pub(super) fn kind(&self) -> Transport {
        match self {
            PeerTransport::Udp { .. } => Transport::Udp,
            PeerTransport::Netplay { .. } => Transport::Netplay,
        }
    }

    pub(super) fn is_netplay(&self) -> bool {
        self.kind() == Transport::Netplay
    }

    /// True if there is a way to a peer.
    pub(super) fn is_open(&self) -> bool {
        matches!(
            self,
            PeerTransport::Udp { port: Some(_), .. } | PeerTransport::Netplay { .. }
        )
    }

    /// The port that is used.
    pub(super) fn port(&mut self) -> Option<&mut PeerPort> {
        match self {
            PeerTransport::Udp { port, .. } => port.as_mut(),
            PeerTransport::Netplay { .. } => None,
        }
    }

    /// The place of the port, used or set aside.
    pub(super) fn any_port(&mut self) -> &mut Option<PeerPort> {
        match self {
            PeerTransport::Udp { port, .. } => port,
            PeerTransport::Netplay { aside, .. } => aside,
        }
    }

    /// The packets that are used.
    fn packets(&mut self) -> Option<&mut Packets> {
        match self {
            PeerTransport::Udp { .. } => None,
            PeerTransport::Netplay { packets, .. } => Some(packets),
        }
    }

    /// The packets, used or set aside: what was said last still leaves.
    fn any_packets(&mut self) -> Option<&mut Packets> {
        match self {
            PeerTransport::Udp { aside, .. } => aside.as_mut(),
            PeerTransport::Netplay { packets, .. } => Some(packets),
        }
    }

    /// Receives one datagram into `buffer`.
    pub(super) fn receive(&mut self, buffer: &mut Buffer) -> Received {
        match self {
            PeerTransport::Udp { port, .. } => port
                .as_mut()
                .map_or(Received::Nothing, |port| port.receive(buffer)),
            PeerTransport::Netplay { packets, .. } => match packets.receive(buffer) {
                Some((len, at)) => Received::Datagram(len, at, None),
                None => Received::Nothing,
            },
        }
    }

    /// Sends one datagram that bears this stamp; false where it is not taken. Where `is_lost`, there is no
    /// link, and the peer may be elsewhere by now.
    pub(super) fn send(&mut self, bytes: &[u8], stamp: LocalTime, is_lost: bool) -> bool {
        match self {
            PeerTransport::Udp { port: Some(port), .. } => {
                if is_lost {
                    port.refresh();
                }
                port.send(bytes)
            }
            PeerTransport::Udp { port: None, .. } => true,
            PeerTransport::Netplay { packets, .. } => {
                packets.send(bytes, stamp);
                true
            }
        }
    }

    /// Uses the port, and sets the packets aside.
    fn use_port(&mut self) {
        *self = match std::mem::take(self) {
            PeerTransport::Netplay { packets, aside } => PeerTransport::Udp {
                port: aside,
                aside: Some(packets),
            },
            udp @ PeerTransport::Udp { .. } => udp,
        }
    }

    /// Uses the packets that were set aside, if there are any, and sets the port aside.
    fn use_packets(&mut self) {
        *self = match std::mem::take(self) {
            PeerTransport::Udp {
                port,
                aside: Some(mut packets),
            } => {
                packets.clear();
                PeerTransport::Netplay { packets, aside: port }
            }
            other => other,
        }
    }
}

impl Hub {
    pub(crate) fn transport(&self) -> Transport {
        self.transport.kind()
    }

    /// A partner has joined by netplay.
    pub(crate) fn join_netplay(&mut self, exchange: PacketExchange) {
        self.input(Input::Unplug);
        self.set_watched(false);
        let aside = self.transport.any_port().take();
        self.transport = PeerTransport::Netplay {
            packets: Packets::new(exchange),
            aside,
        };
        self.expect_no_takeover();
        self.use_key();
        self.plug_in();
    }

    /// The partner, or netplay, is gone.
    pub(crate) fn leave_netplay(&mut self) {
        if !self.transport.is_netplay() {
            if let PeerTransport::Udp { aside, .. } = &mut self.transport {
                *aside = None;
            }
            return;
        }
        self.input(Input::Unplug);
        let mut port = self.transport.any_port().take();
        if let Some(port) = &mut port {
            discard(port);
        }
        self.transport = PeerTransport::Udp { port, aside: None };
        self.forget_lost();
        self.use_key();
        self.set_watched(true);
        self.plug_in();
    }

    /// The player has plugged in a cable, whose port is open: it is used from now on.
    pub(super) fn prefer_cable(&mut self) {
        if self.transport.is_netplay() {
            self.input(Input::Unplug);
            self.transport.use_port();
            self.use_key();
            self.set_watched(true);
        }
    }

    /// The cable is gone: netplay is used again, if it is still there.
    pub(super) fn resume_netplay(&mut self) {
        if !self.transport.is_netplay() {
            self.transport.use_packets();
            self.use_key();
            self.plug_in();
        }
    }

    pub(crate) fn handle_packet(&mut self, bytes: &[u8], now: LocalTime) {
        // What comes while netplay is set aside is of no link.
        if let Some(packets) = self.transport.packets() {
            packets.handle_packet(bytes, now);
        }
    }

    pub(crate) fn poll_packet(&mut self, buffer: &mut [u8; MAX_DATAGRAM]) -> Option<usize> {
        self.transport.any_packets()?.poll_packet(buffer)
    }

    /// The exchange with the frontend, where it is due now.
    pub(crate) fn poll_exchange(&mut self, now: LocalTime) -> Option<PacketExchange> {
        self.transport.any_packets()?.poll_exchange(now)
    }

    /// The exchange with the frontend, where a datagram waits for it.
    pub(crate) fn poll_flush(&mut self, now: LocalTime) -> Option<PacketExchange> {
        let packets = self.transport.any_packets()?;
        packets.has_outbound().then(|| packets.poll_exchange(now))?
    }

    /// True where nobody need wait for a packet: one is there, or none can come any more.
    pub(crate) fn has_packet(&mut self) -> bool {
        self.transport
            .packets()
            .is_none_or(|packets| packets.has_received())
    }
}

/// Throws away what has come while the port was set aside.
fn discard(port: &mut PeerPort) {
    let mut buffer = [0; MAX_DATAGRAM + 1];
    for _ in 0..STALE {
        if matches!(port.receive(&mut buffer), Received::Nothing) {
            return;
        }
    }
}
