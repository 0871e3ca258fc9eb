//! Ownership of an interface: a certain cable is ours from the start; one that may be a cable is looked at,
//! and taken only when a peer answers on it while nobody else uses it. Without the peer it is given back.

use super::carrier::LinkState;
use gamelink_core::time::LocalTime;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// Use by somebody else, for which an interface is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Usage {
    /// It belongs to a bridge or a bond.
    Bridged,
    /// This machine's way to other networks.
    DefaultRoute,
    /// An address by DHCP, by a router, or by hand. Link-local ones, which managers give unasked, do not
    /// count.
    Address(IpAddr),
    /// A TCP connection runs over it, such as ssh over link-local addresses.
    Connection,
    /// The owner has a profile for it in this network manager.
    Profile(&'static str),
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Usage::Bridged => f.write_str("it belongs to a bridge or a bond"),
            Usage::DefaultRoute => f.write_str("the default route leads over it"),
            Usage::Address(address) => write!(f, "it has the address {address}"),
            Usage::Connection => f.write_str("a TCP connection runs over it"),
            Usage::Profile(manager) => write!(f, "it has a profile in {manager}"),
        }
    }
}

/// Interval at which the use of an interface is read.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Time for which it must have been free before anything is sent: a manager that is at work on a new
/// interface, or a script of the owner's, has its address by then.
const FREE_TIME: Duration = Duration::from_secs(3);
/// Time without a peer after which it is given back.
const LONELY_TIME: Duration = Duration::from_secs(10);
/// Time without a game at either end after which it is given back: longer than it takes to change the game.
const IDLE_TIME: Duration = Duration::from_secs(30);
/// Time until a profile is looked for again, and until it is set up again.
const RETRY_TIME: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Read who uses it.
    Look,
    /// Set it up for the time that a game waits: nobody else does.
    Raise,
    /// Set it down again.
    Lower,
    /// Take it: give it a cable's name, which keeps managers off.
    Take,
    /// Give it back as it was.
    GiveBack,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ours,
    Watched,
    /// A peer answers, and the last look is under way.
    Taking,
    Taken,
}

/// Facts of the link that decide with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) link: LinkState,
    pub(crate) has_game: bool,
    /// The peer hears us.
    pub(crate) is_mutual: bool,
    pub(crate) is_alone: bool,
    pub(crate) peer_has_game: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Custody {
    state: State,
    /// It is the port of a gadget by number or by kind, which may be set up.
    may_raise: bool,
    is_raised: bool,
    raised: Option<LocalTime>,
    looked: Option<LocalTime>,
    usage: Option<Usage>,
    /// Free, and unchanged in its carrier, since then.
    free_since: Option<LocalTime>,
    /// The profile that was found counts until then.
    profile_until: Option<LocalTime>,
    lonely_since: Option<LocalTime>,
    idle_since: Option<LocalTime>,
    was_link: LinkState,
}

impl Custody {
    /// Custody of a certain cable, or of one that an earlier run has taken, or of what may be one.
    pub(crate) fn new(is_certain: bool, is_taken: bool, may_raise: bool) -> Custody {
        Custody {
            state: match (is_certain, is_taken) {
                (true, _) => State::Ours,
                (false, true) => State::Taken,
                (false, false) => State::Watched,
            },
            may_raise,
            is_raised: false,
            raised: None,
            looked: None,
            usage: None,
            free_since: None,
            profile_until: None,
            lonely_since: None,
            idle_since: None,
            was_link: LinkState::default(),
        }
    }

