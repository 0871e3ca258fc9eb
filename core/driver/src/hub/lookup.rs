//! The peer's names, looked up while there is no link: what they stand for may change.
//!
//! The resolver may block for many seconds, so each lookup has a thread of its own, for which nobody waits:
//! not the helper thread, and not the end of the link. This library may be unloaded meanwhile; the loader
//! keeps it until the thread has run the destructors of its thread-local values (`__cxa_thread_atexit_impl`),
//! which is after the last code of ours.

use super::Hub;
use crate::StartError;
use crate::address::{BindAddress, PeerAddress, PeerAddresses};
use crate::peer_hosts::{LookupError, PeerHosts};
use crate::time;
use crossbeam_channel::{Receiver, bounded};
use gamelink_core::time::LocalTime;
use log::Level;
use std::io;
use std::time::Duration;

/// Time from the end of one lookup to the next.
const LOOKUP_INTERVAL: Duration = Duration::from_secs(10);

/// Time between two looks whether a lookup has ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Results of a lookup, one a place.
type Found = Vec<Result<Vec<PeerAddress>, LookupError>>;

/// A peer of which names are looked up.
pub(super) struct NameLookup {
    hosts: PeerHosts,
    bind: Option<BindAddress>,
    /// The lookup that runs.
    running: Option<Receiver<Found>>,
    /// The next lookup, or the next look whether it has ended.
    due: LocalTime,
    /// Addresses at each place, as last found: a resolver that fails takes none away.
    known: Vec<Vec<PeerAddress>>,
    /// The faults of the last lookup, and whether the player has been told of the first.
    errors: Vec<LookupError>,
    is_told: bool,
}

impl NameLookup {
    fn new(hosts: PeerHosts, bind: Option<BindAddress>, now: LocalTime) -> NameLookup {
        NameLookup {
            hosts,
            bind,
            running: None,
            due: now,
            known: Vec::new(),
            errors: Vec::new(),
            is_told: false,
        }
    }

    /// Begins a lookup, or takes what one has found.
    fn service(&mut self, now: LocalTime) -> io::Result<Option<Found>> {
        self.due = now.after(LOOK_INTERVAL);
        let Some(running) = &self.running else {
            self.running = Some(start(self.hosts.clone())?);
            return Ok(None);
        };
        match running.try_recv() {
            Err(error) if error.is_empty() => Ok(None),
            found => {
                self.running = None;
                self.due = now.after(LOOKUP_INTERVAL);
                // One that has panicked has found nothing.
                Ok(found.ok())
            }
        }
    }

    /// Takes what a lookup has found; true where its faults are not those of the one before.
    fn handle_found(&mut self, found: Found) -> bool {
        self.known.resize(found.len(), Vec::new());
        let mut errors = Vec::new();
        for (known, found) in self.known.iter_mut().zip(found) {
            match found {
                Ok(addresses) => *known = addresses,
                Err(error) => errors.push(error),
            }
        }
        let is_new = self.errors != errors;
        self.is_told &= !is_new;
        self.errors = errors;
        is_new
    }

    /// The first fault, once.
    fn take_error(&mut self) -> Option<LookupError> {
        let is_told = std::mem::replace(&mut self.is_told, true);
        self.errors.first().filter(|_| !is_told).cloned()
    }
}

/// Starts a lookup.
fn start(hosts: PeerHosts) -> io::Result<Receiver<Found>> {
    let (sender, receiver) = bounded(1);
    let thread = std::thread::Builder::new().name("gamelink-names".into());
    thread.spawn(move || {
        // Where the link is gone, nobody wants it.
        let _ = sender.send(hosts.look_up());
    })?;
    Ok(receiver)
}

impl Hub {
    /// The player plugs in a cable, or pulls it out: as [`set_peer`](Hub::set_peer), once names are looked
    /// up.
    pub(crate) fn set_hosts(
        &mut self,
        hosts: Option<PeerHosts>,
        bind: Option<BindAddress>,
    ) -> Result<(), StartError> {
        let given = hosts.as_ref().and_then(PeerHosts::addresses);
        let hosts = hosts.filter(PeerHosts::has_names);
        self.names = hosts.map(|hosts| NameLookup::new(hosts, bind.clone(), time::now()));
        self.set_peer(given, bind).inspect_err(|_| self.names = None)
    }

