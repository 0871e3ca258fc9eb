//! First meeting of two machines on a LAN: one shows a code, and where it is entered at the other, both have
//! a key.
//!
//! SPAKE2 (the crate `spake2`, symmetric, Ed25519) makes of the code a key that nobody has who does not know
//! it, and each side proves that it has it. Somebody between the two has one guess among ten thousand a code:
//! a code serves one run, right or wrong, and a machine shows at most four in a minute.

mod run;

use super::Output;
use crate::identity::{Instance, Name};
use crate::machine::trust::{MachineId, Pairing};
use crate::wire::meeting::{Datagram, Message, Proof, Step};
use gamelink_core::control::{Code, PairingStatus};
use gamelink_core::time::LocalTime;
use hmac::Mac as _;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use run::{Entry, Keys, Run, Stage};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// Interval at which a step is repeated until it is answered.
const RETRY: Duration = Duration::from_millis(300);
/// Time for which a step is repeated, and for which one that was answered is answered again.
const STEP_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for which a run may stand before the code counts as used up.
const RUN_TIMEOUT: Duration = Duration::from_secs(3);
/// Wrong codes in [`WRONG_WITHIN`] after which no other is shown.
const MAX_WRONG: u32 = 3;
const WRONG_WITHIN: Duration = Duration::from_secs(60);

/// The other machine, as the roster knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Other {
    pub(super) instance: Instance,
    pub(super) name: Name,
    pub(super) address: SocketAddr,
}

/// State of a meeting.
#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    /// A code is shown to this machine.
    Showing { to: Other, code: Code, run: Option<Run> },
    /// This machine's code was entered here.
    Entered { at: Other, entry: Entry },
    /// The key is made; the other side may ask for the last step again until then.
    Met { with: Other, until: LocalTime },
    /// No other code is shown until then.
    Refusing { name: Name, until: LocalTime },
    /// The other machine never answered.
    Unanswered { name: Name },
}

/// Meetings of one LAN, one at a time.
#[derive(Debug)]
pub(super) struct Meeting {
    me: Instance,
    machine: MachineId,
    state: State,
    /// The code that was tried last was wrong.
    was_wrong: bool,
    /// Wrong codes, and since when they are counted.
    wrong: (u32, LocalTime),
    random: ChaCha20Rng,
}

impl Meeting {
    pub(super) fn new(me: Instance, machine: MachineId, seed: [u8; 32]) -> Meeting {
        Meeting {
            me,
            machine,
            state: State::Idle,
            was_wrong: false,
            wrong: (0, LocalTime(0)),
            random: ChaCha20Rng::from_seed(seed),
        }
    }

    /// Machine that is shown a code.
    pub(super) fn shows_to(&self) -> Option<Instance> {
        match &self.state {
            State::Showing { to, .. } => Some(to.instance),
            _ => None,
        }
    }

    /// State for a person; `inviting` shows a code to this machine.
    pub(super) fn status(&self, inviting: Option<Name>) -> PairingStatus {
        let was_wrong = self.was_wrong;
        match (&self.state, inviting) {
            (State::Showing { to, code, .. }, _) => PairingStatus::ShowsCode {
                name: to.name.to_string(),
                code: code.to_string(),
                was_wrong,
            },
            (State::Entered { at, .. }, _) => PairingStatus::Trying {
                name: at.name.to_string(),
            },
            (State::Met { with, .. }, _) => PairingStatus::Paired {
                name: with.name.to_string(),
            },
            (State::Refusing { name, .. }, _) => PairingStatus::TooMany {
                name: name.to_string(),
            },
            (_, Some(name)) => PairingStatus::WantsCode {
                name: name.to_string(),
                was_wrong,
            },
            (State::Unanswered { name }, None) => PairingStatus::Unanswered {
                name: name.to_string(),
            },
            (State::Idle, None) => PairingStatus::Idle,
        }
    }

    /// Shows a code to this machine, or to none; one that is shown to it already stays.
    pub(super) fn show_to(&mut self, other: Option<Other>) {
        match (&mut self.state, other) {
            (State::Showing { to, .. }, Some(other)) if to.instance == other.instance => *to = other,
            (State::Entered { .. } | State::Refusing { .. } | State::Met { .. }, _) => {}
            (State::Showing { .. }, None) => self.state = State::Idle,
            (_, None) => {}
            (_, Some(to)) => {
                self.was_wrong = false;
                let code = self.draw();
                self.state = State::Showing { to, code, run: None };
            }
        }
    }

