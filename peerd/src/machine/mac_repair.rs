//! Repair of a MAC that both ends share: exactly one of them changes its own.
//!
//! The end with the smaller instance moves. It announces the new MAC, waits for the acknowledgement, and only
//! then takes the link down for the change, so that the other end expects the flap. The other end moves only
//! when the first reports that its driver refuses, or is silent for two seconds. An acknowledgement commits:
//! the end that has given one does not move, so never do both.

use crate::identity::{Instance, Mac};
use crate::wire::ethernet_frame::MacMessage;
use gamelink_core::control::{MacRepair, MacStatus};
use gamelink_core::time::LocalTime;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use std::time::Duration;

/// Time the larger instance leaves to the smaller one; also the limit of an announced change.
const TURN_TIMEOUT: Duration = Duration::from_secs(2);

/// Proposals before the repair is given up.
const MAX_ATTEMPTS: u8 = 8;

/// Material of a machine's new MAC.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seed {
    /// The machine id: the key, which the result must not reveal.
    pub(crate) machine_id: Vec<u8>,
    /// Serial numbers of the board and the card, which cloned images do not share.
    pub(crate) hardware: Vec<u8>,
    /// The USB path, so that each cable of a machine has its own.
    pub(crate) usb_path: String,
}

impl Seed {
    /// The MAC of this attempt: the same at each plug, unicast and locally administered.
    pub(crate) fn mac(&self, attempt: u8) -> Mac {
        // HMAC takes a key of any length.
        let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(&self.machine_id) else {
            return Mac::default();
        };
        for part in [
            b"gamelink cable mac".as_slice(),
            &self.hardware,
            self.usb_path.as_bytes(),
            &[attempt],
        ] {
            hmac.update(&(part.len() as u64).to_be_bytes());
            hmac.update(part);
        }
        let [first, b, c, d, e, f, ..] = <[u8; 32]>::from(hmac.finalize().into_bytes());
        Mac([first & !1 | 2, b, c, d, e, f])
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The MACs differ, as far as is known.
    Distinct,
    /// Duplicate; the other end is to move.
    Waiting { since: LocalTime },
    /// Duplicate; our new MAC is announced and not yet acknowledged.
    Preparing { attempt: u8, mac: Mac },
    /// Duplicate; we acknowledged the other end's new MAC.
    Yielded { since: LocalTime, attempt: u8, mac: Mac },
    /// Duplicate; the acknowledged change is being made.
    Changing { mac: Mac },
    /// Our driver refuses.
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Take the link down, set this MAC, take it up, read it back; then [`Repair::handle_set`].
    Set(Mac),
    /// The other end is about to change its own.
    ExpectFlap,
}

/// The MAC of one end of one cable.
#[derive(Clone, Debug)]
pub(crate) struct Repair {
    seed: Seed,
    mine: Mac,
    state: State,
    attempts: u8,
    changes: u64,
}

impl Repair {
    /// `is_locked` when the interface has a master: its MAC is not ours to change.
    pub(crate) fn new(seed: Seed, mine: Mac, is_locked: bool) -> Repair {
        Repair {
            seed,
            mine,
            state: if is_locked {
                State::Refused
            } else {
                State::Distinct
            },
            attempts: 0,
            changes: 0,
        }
    }

    pub(crate) fn mine(&self) -> Mac {
        self.mine
    }

