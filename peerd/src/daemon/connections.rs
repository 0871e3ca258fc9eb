//! Clients connected to the control socket: games, which are assigned peers, and tools, which are answered.

use super::assignment::{LinkId, peer_down};
use super::connection::{Connection, Request, refuse};
use super::poll_tokens::Tokens;
use super::user_precedence;
use crate::identity::Name;
use crate::machine::peer_loss::Loss;
use crate::sys::control_socket::credentials;
use crate::sys::environment;
use gamelink_core::control::{FromDaemon, GameStatus, LanStatus, Playing, Role};
use gamelink_core::time::LocalTime;
use mio::net::UnixListener;
use mio::{Interest, Registry, Token};
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

/// Clients accepted from one listener in a row, so that a flood of connections delays neither cables nor
/// other clients.
const MAX_ACCEPTS: usize = 8;

/// Silence after which a game whose daemon link is lost gives up its cable: three reports.
const REPORT_TIMEOUT: Duration = Duration::from_secs(3);

/// A game as the machines on a LAN are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offered {
    pub(super) playing: Playing,
    /// The machine with which it is linked, though the daemons have lost each other: no other may choose it.
    pub(super) held_with: Option<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Connections {
    clients: BTreeMap<Token, Connection>,
    pub(super) refused: u64,
}