    fn draw(&mut self) -> Code {
        // 2^64 is no multiple of 10,000, by a part in 10^15.
        Code::new(self.random.next_u64())
    }

    /// Tries a code that this machine shows.
    pub(super) fn enter(&mut self, now: LocalTime, at: Other, code: Code, outputs: &mut VecDeque<Output>) {
        let (spake, asked) = run::start(code, &mut self.random);
        self.was_wrong = false;
        self.state = State::Entered {
            at,
            entry: Entry {
                asked,
                stage: Stage::Asked(Box::new(spake)),
                retry: now.after(RETRY),
                until: now.after(STEP_TIMEOUT),
            },
        };
        self.send(at, Step::Ask(asked), outputs);
    }

    fn send(&self, to: Other, step: Step, outputs: &mut VecDeque<Output>) {
        let datagram = Datagram {
            sender: self.me,
            receiver: to.instance,
            step,
        };
        outputs.push_back(Output::Meet(to.address, datagram));
    }

    /// Takes a datagram of a meeting; returns what the two have agreed on, once they have.
    pub(super) fn handle_datagram(
        &mut self,
        now: LocalTime,
        from: SocketAddr,
        datagram: &Datagram,
        outputs: &mut VecDeque<Output>,
    ) -> Option<Pairing> {
        if datagram.receiver != self.me {
            return None;
        }
        let is_from = |of: &Other| of.instance == datagram.sender && of.address == from;
        match (&mut self.state, datagram.step) {
            (State::Showing { to, .. }, Step::Ask(asked)) if is_from(to) => {
                self.handle_ask(now, asked, outputs);
            }
            (State::Showing { to, .. }, Step::Confirm(proof, machine)) if is_from(to) => {
                return self.handle_confirm(now, proof, machine, outputs);
            }
            (State::Entered { at, .. }, Step::Offer(offered, proof, machine)) if is_from(at) => {
                return self.handle_offer(now, (offered, proof, machine), outputs);
            }
            (State::Entered { at, entry }, Step::Done)
                if is_from(at) && matches!(entry.stage, Stage::Proved(_)) =>
            {
                let (with, until) = (*at, now.after(STEP_TIMEOUT));
                self.state = State::Met { with, until };
            }
            (State::Entered { at, .. }, Step::Refused) if is_from(at) => {
                self.was_wrong = true;
                self.state = State::Idle;
            }
            // Our last word was lost.
            (State::Met { with, .. }, Step::Confirm(..)) if is_from(with) => {
                let with = *with;
                self.send(with, Step::Done, outputs);
            }
            _ => {}
        }
        None
    }

    /// The machine that is shown the code asks.
    fn handle_ask(&mut self, now: LocalTime, asked: Message, outputs: &mut VecDeque<Output>) {
        let State::Showing { to, code, run } = &mut self.state else {
            return;
        };
        let (to, code) = (*to, *code);
        if let Some(run) = run {
            let offer = run.offer;
            if run.asked == asked {
                self.send(to, offer, outputs);
            } else {
                // Another try with the same code.
                self.use_up(now);
                self.send(to, Step::Refused, outputs);
            }
            return;
        }
        let (spake, offered) = run::start(code, &mut self.random);
        // Anything but a point of the curve is no try.
        let Ok(shared) = spake.finish(&asked) else { return };
        let keys = Keys::new(&shared);
        let mac = keys.mac([self.me, to.instance], [&asked, &offered], self.machine);
        let offer = Step::Offer(offered, mac.finalize().into_bytes().into(), self.machine);
        if let State::Showing { run, .. } = &mut self.state {
            let until = now.after(RUN_TIMEOUT);
            *run = Some(Run {
                asked,
                offer,
                keys,
                until,
            });
        }
        self.send(to, offer, outputs);
    }