    /// True if its name, addresses and MAC are ours to change.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self.state, State::Ours | State::Taken)
    }

    /// The use that keeps us off.
    pub(crate) fn usage(&self) -> Option<Usage> {
        self.usage.filter(|_| self.is_watched())
    }

    /// True if it has been free for long enough to speak on it, or is ours.
    pub(crate) fn may_speak(&self, now: LocalTime) -> bool {
        self.is_ours() || self.free_since.is_some_and(|at| now.since(at) >= FREE_TIME)
    }

    fn is_watched(&self) -> bool {
        matches!(self.state, State::Watched | State::Taking)
    }

    /// Handles a reading of its use.
    pub(crate) fn handle_usage(&mut self, now: LocalTime, usage: Option<Usage>) {
        self.profile_until = self.profile_until.filter(|&until| now < until);
        if usage.is_none() && self.profile_until.is_some() {
            return;
        }
        self.usage = usage;
        self.free_since = match usage {
            None => self.free_since.or(Some(now)),
            Some(_) => None,
        };
    }

    /// Handles the end of taking it: it is ours, or a last look has found somebody's.
    pub(crate) fn handle_taken(&mut self, now: LocalTime, result: Result<(), Usage>) {
        if self.state != State::Taking {
            return;
        }
        match result {
            Ok(()) => {
                self.state = State::Taken;
                self.lonely_since = None;
                self.idle_since = None;
            }
            Err(usage) => {
                self.state = State::Watched;
                self.handle_usage(now, Some(usage));
                self.profile_until = Some(now.after(RETRY_TIME));
            }
        }
    }

    /// The next action.
    pub(crate) fn poll(&mut self, now: LocalTime, facts: Facts) -> Option<Action> {
        match self.state {
            State::Ours | State::Taking => None,
            State::Taken => self.poll_taken(now, facts),
            State::Watched => self.poll_watched(now, facts),
        }
    }

    fn poll_taken(&mut self, now: LocalTime, facts: Facts) -> Option<Action> {
        let since = |is_so: bool, since: Option<LocalTime>| is_so.then(|| since.unwrap_or(now));
        self.lonely_since = since(facts.is_alone, self.lonely_since);
        self.idle_since = since(!facts.has_game && !facts.peer_has_game, self.idle_since);
        if self.give_back_due().is_none_or(|due| now < due) {
            return None;
        }
        self.state = State::Watched;
        self.is_raised = false;
        self.free_since = None;
        self.looked = None;
        Some(Action::GiveBack)
    }

    fn give_back_due(&self) -> Option<LocalTime> {
        let lonely = self.lonely_since.map(|at| at.after(LONELY_TIME));
        let idle = self.idle_since.map(|at| at.after(IDLE_TIME));
        lonely.into_iter().chain(idle).min()
    }

    fn poll_watched(&mut self, now: LocalTime, facts: Facts) -> Option<Action> {
        if facts.link != self.was_link {
            // It was plugged in, or somebody has set it up or down: what was seen before does not hold.
            self.was_link = facts.link;
            self.free_since = self.free_since.filter(|_| self.is_raised);
            self.looked = None;
        }
        if self.looked.is_none_or(|at| now.since(at) >= LOOK_INTERVAL) {
            self.looked = Some(now);
            return Some(Action::Look);
        }
        if self.usage.is_some() {
            // Its owner has it, and may want it up.
            self.is_raised = false;
            return None;
        }
        if self.is_raised && !facts.has_game && facts.is_alone {
            self.is_raised = false;
            return Some(Action::Lower);
        }
        if !self.may_speak(now) {
            return None;
        }
        let is_tried = self.raised.is_some_and(|at| now.since(at) < RETRY_TIME);
        if facts.has_game && self.may_raise && !facts.link.is_up && !is_tried {
            self.is_raised = true;
            self.raised = Some(now);
            return Some(Action::Raise);
        }
        if facts.is_mutual && facts.link.can_carry() {
            self.state = State::Taking;
            return Some(Action::Take);
        }
        None
    }

    pub(crate) fn poll_timeout(&self) -> Option<LocalTime> {
        match self.state {
            State::Ours | State::Taking => None,
            State::Taken => self.give_back_due(),
            State::Watched => Some(self.looked.map_or(LocalTime(0), |at| at.after(LOOK_INTERVAL))),
        }
    }
}

#[cfg(test)]
mod tests;
