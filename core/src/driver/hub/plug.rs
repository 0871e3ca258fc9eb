//! The plug: which peer the cable leads to, and which of the two threads listens to it.

use super::Hub;
use crate::bridge::Input;
use crate::driver::address::{BindAddress, PeerAddress};
use crate::driver::peer_port::{Buffer, PeerPort, Received};
use crate::driver::{StartError, thread, time};
use crate::protocol::MAX_DATAGRAM;
use crate::time::LocalTime;
use log::Level;
use mio::Interest;
use mio::net::UdpSocket;
use mio::unix::SourceFd;
use std::sync::Arc;

/// Datagrams read in one go: a whole receive buffer of small ones, so that silence is judged on what has arrived, and no
/// more, so that a flood cannot keep the lock.
const BATCH: u64 = 512;

impl Hub {
    pub(in crate::driver) fn set_peer(
        &mut self,
        peer: Option<PeerAddress>,
        bind: Option<BindAddress>,
    ) -> Result<(), StartError> {
        self.input(Input::Unplug);
        self.close_peer();
        let Some(peer) = peer else { return Ok(()) };
        self.open_peer(peer, bind)?;
        self.plug();
        Ok(())
    }

    pub(super) fn open_peer(
        &mut self,
        peer: PeerAddress,
        bind: Option<BindAddress>,
    ) -> Result<(), StartError> {
        // The old one first: both may want the same port.
        self.close_peer();
        let open = |(address, error)| StartError::PeerPort(address, error);
        let port = PeerPort::open(peer, bind).map_err(open)?;
        self.registry
            .register(
                &mut SourceFd(&port.descriptor()),
                thread::PEER,
                Interest::READABLE,
            )
            .map_err(StartError::Thread)?;
        self.is_watched = true;
        self.peer = Some(port);
        Ok(())
    }

    pub(super) fn close_peer(&mut self) {
        if let Some(peer) = self.peer.take()
            && std::mem::take(&mut self.is_watched)
        {
            // Another thread may hold the socket a little longer: closing alone would not end the watch. It cannot fail.
            let _ = self.registry.deregister(&mut SourceFd(&peer.descriptor()));
        }
    }

    /// The peer is at another address from now on; the session goes on, unless somebody else answers there.
    pub(super) fn move_peer(
        &mut self,
        peer: PeerAddress,
        bind: Option<BindAddress>,
    ) -> Result<(), StartError> {
        self.service_peer();
        let result = self.open_peer(peer, bind);
        if result.is_err() {
            self.input(Input::Unplug);
        }
        result
    }

    pub(in crate::driver) fn set_enabled(&mut self, is_enabled: bool) {
        if std::mem::replace(&mut self.is_enabled, is_enabled) == is_enabled {
            return;
        }
        if is_enabled {
            self.plug();
        } else {
            self.input(Input::Unplug);
        }
    }

    pub(super) fn plug(&mut self) {
        if self.peer.is_some() && self.is_enabled {
            self.input(Input::Plug {
                nonce: rand::random::<u64>().max(1),
            });
        }
    }

    pub(in crate::driver) fn peer_socket(&self) -> Option<Arc<UdpSocket>> {
        self.peer.as_ref().map(PeerPort::socket)
    }

    /// The emulation thread serves the peer from now on, and the helper thread is not woken for it.
    pub(in crate::driver) fn attend(&mut self, now: LocalTime) {
        self.direct.attended = Some(now);
        if let Some(peer) = &self.peer
            && std::mem::take(&mut self.is_watched)
            && let Err(error) = self.registry.deregister(&mut SourceFd(&peer.descriptor()))
        {
            self.journal
                .note(Level::Warn, || format!("peer socket still polled error={error}"));
        }
    }

    /// The helper thread serves the peer again.
    pub(super) fn watch(&mut self) {
        self.direct.attended = None;
        if self.is_watched {
            return;
        }
        let Some(peer) = &self.peer else { return };
        let descriptor = peer.descriptor();
        let result = self
            .registry
            .register(&mut SourceFd(&descriptor), thread::PEER, Interest::READABLE);
        match result {
            Ok(()) => self.is_watched = true,
            Err(error) => self
                .journal
                .note(Level::Warn, || format!("peer socket not polled error={error}")),
        }
    }

    pub(in crate::driver) fn service_peer(&mut self) {
        let used = self.bridge.stats().counters.received;
        let (read, has_more) = self.read_peer();
        let useless = read.saturating_sub(self.bridge.stats().counters.received - used);
        if let Some(peer) = self.peer.as_mut().filter(|peer| useless > 0 || peer.is_guarded()) {
            peer.handle_look(time::now(), useless, self.bridge.session_numbers());
        }
        // More may be waiting, and an edge-triggered poll would not say so again.
        if has_more && self.is_watched {
            thread::poll_again(self.peer.as_ref(), &self.registry);
        }
    }

    /// Takes what has arrived, up to a batch: how many datagrams, and whether there may be more.
    fn read_peer(&mut self) -> (u64, bool) {
        let mut buffer: Buffer = [0; MAX_DATAGRAM + 1];
        for read in 0..BATCH {
            let Some(peer) = &mut self.peer else {
                return (read, false);
            };
            match peer.receive(&mut buffer) {
                Received::Nothing => return (read, false),
                Received::Foreign => self.bridge.counters_mut().dropped_foreign += 1,
                Received::Datagram(len, received) => {
                    let bytes = buffer.get(..len).unwrap_or_default();
                    self.input(Input::Datagram { bytes, received });
                }
            }
        }
        (BATCH, true)
    }
}
