//! The plug: the UDP port to the peer, and which of the two threads listens to it.

use crate::address::{BindAddress, PeerAddress};
use crate::deferred_log::DeferredLog;
use crate::peer_port::PeerPort;
use crate::{StartError, thread};
use log::Level;
use mio::net::UdpSocket;
use mio::unix::SourceFd;
use mio::{Interest, Registry};
use std::sync::Arc;

/// The port to the peer, where there is one.
#[derive(Default)]
pub(crate) struct Plug {
    port: Option<PeerPort>,
    /// The helper thread's poll watches the port's socket.
    is_watched: bool,
}

impl Plug {
    /// Opens a port in the place of the one that there was.
    pub(super) fn open(
        &mut self,
        registry: &Registry,
        peer: PeerAddress,
        bind: Option<BindAddress>,
    ) -> Result<(), StartError> {
        // The old one first: both may want the same port.
        self.close(registry);
        let open = |(address, error)| StartError::PeerPort(address, error);
        let port = PeerPort::open(peer, bind).map_err(open)?;
        watch(registry, &port).map_err(StartError::Thread)?;
        self.is_watched = true;
        self.port = Some(port);
        Ok(())
    }

    pub(super) fn close(&mut self, registry: &Registry) {
        if let Some(port) = self.port.take()
            && std::mem::take(&mut self.is_watched)
        {
            // Another thread may hold the socket a little longer: closing alone would not end the watch. It
            // cannot fail.
            let _ = registry.deregister(&mut SourceFd(&port.descriptor()));
        }
    }

    pub(super) fn port(&self) -> Option<&PeerPort> {
        self.port.as_ref()
    }

    pub(super) fn port_mut(&mut self) -> Option<&mut PeerPort> {
        self.port.as_mut()
    }

    pub(crate) fn socket(&self) -> Option<Arc<UdpSocket>> {
        self.port.as_ref().map(PeerPort::socket)
    }

    /// The helper thread is not woken for this port any more.
    pub(super) fn unwatch(&mut self, registry: &Registry, log: &mut DeferredLog) {
        if let Some(port) = &self.port
            && std::mem::take(&mut self.is_watched)
            && let Err(error) = registry.deregister(&mut SourceFd(&port.descriptor()))
        {
            log.note(Level::Warn, || format!("peer socket still polled error={error}"));
        }
    }

    /// The helper thread is woken for this port again.
    pub(super) fn watch(&mut self, registry: &Registry, log: &mut DeferredLog) {
        let Some(port) = self.port.as_ref().filter(|_| !self.is_watched) else {
            return;
        };
        match watch(registry, port) {
            Ok(()) => self.is_watched = true,
            Err(error) => log.note(Level::Warn, || format!("peer socket not polled error={error}")),
        }
    }

    /// More may be waiting on the socket, and an edge-triggered poll would not say so again.
    pub(super) fn poll_again(&self, registry: &Registry) {
        if self.is_watched {
            thread::poll_again(self.port(), registry);
        }
    }
}

fn watch(registry: &Registry, port: &PeerPort) -> std::io::Result<()> {
    registry.register(
        &mut SourceFd(&port.descriptor()),
        thread::PEER,
        Interest::READABLE,
    )
}