    pub(crate) fn status(&self) -> MacStatus {
        MacStatus {
            mac: self.mine.to_string(),
            mac_repair: match self.state {
                State::Distinct => MacRepair::Unneeded,
                State::Refused => MacRepair::Refused,
                _ => MacRepair::UnderWay,
            },
            mac_changes: self.changes,
            ..MacStatus::default()
        }
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    pub(crate) fn handle_mine(&mut self, mac: Mac) {
        self.mine = mac;
    }

    /// Forgets the peer and all that was agreed.
    pub(crate) fn forget(&mut self) {
        self.attempts = 0;
        if self.state != State::Refused {
            self.state = State::Distinct;
        }
    }

    pub(crate) fn message(&self) -> MacMessage {
        match self.state {
            State::Preparing { attempt, mac } => MacMessage::Prepare(attempt, mac),
            State::Yielded { attempt, mac, .. } => MacMessage::Acknowledge(attempt, mac),
            State::Refused => MacMessage::Refused,
            State::Distinct | State::Waiting { .. } | State::Changing { .. } => MacMessage::None,
        }
    }

    pub(crate) fn handle_frame(
        &mut self,
        now: LocalTime,
        me: Instance,
        peer: Instance,
        peer_mac: Mac,
        word: MacMessage,
    ) -> Option<Action> {
        if peer_mac != self.mine {
            self.forget();
            return None;
        }
        match (&self.state, word) {
            // The change is under way; frames from before it may still arrive.
            (State::Changing { .. }, _) => {}
            // We announced, and the peer agrees to exactly this.
            (&State::Preparing { attempt, mac }, MacMessage::Acknowledge(agreed, agreed_mac))
                if (attempt, mac) == (agreed, agreed_mac) =>
            {
                self.state = State::Changing { mac };
                return Some(Action::Set(mac));
            }
            // Both announced: the smaller instance goes first.
            (State::Preparing { .. }, MacMessage::Prepare(..)) if me < peer => {}
            (&State::Yielded { attempt, mac, .. }, MacMessage::Prepare(a, m)) if (attempt, mac) == (a, m) => {
            }
            // The peer announces and we are not committed: it may.
            (_, MacMessage::Prepare(attempt, mac)) => {
                self.state = State::Yielded {
                    since: now,
                    attempt,
                    mac,
                };
                return Some(Action::ExpectFlap);
            }
            (State::Waiting { .. } | State::Distinct | State::Yielded { .. }, MacMessage::Refused) => {
                self.prepare(peer_mac);
            }
            (State::Distinct, _) if me < peer => self.prepare(peer_mac),
            (State::Distinct, _) => self.state = State::Waiting { since: now },
            // The driver refuses here, and the peer has been told; or it is the peer's turn.
            _ => {}
        }
        None
    }

    fn prepare(&mut self, peer_mac: Mac) {
        let mut proposals = (self.attempts..MAX_ATTEMPTS).map(|attempt| (attempt, self.seed.mac(attempt)));
        let proposal = proposals.find(|&(_, mac)| mac != self.mine && mac != peer_mac);
        self.attempts = proposal.map_or(MAX_ATTEMPTS, |(attempt, _)| attempt + 1);
        self.state = proposal.map_or(State::Refused, |(attempt, mac)| State::Preparing { attempt, mac });
    }

    /// Handles the driver's result: `Ok` with the MAC read back, `Err` if it refused.
    pub(crate) fn handle_set(&mut self, result: Result<Mac, ()>) {
        self.changes += u64::from(result.is_ok());
        let State::Changing { mac } = self.state else {
            return;
        };
        // A driver that says yes and does nothing refuses as well.
        let has_changed = result == Ok(mac);
        self.state = if has_changed {
            State::Distinct
        } else {
            State::Refused
        };
        self.mine = result.unwrap_or(self.mine);
    }

    /// Handles a timeout; true if there is a new message.
    pub(crate) fn handle_timeout(&mut self, now: LocalTime) -> bool {
        // The smaller instance has said nothing, or did not do what it announced.
        let is_due = self.poll_timeout().is_some_and(|at| at <= now);
        if is_due {
            self.prepare(self.mine);
        }
        is_due
    }

    pub(crate) fn poll_timeout(&self) -> Option<LocalTime> {
        match self.state {
            State::Waiting { since } | State::Yielded { since, .. } => Some(since.after(TURN_TIMEOUT)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAME: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const SMALL: Instance = Instance([1; 16]);
    const LARGE: Instance = Instance([2; 16]);

    fn seed(id: &str) -> Seed {
        Seed {
            machine_id: id.into(),
            hardware: vec![],
            usb_path: "1-1".into(),
        }
    }

    /// Runs both ends over lossy frames; `refuses` says whose driver does. Returns the end MACs and the
    /// number of changes.
    fn run(refuses: [bool; 2], mut lost: impl FnMut(u32) -> bool, ids: [&str; 2]) -> ([Mac; 2], u32) {
        let mut ends = [
            Repair::new(seed(ids[0]), SAME, false),
            Repair::new(seed(ids[1]), SAME, false),
        ];
        let names = [SMALL, LARGE];
        let mut changes = 0;
        for step in 0..500 {
            let now = LocalTime(u64::from(step) * 20_000_000);
            for me in 0..2 {
                let (mac, word) = (ends[1 - me].mine(), ends[1 - me].message());
                if lost(step * 2 + me as u32) {
                    continue;
                }
                let action = ends[me].handle_frame(now, names[me], names[1 - me], mac, word);
                if let Some(Action::Set(mac)) = action {
                    changes += u32::from(!refuses[me]);
                    ends[me].handle_set(if refuses[me] { Err(()) } else { Ok(mac) });
                }
                ends[me].handle_timeout(now);
            }
        }
        ([ends[0].mine(), ends[1].mine()], changes)
    }

    #[test]
    fn exactly_the_smaller_instance_moves() {
        let ([small, large], changes) = run([false; 2], |_| false, ["a", "b"]);
        assert_eq!((small, large, changes), (seed("a").mac(0), SAME, 1));
    }

    #[test]
    fn the_larger_moves_when_the_smaller_ones_driver_refuses() {
        let ([small, large], changes) = run([true, false], |_| false, ["a", "b"]);
        assert_eq!((small, large, changes), (SAME, seed("b").mac(0), 1));
    }

    #[test]
    fn when_both_refuse_both_stay() {
        assert_eq!(run([true; 2], |_| false, ["a", "b"]), ([SAME; 2], 0));
    }

    #[test]
    fn cloned_machine_ids_end_distinct() {
        let ([small, large], changes) = run([false; 2], |_| false, ["a", "a"]);
        assert_ne!(small, large);
        assert_eq!(changes, 1);
    }

    #[test]
    fn loss_never_makes_both_move() {
        for rate in [2, 3, 5, 50] {
            for salt in 0..200u32 {
                let lossy = |n: u32| {
                    let mixed = (n ^ salt.wrapping_mul(0x9E37_79B9)).wrapping_mul(0x85EB_CA6B);
                    mixed >> 16 & 0xFF >= 256 / rate
                };
                let ([small, large], changes) = run([false; 2], lossy, ["a", "b"]);
                assert!(changes <= 1, "rate 1/{rate} salt {salt}: {changes} changes");
                assert!(small != large || rate == 50, "rate 1/{rate} salt {salt}");
            }
        }
    }

    #[test]
    fn new_macs_are_stable_unicast_and_local() {
        for attempt in 0..=255 {
            let mac = seed("x").mac(attempt);
            assert_eq!(mac, seed("x").mac(attempt));
            assert_eq!(mac.0[0] & 3, 2);
        }
        assert_ne!(seed("x").mac(0), seed("x").mac(1));
    }
}
