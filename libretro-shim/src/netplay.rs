//! Netplay of the frontend as the cable: who the partner is, and what the player is told.
//!
//! A frontend that carries packets of the core (libretro.h, `retro_netpacket_callback`) makes a star of one
//! host and its clients. A cable has two ends: the host's partner is the client that came first, and others
//! are turned away; a client's partner is the host.

use crate::ffi::{self, Stopwatch, netpacket};
use crate::messages::{self, Severity};
use crate::options::LinkMode;
use crate::settings;
use crate::unpoisoned_lock::lock;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Number of the host among the clients.
const HOST: u16 = 0;

/// A partner who has sent nothing for so long may be replaced by a newcomer: a frontend may learn minutes
/// later that a connection is dead, and the player comes back over a new one.
const DEAD: Duration = Duration::from_secs(10);

/// Messages kept for the next frame; more than one of them are read by nobody.
const MESSAGES: usize = 4;

/// A message for the next frame.
pub(crate) type Message = (Severity, &'static str);

/// Netplay of the one frontend that there is.
pub(crate) static NETPLAY: Netplay = Netplay(Mutex::new(State::new()));

/// Part that this side has in netplay, and its partner.
#[derive(Debug)]
enum Part {
    None,
    Host { partner: Option<Partner> },
    Client,
}

/// The client that is the host's partner.
#[derive(Debug)]
struct Partner {
    id: u16,
    /// Time since the last packet.
    silent: Stopwatch,
}

#[derive(Debug)]
struct State {
    part: Part,
    messages: VecDeque<Message>,
}

/// Consequence for the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Join,
    Leave,
    Nothing,
}

/// Netplay as the frontend tells of it, on the emulation thread. Its lock is never held while the link or the
/// frontend is called.
pub(crate) struct Netplay(Mutex<State>);

impl Netplay {
    /// Netplay begins here: as host without anybody yet, or as a client that is connected.
    pub(crate) fn start(&self, own_id: u16) {
        let trouble = match ffi::with_cable(false, |cable| cable.link().is_direct()) {
            true if settings::link_mode() == LinkMode::Off => Some(messages::NETPLAY_OFF),
            true => None,
            false => Some(messages::NETPLAY_IMPOSSIBLE),
        };
        let act = self.with(|state| state.start(own_id, trouble));
        act.carry_out();
    }

    /// Netplay is over.
    pub(crate) fn stop(&self) {
        self.with(State::stop).carry_out();
    }

    /// A client has come to this host; false where it is turned away.
    pub(crate) fn connected(&self, id: u16) -> bool {
        let (is_welcome, act) = self.with(|state| state.connected(id));
        act.carry_out();
        is_welcome
    }

    /// A client of this host is gone.
    pub(crate) fn disconnected(&self, id: u16) {
        self.with(|state| state.disconnected(id)).carry_out();
    }

    /// A packet of this player; anybody's but the partner's is dropped.
    pub(crate) fn receive(&self, id: u16, bytes: &[u8]) {
        if self.with(|state| state.hears(id)) {
            ffi::with_cable((), |cable| cable.link().handle_packet(bytes));
        }
    }

    /// Number of the partner, where there is one.
    pub(crate) fn partner(&self) -> Option<u16> {
        self.with(|state| state.partner())
    }

    /// True while netplay runs, with or without a partner.
    pub(crate) fn is_active(&self) -> bool {
        self.with(|state| !matches!(state.part, Part::None))
    }

    /// The oldest message that has not been shown.
    pub(crate) fn poll_message(&self) -> Option<Message> {
        self.with(|state| state.messages.pop_front())
    }

    /// The game is unloaded, and netplay with it.
    pub(crate) fn forget(&self) {
        self.with(|state| *state = State::new());
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut lock(&self.0))
    }
}

impl Act {
    fn carry_out(self) {
        match self {
            Act::Join => {
                let exchange = Arc::new(netpacket::exchange);
                // Without a direct port the player has been told.
                ffi::with_cable((), |cable| {
                    if cable.link().is_direct() {
                        cable.link().join_netplay(exchange);
                    }
                });
            }
            Act::Leave => ffi::with_cable((), |cable| cable.link().leave_netplay()),
            Act::Nothing => {}
        }
    }
}

