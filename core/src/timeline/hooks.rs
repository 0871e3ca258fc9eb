//! The serial port inside a running core.

use super::judging::{Judgement, Place};
use super::offers::{Own, Sent, Source};
use super::steps::RARE;
use super::{Phase, Timeline};
use crate::serial::{Shift, Speed, UNPLUGGED};

/// What has happened at the port in the frame that runs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Port {
    pub(super) polls: u32,
    takes: u64,
    /// The core was given a byte and names its own next.
    is_handed: bool,
    /// What was shifted in last, in this frame.
    pub(super) incoming: Option<Shift>,
    /// The core took a byte and has not looked for another since: it is being shifted.
    pub(super) is_shifting: bool,
    /// The rest of the frame is worth nothing: it will be undone.
    pub(super) is_spoiled: bool,
}

impl Timeline {
    /// The core looks for a byte of the peer. `Some`: it takes it, and calls [`taken`](Self::taken) before anything else.
    pub fn poll(&mut self) -> Option<(u8, Speed)> {
        if !self.phase.is_running() {
            return None;
        }
        self.port.polls = self.port.polls.saturating_add(1);
        self.port.is_shifting = false;
        self.port.is_handed = false;
        if !self.is_open || self.port.is_spoiled {
            return None;
        }
        let now = (self.frame, self.port.polls);
        let is_due = match self.judging.recorded() {
            // A core that was restored need not look at the same moments; then it takes the byte at the first chance after.
            Some(judgement) => match judgement.place {
                Place::Poll(poll) if (judgement.frame, poll) <= now => {
                    if (judgement.frame, poll) != now {
                        self.counters.late_takes += 1;
                        (judgement.frame, judgement.place) = (now.0, Place::Poll(now.1));
                    }
                    true
                }
                _ => false,
            },
            None => self.may_take() && self.judging.is_spaced(self.port.takes),
        };
        let offer = is_due.then(|| self.judging.get(self.judging.next)).flatten()?;
        let (byte, speed) = (offer.byte, offer.speed);
        self.port.is_handed = true;
        self.port.incoming = Some(Shift { byte, speed });
        Some((byte, speed))
    }

    /// The core took the byte that [`poll`](Self::poll) gave, and this is its own SB.
    pub fn taken(&mut self, byte: u8) {
        if std::mem::take(&mut self.port.is_handed) {
            self.judge(Place::Poll(self.port.polls), byte);
            self.port.takes += 1;
            self.port.is_shifting = true;
        }
    }

    /// The game starts a transfer with its own clock; the byte that it reads.
    pub fn request(&mut self, byte: u8, speed: Speed) -> u8 {
        let answer = self.clock(byte, speed);
        self.port.incoming = Some(Shift { byte: answer, speed });
        answer
    }

    fn clock(&mut self, byte: u8, speed: Speed) -> u8 {
        if !self.phase.is_running() || !self.is_open {
            return UNPLUGGED;
        }
        self.port.is_shifting = false;
        self.port.is_handed = false;
        if self.port.is_spoiled {
            return self.offers.best(self.offers.next).0.byte;
        }
        // Unplugged: what has no verdict never gets one.
        if self.is_closing && self.offers.next >= self.offers.answered() {
            return UNPLUGGED;
        }
        let sent = self.offers.send(Own {
            byte,
            speed,
            frame: self.frame,
            judged: self.judging.next,
            ..Own::default()
        });
        match sent {
            Sent::Again | Sent::New => {}
            Sent::Replaced(cancelled) => self.count_replace(cancelled),
            Sent::Unrepeatable => {
                self.counters.unrepeatable += 1;
                self.offers.next += 1;
            }
            Sent::Full => {
                self.port.is_spoiled = true;
                return self.offers.best(self.offers.next).0.byte;
            }
        }
        // A game that clocks while an offer waits takes it in the same act: the two will be found to be each other's.
        let made = self.offers.next - 1;
        let crossing = self
            .judging
            .get(self.judging.next)
            .filter(|theirs| theirs.judged == made)
            .map(|theirs| theirs.byte);
        let (answer, source) = self.offers.answer(crossing);
        if self.phase == Phase::Running {
            self.counters.requests += 1;
            match source {
                Source::Known => self.counters.known += 1,
                Source::Crossing | Source::Hint => self.counters.hinted += 1,
                Source::Last => self.counters.repeated += 1,
            }
        }
        self.judging.next += u64::from(answer.is_paired());
        answer.byte
    }

    fn judge(&mut self, place: Place, byte: u8) {
        let before = self.judging.judged();
        let judgement = Judgement {
            frame: self.frame,
            place,
            byte: Some(byte),
        };
        if !self.judging.judge(judgement) {
            self.counters.unrepeatable += 1;
        }
        self.counters.taken += self.judging.judged() - before;
    }

    /// Whether the peer's next offer may be taken anew, here in this timeline.
    ///
    /// Only where all own bytes are confirmed: what is taken then depends on nothing that may still change. And only an offer
    /// whose maker had judged exactly these: one that had judged more was made after bytes that this timeline has not sent,
    /// and one that had judged fewer is void, since nobody judges while an own byte is open.
    fn may_take(&self) -> bool {
        !self.is_closing
            && self.frame >= self.not_before
            && self.stale() < RARE
            && self.offers.are_all_answered()
            && self.judging.room() > 0
            && self
                .judging
                .head()
                .is_some_and(|head| head.judged == self.offers.next)
    }
}
