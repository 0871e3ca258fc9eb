//! The serial port inside a running core.

use super::judging::{Judgement, Place, Theirs};
use super::offers::{Own, Sent, Source};
use super::steps::{RARE, RARE_WHOLE};
use super::{Phase, Timeline};
use crate::serial::{Look, Shift, Speed, UNPLUGGED};

/// Frames without a byte after which the next one is a call: it begins a conversation. Longer than games wait for each other, or stay
/// silent, within one: up to 20 frames; shorter than a player needs to press START again.
const PAUSE: u64 = 30;

/// A transfer that the game has started with its own clock, and whose byte it has not yet been given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// It is the newest offer.
    Offered(Speed),
    /// It is no offer: the cable is unplugged, or the frame will be undone.
    Instead(u8, Speed),
}

/// What has happened at the port in the frame that runs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Port {
    pub(super) polls: u32,
    /// Nothing is taken anew in the poll that runs.
    is_closed: bool,
    /// The peer's call has arrived since the last frame began.
    is_called: bool,
    pub(super) takes: u64,
    /// The core was given a byte and names its own next.
    is_handed: bool,
    asked: Option<Asked>,
    /// What was shifted in last, in this frame.
    pub(super) incoming: Option<Shift>,
    /// The core took a byte and has not looked for another since: it is being shifted.
    pub(super) is_shifting: bool,
    /// The rest of the frame is worth nothing: it will be undone.
    pub(super) is_spoiled: bool,
}

impl Timeline {
    /// The core looks for a byte of the peer. `Some`: it takes it, and calls [`taken`](Self::taken) before anything else.
    ///
    /// Nothing is taken anew inside an [access](Look::Access). Such a poll is counted all the same, and repeats what was taken in it:
    /// a replay must not depend on how its looks are told apart. Nor is a call taken in a frame's first poll: the game's own code of each
    /// frame comes right after that, and at a title it writes SB and SC, or calls itself.
    pub fn poll(&mut self, look: Look) -> Option<(u8, Speed)> {
        if !self.phase.is_running() {
            return None;
        }
        self.port.polls = self.port.polls.saturating_add(1);
        let is_first = self.port.polls == 1 && look == Look::EventLoop;
        self.port.is_called |= is_first && self.is_called();
        self.port.is_closed = look == Look::Access || (is_first && self.port.is_called);
        self.port.is_shifting = false;
        self.poll_again()
    }

    /// The same poll has been prolonged, and something may have arrived.
    pub fn poll_again(&mut self) -> Option<(u8, Speed)> {
        self.port.is_handed = false;
        if !self.phase.is_running() || !self.is_open || self.port.is_spoiled {
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
            None => !self.port.is_closed && self.may_take() && self.judging.is_spaced(self.port.takes),
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
        self.offer(byte, speed);
        self.answer()
    }

    /// The game starts a transfer with its own clock, and what it reads is asked for next: [`answer`](Self::answer). The two are
    /// [`request`](Self::request), with time between them for the verdict to come.
    pub fn offer(&mut self, byte: u8, speed: Speed) {
        self.port.asked = Some(match self.clock(byte, speed) {
            Ok(()) => Asked::Offered(speed),
            Err(instead) => Asked::Instead(instead, speed),
        });
    }

    /// Whether nothing better can be known of what the game reads next.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        let is_offered = matches!(self.port.asked, Some(Asked::Offered(_)));
        !is_offered || self.is_closing || self.offers.answered() >= self.offers.next
    }

    /// What the game reads in the transfer that it has started: the verdict, or the best guess.
    pub fn answer(&mut self) -> u8 {
        let (byte, speed) = match self.port.asked.take() {
            Some(Asked::Offered(speed)) => (self.read_newest(), speed),
            Some(Asked::Instead(byte, speed)) => (byte, speed),
            None => return UNPLUGGED,
        };
        self.port.incoming = Some(Shift { byte, speed });
        byte
    }

    /// Makes the next offer, or does so again in a replay; what is read where there can be none.
    fn clock(&mut self, byte: u8, speed: Speed) -> Result<(), u8> {
        if !self.phase.is_running() || !self.is_open {
            return Err(UNPLUGGED);
        }
        self.port.is_shifting = false;
        self.port.is_handed = false;
        if self.port.is_spoiled {
            return Err(self.offers.best(self.offers.next).0.byte);
        }
        // The game was listening, and the peer called first.
        if self.yields() {
            return Err(UNPLUGGED);
        }
        // Unplugged: what has no verdict never gets one.
        if self.is_closing && self.offers.next >= self.offers.answered() {
            return Err(UNPLUGGED);
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
            Sent::Unrepeatable => self.counters.unrepeatable += 1,
            Sent::Full => {
                self.port.is_spoiled = true;
                return Err(self.offers.best(self.offers.next).0.byte);
            }
        }
        Ok(())
    }

    /// Whether the peer's first byte after a pause has arrived since the last frame began: it may have come after that one's last poll.
    fn is_called(&self) -> bool {
        let is_long_ago = |frame: u64| frame + PAUSE <= self.frame;
        let (ours, theirs) = (self.offers.next, self.judging.next);
        let last_of_ours = ours.checked_sub(1).and_then(|last| self.offers.get(last));
        let last_of_theirs = theirs.checked_sub(1).and_then(|last| self.judging.get(last));
        let is_new = |call: &Theirs| self.frame <= call.arrived + 1 && call.judged == ours;
        self.judging.get(theirs).is_some_and(is_new)
            && last_of_ours.is_none_or(|own| is_long_ago(own.frame))
            && last_of_theirs.is_none_or(|call| is_long_ago(call.arrived))
    }

    /// Whether the transfer that the game starts is a call that the peer's call has forestalled: on a cable the game would have heard
    /// that before. It reads what an unplugged cable reads, and takes the peer's call when it listens again.
    ///
    /// An offer that was made here all the same, before the call was known, is made again.
    fn yields(&self) -> bool {
        let is_repeated = self
            .offers
            .get(self.offers.next)
            .is_some_and(|own| own.frame == self.frame);
        self.port.is_called && self.port.takes == 0 && !is_repeated
    }

    /// The game reads what is known of the newest offer.
    fn read_newest(&mut self) -> u8 {
        // A game that clocks while an offer waits takes it in the same act: the two will be found to be each other's.
        let made = self.offers.next.saturating_sub(1);
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

    /// Whether the game has read nothing in this frame that is known to be false by now: then the frame will be emulated again.
    fn is_all_true(&mut self) -> bool {
        self.phase != Phase::Running || self.check(self.is_closing).is_none()
    }

    /// Whether the peer's next offer may be taken anew, here in this timeline.
    ///
    /// Only where all own bytes are confirmed: what is taken then depends on nothing that may still change. And only an offer
    /// whose maker had judged exactly these: one that had judged more was made after bytes that this timeline has not sent,
    /// and one that had judged fewer is void, since nobody judges while an own byte is open.
    fn may_take(&mut self) -> bool {
        !self.is_closing
            && self.frame >= self.not_before
            && self.stale() < RARE
            && (self.stale_whole() < RARE_WHOLE || self.port.takes < self.last_takes * 3 / 4)
            && self.offers.are_all_answered()
            && self.is_all_true()
            && self.judging.room() > 0
            && self
                .judging
                .head()
                .is_some_and(|head| head.judged == self.offers.next)
    }
}