impl State {
    const fn new() -> State {
        State {
            part: Part::None,
            messages: VecDeque::new(),
        }
    }

    fn tell(&mut self, severity: Severity, text: &'static str) {
        if self.messages.len() < MESSAGES {
            self.messages.push_back((severity, text));
        }
        log::info!("{text}");
    }

    fn start(&mut self, own_id: u16, trouble: Option<&'static str>) -> Act {
        if let Some(trouble) = trouble {
            self.tell(Severity::Error, trouble);
        }
        if own_id == HOST {
            self.part = Part::Host { partner: None };
            self.tell(Severity::Info, messages::HOSTING);
            Act::Nothing
        } else {
            self.part = Part::Client;
            Act::Join
        }
    }

    fn stop(&mut self) -> Act {
        let had_partner = self.partner().is_some();
        if !matches!(std::mem::replace(&mut self.part, Part::None), Part::None) {
            self.tell(Severity::Warning, messages::NETPLAY_ENDED);
        }
        if had_partner { Act::Leave } else { Act::Nothing }
    }

    fn connected(&mut self, id: u16) -> (bool, Act) {
        let Part::Host { partner } = &mut self.part else {
            return (false, Act::Nothing);
        };
        let is_dead = |partner: &Partner| partner.silent.elapsed() >= DEAD;
        if partner.as_ref().is_some_and(|partner| !is_dead(partner)) {
            self.tell(Severity::Info, messages::TURNED_AWAY);
            return (false, Act::Nothing);
        }
        *partner = Some(Partner {
            id,
            silent: Stopwatch::start(),
        });
        (true, Act::Join)
    }

    fn disconnected(&mut self, id: u16) -> Act {
        let Part::Host { partner } = &mut self.part else {
            return Act::Nothing;
        };
        if partner.take_if(|partner| partner.id == id).is_none() {
            return Act::Nothing;
        }
        self.tell(Severity::Warning, messages::PARTNER_LEFT);
        Act::Leave
    }

    /// True for the partner, who is heard.
    fn hears(&mut self, id: u16) -> bool {
        match &mut self.part {
            Part::None => false,
            Part::Client => id == HOST,
            Part::Host { partner } => {
                let partner = partner.as_mut().filter(|partner| partner.id == id);
                partner.is_some_and(|partner| {
                    partner.silent = Stopwatch::start();
                    true
                })
            }
        }
    }

    fn partner(&self) -> Option<u16> {
        match &self.part {
            Part::None => None,
            Part::Client => Some(HOST),
            Part::Host { partner } => Some(partner.as_ref()?.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> State {
        Stopwatch::calibrate();
        let mut state = State::new();
        assert_eq!(state.start(HOST, None), Act::Nothing);
        state
    }

    #[test]
    fn the_first_client_is_the_partner_and_a_third_player_is_turned_away() {
        let mut state = host();
        assert!(state.partner().is_none() && !state.hears(1));
        assert_eq!(state.connected(1), (true, Act::Join));
        assert_eq!(state.connected(2), (false, Act::Nothing));
        assert!(state.hears(1) && !state.hears(2) && !state.hears(HOST));
        assert_eq!(state.disconnected(2), Act::Nothing, "it was never in");
        assert_eq!((state.partner(), state.disconnected(1)), (Some(1), Act::Leave));
        assert_eq!(state.connected(2), (true, Act::Join), "the place is free");
        assert_eq!(state.stop(), Act::Leave);
        assert_eq!((state.stop(), state.partner()), (Act::Nothing, None));
    }

    #[test]
    fn a_clients_partner_is_the_host() {
        let mut state = State::new();
        assert_eq!(state.start(3, None), Act::Join);
        assert!(state.hears(HOST) && !state.hears(1) && !state.hears(3));
        assert_eq!(
            state.connected(1),
            (false, Act::Nothing),
            "only a host has clients"
        );
        assert_eq!(state.stop(), Act::Leave);
        assert!(!state.hears(HOST));
    }

    #[test]
    fn nothing_is_told_twice_and_messages_do_not_grow() {
        let mut state = host();
        state.connected(1);
        (0..100).for_each(|id| {
            state.connected(id);
        });
        assert_eq!(state.messages.len(), MESSAGES);
        assert_eq!(state.messages[0].1, messages::HOSTING);
    }
}