    /// The machine that is shown the code proves that it has the key, or not.
    fn handle_confirm(
        &mut self,
        now: LocalTime,
        proof: Proof,
        machine: MachineId,
        outputs: &mut VecDeque<Output>,
    ) -> Option<Pairing> {
        let State::Showing {
            to, run: Some(run), ..
        } = &self.state
        else {
            return None;
        };
        let to = *to;
        let Step::Offer(offered, ..) = run.offer else {
            return None;
        };
        let mac = run
            .keys
            .mac([to.instance, self.me], [&run.asked, &offered], machine);
        if mac.verify_slice(&proof).is_err() {
            self.use_up(now);
            return None;
        }
        let key = run.keys.pairing;
        let until = now.after(STEP_TIMEOUT);
        self.state = State::Met { with: to, until };
        self.send(to, Step::Done, outputs);
        Some(Pairing {
            machine,
            name: to.name,
            key,
        })
    }

    /// The machine that shows the code answers.
    fn handle_offer(
        &mut self,
        now: LocalTime,
        (offered, proof, machine): (Message, Proof, MachineId),
        outputs: &mut VecDeque<Output>,
    ) -> Option<Pairing> {
        let State::Entered { at, entry } = std::mem::take(&mut self.state) else {
            return None;
        };
        let spake = match entry.stage {
            Stage::Asked(spake) => spake,
            // Repeated, for ours came late.
            stage @ Stage::Proved(_) => {
                let entry = Entry { stage, ..entry };
                self.state = State::Entered { at, entry };
                return None;
            }
        };
        let keys = spake.finish(&offered).map(|shared| Keys::new(&shared)).ok();
        let messages = [&entry.asked, &offered];
        let is_proved = keys.as_ref().is_some_and(|keys| {
            let mac = keys.mac([at.instance, self.me], messages, machine);
            mac.verify_slice(&proof).is_ok()
        });
        let Some(keys) = keys.filter(|_| is_proved) else {
            self.was_wrong = true;
            // Says so: the code is used up.
            self.send(at, Step::Confirm([0; 32], self.machine), outputs);
            return None;
        };
        let mac = keys.mac([self.me, at.instance], messages, self.machine);
        let step = Step::Confirm(mac.finalize().into_bytes().into(), self.machine);
        let pairing = Pairing {
            machine,
            name: at.name,
            key: keys.pairing,
        };
        self.send(at, step, outputs);
        self.state = State::Entered {
            at,
            entry: Entry {
                stage: Stage::Proved(step),
                retry: now.after(RETRY),
                until: now.after(STEP_TIMEOUT),
                ..entry
            },
        };
        Some(pairing)
    }

    /// The code served a run that proved nothing: another one is shown.
    fn use_up(&mut self, now: LocalTime) {
        let State::Showing { to, .. } = &self.state else {
            return;
        };
        let to = *to;
        self.was_wrong = true;
        let (count, since) = self.wrong;
        self.wrong = match now.since(since) < WRONG_WITHIN {
            true => (count + 1, since),
            false => (1, now),
        };
        self.state = if self.wrong.0 > MAX_WRONG {
            State::Refusing {
                name: to.name,
                until: now.after(WRONG_WITHIN),
            }
        } else {
            let code = self.draw();
            State::Showing { to, code, run: None }
        };
    }

    pub(super) fn poll_timeout(&self) -> Option<LocalTime> {
        match &self.state {
            State::Showing { run: Some(run), .. } => Some(run.until),
            State::Entered { entry, .. } => Some(entry.retry.min(entry.until)),
            State::Met { until, .. } | State::Refusing { until, .. } => Some(*until),
            _ => None,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: LocalTime, outputs: &mut VecDeque<Output>) {
        match &mut self.state {
            State::Showing { run: Some(run), .. } if now >= run.until => self.use_up(now),
            State::Entered { at, entry } if now >= entry.until => {
                // Whoever proved it has the key, and the other side most likely too.
                self.state = match entry.stage {
                    Stage::Asked(_) => State::Unanswered { name: at.name },
                    Stage::Proved(_) => State::Idle,
                };
            }
            State::Entered { at, entry } if now >= entry.retry => {
                entry.retry = now.after(RETRY);
                let (at, step) = (
                    *at,
                    match &entry.stage {
                        Stage::Asked(_) => Step::Ask(entry.asked),
                        Stage::Proved(step) => *step,
                    },
                );
                self.send(at, step, outputs);
            }
            State::Met { until, .. } | State::Refusing { until, .. } if now >= *until => {
                self.was_wrong = false;
                self.state = State::Idle;
            }
            _ => {}
        }
    }
}
