//! The state machine of one LAN interface with its two sockets. Its MAC and addresses are never touched.

use super::shared::Shared;
use crate::daemon::assignment::{Event, LinkId, Way, peer_up};
use crate::daemon::connections::Offered;
use crate::identity::{IfIndex, Name};
use crate::machine::lan::{Lan, Output, Partner, Playing};
use crate::sys::firewall_pinholes::{Network, Order};
use crate::sys::multicast::LanSocket;
use crate::wire::beacon::{Beacon, Game};
use crate::wire::meeting::Datagram;
use gamelink_core::control::{Code, FromDaemon, LanStatus, MachineStatus};
use gamelink_core::time::LocalTime;
use mio::Token;
use std::net::SocketAddr;

/// Beacons read at once.
const BATCH: usize = 32;

#[derive(Debug)]
pub(super) struct LanPort {
    pub(super) name: Name,
    index: IfIndex,
    pub(super) lan: Lan,
    sockets: Vec<(Token, LanSocket)>,
    link_up_since: Option<LocalTime>,
}

impl LanPort {
    pub(super) fn open(name: Name, index: IfIndex, lan: Lan, shared: &mut Shared) -> LanPort {
        let mut sockets = vec![];
        for is_v6 in [true, false] {
            let token = shared.tokens.next();
            match LanSocket::open((index, name.as_str()), is_v6, (&shared.registry, token)) {
                Ok(socket) => sockets.push((token, socket)),
                Err(error) => {
                    log::info!("cannot open a multicast socket interface={name} v6={is_v6} error={error}");
                }
            }
        }
        // Beacons have to be let in before anybody is found.
        let order = Order::Open(index, name.as_str().into(), Network::Lan);
        shared.firewall.order(order);
        LanPort {
            name,
            index,
            lan,
            sockets,
            link_up_since: None,
        }
    }

    pub(super) fn id(&self) -> LinkId {
        LinkId::Lan(self.index)
    }

    /// Reads beacons, if the token is one of ours.
    pub(super) fn receive(&mut self, now: LocalTime, token: Token) -> bool {
        let Some((_, socket)) = self.sockets.iter().find(|(of, _)| *of == token) else {
            return false;
        };
        let mut bytes = [0; 512];
        for _ in 0..BATCH {
            match socket.receive(&mut bytes) {
                Ok(Some((len, from))) => {
                    let bytes = bytes.get(..len).unwrap_or_default();
                    if let Ok(beacon) = Beacon::decode(bytes) {
                        self.lan.handle_beacon(now, from, &beacon);
                    } else if let Ok(datagram) = Datagram::decode(bytes) {
                        self.lan.handle_meeting(now, from, &datagram);
                    }
                }
                Ok(None) => {}
                Err(_) => return true,
            }
        }
        // The remaining beacons wait for the next one: the poll is edge-triggered.
        true
    }

    pub(super) fn drain(&mut self, now: LocalTime, events: &mut Vec<Event>) {
        while let Some(output) = self.lan.poll_output() {
            match output {
                Output::Announce(beacon) => {
                    for (_, socket) in &self.sockets {
                        // Fails while there is no address or network.
                        let _ = socket.announce(&beacon.encode());
                    }
                }
                Output::Tell(to, beacon) => self.send(to, &beacon.encode()),
                Output::Meet(to, datagram) => self.send(to, &datagram.encode()),
                Output::Met(pairing) => events.push(Event::Met(pairing)),
                Output::PeerUp(peer, addresses) => {
                    // It is repeated when the peer moves.
                    self.link_up_since.get_or_insert(now);
                    log::info!("link up lan={} peer={peer} addresses={addresses:?}", self.name);
                    events.push(Event::Changed);
                }
                Output::PeerDown(loss) => {
                    self.link_up_since = None;
                    log::info!("link down lan={} reason={loss}", self.name);
                    events.push(Event::Down(self.id(), self.name, loss));
                }
            }
        }
    }

    fn send(&self, to: SocketAddr, bytes: &[u8]) {
        let socket = self.sockets.iter().find(|(_, of)| of.is_v6() == to.is_ipv6());
        if let Some((_, socket)) = socket {
            let _ = socket.send(to, bytes);
        }
    }

    /// Tells the LAN of the game that waits here; `is_open`: by the operator's word, whatever the game says.
    pub(super) fn set_game(&mut self, now: LocalTime, offered: Option<&Offered>, is_open: bool) {
        let playing = offered.map(|Offered { playing, held_with }| Playing {
            game: Game {
                title: Name::new(&playing.cartridge.title),
                family: playing.cartridge.family,
                digest: playing.cartridge.digest,
                is_open: is_open || playing.is_open,
            },
            partner: match (held_with, &playing.partner) {
                (Some(box_id), _) => Partner::Linked(*box_id),
                (None, Some(name)) => Partner::Named(Name::new(name)),
                (None, None) => Partner::Anyone,
            },
            code: playing.code.as_deref().and_then(Code::parse),
        });
        self.lan.set_game(now, playing);
    }

    pub(super) fn peer_up(&self) -> Option<(LinkId, FromDaemon)> {
        let (peer, addresses, key) = self.lan.assignment()?;
        let box_id = peer.box_id;
        let title = peer.said.game.unwrap_or_default().title;
        let message = peer_up(self.name, (peer.name, title), addresses, Way::Lan { key, box_id });
        Some((self.id(), message))
    }

    pub(super) fn status(&self, now: LocalTime) -> LanStatus {
        let linked = self.lan.linked().map(|machine| machine.instance);
        let known = self.lan.machines().into_iter().take(12);
        let me = self.lan.instance();
        let machines = known.map(|machine| MachineStatus {
            name: machine.name.to_string(),
            instance: machine.instance.to_string(),
            address: machine.address,
            has_game: machine.said.game.is_some(),
            title: machine.said.game.unwrap_or_default().title.as_str().to_owned(),
            is_same_game: self.lan.is_same_game(&machine),
            is_paired: machine.met.is_some(),
            is_open: machine.said.game.unwrap_or_default().is_open,
            is_taken: machine.plays_with_other_than(me),
            round_trip_us: machine.round_trip.map(|trip| trip.as_micros() as u64),
            is_linked: Some(machine.instance) == linked,
        });
        LanStatus {
            interface: self.name.to_string(),
            up_ms: self.link_up_since.map(|at| now.since(at).as_millis() as u64),
            machines: machines.collect(),
            waits_for: self.lan.waits_for().map(|name| name.to_string()),
            is_open: self.lan.is_open(),
            pairing: self.lan.pairing(),
        }
    }
}