impl Connections {
    /// Accepts clients that wait at a listener. True if more may wait.
    pub(super) fn accept(
        &mut self,
        now: LocalTime,
        listener: &UnixListener,
        registry: &Registry,
        tokens: &mut Tokens,
    ) -> bool {
        for _ in 0..MAX_ACCEPTS {
            let mut stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) => return error.kind() == io::ErrorKind::Interrupted,
            };
            let credentials = credentials(&stream);
            let others = self.clients.values().map(|client| client.credentials.uid);
            if !user_precedence::has_room(credentials.uid, others) {
                self.refused += 1;
                let reason = "too many clients: close other games or tools that use Gamelink";
                let _ = refuse(&mut stream, reason.to_owned());
                continue;
            }
            let token = tokens.next();
            if registry.register(&mut stream, token, Interest::READABLE).is_err() {
                continue;
            }
            self.clients
                .insert(token, Connection::new(now, stream, credentials));
        }
        true
    }

    pub(super) fn len(&self) -> usize {
        self.clients.len()
    }

    fn games(&self) -> impl Iterator<Item = &Connection> {
        self.clients
            .values()
            .filter(|client| client.role == Some(Role::Game))
    }

    pub(super) fn status(&self, names: &BTreeMap<LinkId, Name>) -> Vec<GameStatus> {
        let game = |client: &Connection| GameStatus {
            pid: client.credentials.pid,
            uid: client.credentials.uid,
            command: environment::command(client.credentials.pid),
            cable: client.link.and_then(|link| names.get(&link)).map(Name::to_string),
            report: client.report.clone(),
            reports: client.reports,
        };
        self.games().map(game).collect()
    }

    /// The game that has this link, or would be given it, as it describes itself. Whom the machine trusts is
    /// the word of the user at the screen, where one is known: another user's game has no wishes.
    pub(super) fn offered(&self, link: LinkId, player: Option<u32>) -> Option<Offered> {
        let holder = self.games().find(|game| game.link == Some(link));
        let waiting = || {
            self.games()
                .filter(|game| game.link.is_none() && game.can_use(link))
                .max_by_key(|game| game.rank(player))
        };
        let game = holder.or_else(waiting).filter(|game| game.can_use(link))?;
        let has_wishes = player.is_none() || game.rank(player).is_players;
        let own = game.playing.clone();
        let playing = match has_wishes {
            true => own,
            false => Playing {
                cartridge: own.cartridge,
                ..Playing::default()
            },
        };
        let held_with = match game.is_held {
            // One that cannot say with whom it is linked must be chosen by nobody.
            true => Some(game.linked_with()?),
            false => None,
        };
        Some(Offered { playing, held_with })
    }

    /// Tells the games that play on a LAN, or wait, what is new there.
    pub(super) fn tell_lans(&mut self, lans: &[(LinkId, LanStatus)]) {
        for client in self.clients.values_mut() {
            let is_game = client.role == Some(Role::Game);
            let of = lans
                .iter()
                .filter(|(link, _)| client.link.is_none_or(|own| own == *link));
            if let Some((_, lan)) = of.take(1).find(|_| is_game) {
                client.tell_lan(lan);
            }
        }
    }

    /// Title of the game that has this link, or would be given it; `None` where no game waits for this link,
    /// or for any.
    pub(super) fn title(&self, link: LinkId, player: Option<u32>) -> Option<Name> {
        let games = self.games().filter(|game| game.link.is_none_or(|of| of == link));
        let first = games.max_by_key(|game| (game.link.is_some(), game.rank(player)))?;
        Some(Name::new(&first.playing.cartridge.title))
    }

    pub(super) fn has(&self, link: LinkId) -> bool {
        self.games().any(|game| game.link == Some(link))
    }

    /// True if a game is linked over this cable, as it says itself.
    pub(super) fn plays(&self, link: LinkId, name: &str) -> bool {
        self.games()
            .any(|game| game.link == Some(link) && game.plays_on() == Some(name))
    }

    /// Reads messages of one client, and adds what they request; true if more may wait.
    pub(super) fn receive(&mut self, now: LocalTime, token: Token, requests: &mut Vec<Request>) -> bool {
        let Some(client) = self.clients.get_mut(&token) else {
            return false;
        };
        let result = client.receive(now, requests);
        if let Err(reason) = &result {
            log::debug!("client gone pid={} reason={reason}", client.credentials.pid);
            if client.role == Some(Role::Game) {
                requests.push(Request::Games);
            }
            self.clients.remove(&token);
        }
        result == Ok(true)
    }

    /// Drops clients that sent no hello, silent ones, and those that do not read. True if a game has lost its
    /// link so, or by not reporting it.
    pub(super) fn handle_timeout(&mut self, now: LocalTime) -> bool {
        let mut has_changed = false;
        self.clients.retain(|_, client| {
            if client.is_held && now.since(client.reported) >= REPORT_TIMEOUT {
                client.let_go();
                has_changed = true;
            }
            let is_kept = now < client.deadline();
            has_changed |= !is_kept && client.role == Some(Role::Game);
            is_kept
        });
        has_changed
    }

    pub(super) fn poll_timeout(&self) -> Option<LocalTime> {
        let held = self.clients.values().filter(|client| client.is_held);
        let reports = held.map(|client| client.reported.after(REPORT_TIMEOUT));
        reports
            .chain(self.clients.values().map(Connection::deadline))
            .min()
    }

    /// True for root's client, and for one of the user at the screen.
    pub(super) fn is_players(&self, token: Token, player: Option<u32>) -> bool {
        let client = self.clients.get(&token);
        client.is_some_and(|client| client.rank(player).is_players)
    }

    pub(super) fn answer(&mut self, token: Token, result: Result<String, String>) {
        if let Some(client) = self.clients.get_mut(&token) {
            client.answer(result);
        }
    }

    pub(super) fn send(&mut self, token: Token, message: &FromDaemon) {
        if let Some(client) = self.clients.get_mut(&token) {
            client.send(message);
        }
    }

    /// Tells the game on this link that its peer is gone. Where only the daemons may have lost each other,
    /// the game keeps the link until it reports that it has lost its peer too.
    pub(super) fn take_back(&mut self, link: LinkId, interface: Name, loss: Loss) {
        let (message, (cause, _)) = (peer_down(interface.as_str(), loss), loss.told());
        for client in self
            .clients
            .values_mut()
            .filter(|client| client.link == Some(link))
        {
            client.is_held = cause.may_be_daemon_only();
            if !client.is_held {
                client.let_go();
            }
            client.send(&message);
        }
    }

    /// Takes over games that were linked over one of these interfaces before this daemon started.
    pub(super) fn adopt(&mut self, now: LocalTime, links: &BTreeMap<LinkId, Name>, player: Option<u32>) {
        for (&link, name) in links {
            if self.clients.values().any(|client| client.link == Some(link)) {
                continue;
            }
            let first = self
                .clients
                .values_mut()
                .filter(|client| client.link.is_none() && client.plays_on() == Some(name.as_str()))
                .max_by_key(|client| client.rank(player));
            if let Some(client) = first {
                client.link = Some(link);
                client.is_held = true;
                client.reported = now;
            }
        }
    }

    /// Assigns each game without a peer one of the `linked` interfaces that no other game has, and tells
    /// those that have one of a new address. Where several wait, and where another user's game holds a link
    /// without using it, the first in [precedence](super::user_precedence::Rank) gets it; `player` is the
    /// user at this machine's screen.
    pub(super) fn assign(&mut self, linked: &[(LinkId, FromDaemon)], player: Option<u32>) {
        for (link, message) in linked {
            let holder = self.clients.iter().find(|(_, client)| client.link == Some(*link));
            let holder = holder.map(|(&token, client)| {
                // The same assignment is not sent twice.
                let is_told = !client.is_held && client.assignment.as_ref() == Some(message);
                (token, client.rank(player), is_told)
            });
            let waits = |client: &Connection| {
                client.role == Some(Role::Game) && client.link.is_none() && client.can_use(*link)
            };
            let waiting = self.clients.iter().filter(|(_, client)| waits(client));
            let waiting = waiting.map(|(&token, client)| (client.rank(player), token)).max();
            let token = match (holder, waiting) {
                (Some((token, holder, _)), Some((rank, waiting))) if rank.displaces(holder) => {
                    self.displace(token, message);
                    waiting
                }
                (Some((token, _, false)), _) | (None, Some((_, token))) => token,
                (Some((_, _, true)), _) | (None, None) => continue,
            };
            if let Some(client) = self.clients.get_mut(&token) {
                client.assign(*link, message);
            }
        }
    }

    /// Takes the link from a game, for one of higher precedence.
    fn displace(&mut self, token: Token, up: &FromDaemon) {
        let (Some(client), FromDaemon::PeerUp { cable, .. }) = (self.clients.get_mut(&token), up) else {
            return;
        };
        log::info!(
            "cable reassigned to a game of higher precedence pid={} cable={cable}",
            client.credentials.pid
        );
        client.let_go();
        client.send(&peer_down(cable, Loss::Displaced));
    }
}

#[cfg(test)]
mod tests;