    /// When there is something to do about names.
    pub(super) fn lookup_at(&self) -> Option<LocalTime> {
        let is_wanted = self.is_enabled && !self.bridge.is_linked();
        let names = self.names.as_ref().filter(|_| is_wanted)?;
        Some(names.due)
    }

    pub(super) fn service_names(&mut self, now: LocalTime) {
        if self.lookup_at().is_none_or(|at| now < at) {
            return;
        }
        let Some(names) = &mut self.names else { return };
        let found = match names.service(now) {
            Ok(Some(found)) => found,
            Ok(None) => return,
            Err(error) => {
                let line = format_args!("names are not looked up: {error}");
                return self.log.note(Level::Error, line);
            }
        };
        if names.handle_found(found) {
            for error in &names.errors {
                self.log.warn(format_args!("{error}"));
            }
        }
        let bind = names.bind.clone();
        if let Some(addresses) = PeerAddresses::interleaved(&names.known) {
            self.find_peer(addresses, bind);
        }
    }

    /// The peer's names stand for these addresses now.
    fn find_peer(&mut self, addresses: PeerAddresses, bind: Option<BindAddress>) {
        let port = self.transport.any_port().as_ref();
        if port.is_some_and(|port| port.is_for(&addresses, &bind)) {
            return;
        }
        self.log.info(format_args!(
            "the other machine is looked for addresses={addresses}"
        ));
        // What the resolver says is no act of the player, who may be using netplay.
        let result = match self.transport.is_netplay() || self.is_plugged() {
            true => self.move_peer(addresses, bind),
            false => self.set_peer(Some(addresses), bind),
        };
        if let Err(error) = result {
            self.log.note(Level::Error, format_args!("{error}"));
        }
    }

    /// The fault of the last lookup, once.
    pub(crate) fn take_lookup_error(&mut self) -> Option<LookupError> {
        self.names.as_mut()?.take_error()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: LocalTime = LocalTime(1_000_000_000);

    fn names(hosts: &str) -> NameLookup {
        NameLookup::new(hosts.parse().unwrap(), None, T)
    }

    fn found(addresses: &[&str]) -> Result<Vec<PeerAddress>, LookupError> {
        Ok(addresses.iter().map(|text| text.parse().unwrap()).collect())
    }

    fn fault(reason: &str) -> Result<Vec<PeerAddress>, LookupError> {
        let (name, reason) = ("a.example".to_owned(), reason.to_owned());
        Err(LookupError { name, reason })
    }

    fn known(names: &NameLookup) -> String {
        PeerAddresses::interleaved(&names.known).map_or_else(String::new, |known| known.to_string())
    }

    #[test]
    fn a_new_address_of_a_name_is_taken_and_a_resolver_that_fails_takes_none_away() {
        let mut names = names("a.example:7,b.example:7");
        assert!(names.handle_found(vec![fault("later"), found(&["192.0.2.1:7"])]));
        assert_eq!(known(&names), "192.0.2.1:7");
        assert!(names.handle_found(vec![found(&["198.51.100.1:7"]), found(&["192.0.2.2:7"])]));
        assert_eq!(known(&names), "198.51.100.1:7,192.0.2.2:7");
        assert!(names.handle_found(vec![fault("later"), found(&["192.0.2.3:7"])]));
        assert_eq!(known(&names), "198.51.100.1:7,192.0.2.3:7");
    }

    #[test]
    fn a_fault_is_told_when_it_is_new() {
        let mut names = names("a.example");
        for (reason, is_new) in [("later", true), ("later", false), ("unknown", true)] {
            assert_eq!(names.handle_found(vec![fault(reason)]), is_new, "{reason}");
            assert_eq!(names.take_error().is_some(), is_new, "{reason}");
            assert_eq!(names.take_error(), None);
        }
        assert!(names.handle_found(vec![found(&["192.0.2.1:7"])]));
        assert_eq!(names.take_error(), None);
    }

    #[test]
    fn names_are_looked_up_ten_seconds_after_the_last_answer() {
        let mut names = names("localhost");
        assert_eq!(names.due, T);
        let mut now = T;
        while names.service(now).unwrap().is_none() {
            now = names.due;
            std::thread::sleep(LOOK_INTERVAL / 10);
        }
        assert_eq!(names.due, now.after(LOOKUP_INTERVAL));
    }
}
