//! Offers and verdicts: which byte of one game meets which byte of the other, decided once.
//!
//! The verdict on an offer is given by the side that did not make it, in the order of the offers. Where both
//! sides' offers cross on the wire, each carries how many of the other's its maker had judged, so both sides
//! pair the same two. Nothing here knows of time: waiting and giving up are decided outside (the waiting
//! table).
//!
//! No request is ended twice, no offer judged twice or out of order, whatever the network
//! does.

use crate::number::{Number, OwnOffer, PeerOffer};
use crate::protocol::{Offer, Outcome, Verdict};
use crate::serial::{Speed, UNPLUGGED};

/// One side's half of the exchange, strict: the game that clocks waits for its byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Transfer {
    /// Number of this side's next offer.
    next: OwnOffer,
    /// This side's open offer; its game waits for the byte.
    pending: Option<Offer>,
    /// This side's newest offer that ended without a verdict.
    given_up: Option<OwnOffer>,
    /// Number of the peer's next offer to be judged.
    judged: PeerOffer,
    incoming: Incoming,
    /// The newest verdict, repeated until the peer has settled its offer.
    verdict: Option<Verdict>,
}

/// State of the peer's open offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
enum Incoming {
    #[default]
    None,
    /// Waits for the game to arm; `unarmed` frame boundaries have passed meanwhile.
    Waiting { offer: Offer, unarmed: u8 },
    /// The game has it and answers next.
    Delivered { offer: Offer },
}

/// Frame boundaries without an armed game after which an offer is refused: three of them enclose two whole
/// frames.
const UNARMED_LIMIT: u8 = 3;

/// Effect of a game's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// An offer is open: transmit it, the game waits.
    Offered,
    /// The game reads this byte now and the peer's waiting offer is judged.
    Completed(u8),
    /// The game reads 0xFF: nothing was offered.
    Unplugged,
    /// The game reads the peer's byte, which the port had already handed to it; nothing more is written to
    /// it.
    TookDelivered,
}

/// Effect of an incoming offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Waits for the game.
    Waiting,
    /// Known already: the peer lacks something, so answer it.
    Repeated,
    /// Crossed this side's open offer: the game reads this byte now.
    Paired(u8),
    /// Its numbers make no sense.
    Nonsense,
}

/// Effect of an incoming verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The game reads this byte now.
    Completed(u8),
    /// The game reads 0xFF now: the peer's game was not listening.
    Refused,
    /// Known already.
    Repeated,
    /// The peer's game took a byte that this side had given up on: the two games may now disagree.
    TooLate,
    /// On an offer that was never made.
    Nonsense,
}

/// Effect of a frame boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundary {
    /// Nothing waits.
    Idle,
    /// An offer goes on waiting.
    Waiting,
    /// Hand this byte to the game now; it is listening.
    Deliver(u8, Speed),
    /// The waiting offer was refused.
    Refused,
}

/// Effect of the game's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The delivered offer is judged.
    Taken,
    /// Judged, but the peer had ended it before: the two games may now disagree.
    TooLate,
    /// Nothing had been delivered.
    Stray,
}

impl Transfer {
    /// The game starts a transfer with its internal clock.
    ///
    /// `may_offer` is what the waiting table says. A request while one is open abandons the older one: a core
    /// does that only when its connection broke under it.
    pub fn request(&mut self, byte: u8, speed: Speed, frame: u64, may_offer: bool) -> Request {
        self.give_up();
        match self.incoming {
            Incoming::Delivered { offer } => {
                self.judge(offer.id, Outcome::Taken { byte });
                Request::TookDelivered
            }
            Incoming::Waiting { offer, .. } => {
                self.judge(offer.id, Outcome::Taken { byte });
                Request::Completed(offer.byte)
            }
            Incoming::None if may_offer => {
                self.pending = Some(Offer {
                    id: self.next.raw(),
                    byte,
                    speed,
                    frame,
                    judged: self.judged.raw(),
                });
                self.next = self.next.next();
                Request::Offered
            }
            Incoming::None => Request::Unplugged,
        }
    }

    /// An offer arrived. Call [`handle_settled`](Self::handle_settled) with the same datagram's header
    /// before, and [`handle_verdict`](Self::handle_verdict) with its verdicts after.
    pub fn handle_offer(&mut self, offer: Offer) -> Arrival {
        let (id, judged) = (PeerOffer::new(offer.id), OwnOffer::new(offer.judged));
        if id < self.judged {
            return Arrival::Repeated;
        }
        // The peer makes its next offer only after the one before has ended, and says so in the same
        // datagram.
        if id > self.judged || judged > self.next {
            return Arrival::Nonsense;
        }
        if self.incoming != Incoming::None {
            return Arrival::Repeated;
        }
        match self.pending {
            // The peer made this without having judged ours, and ours was made without having judged this
            // one.
            Some(ours) if judged <= OwnOffer::new(ours.id) => {
                self.judge(offer.id, Outcome::Paired { byte: ours.byte });
                self.pending = None;
                Arrival::Paired(offer.byte)
            }
            _ => {
                self.incoming = Incoming::Waiting { offer, unarmed: 0 };
                Arrival::Waiting
            }
        }
    }

    /// A verdict arrived.
    pub fn handle_verdict(&mut self, verdict: Verdict) -> Judgement {
        let id = OwnOffer::new(verdict.id);
        match self.pending {
            Some(ours) if ours.id == verdict.id => {
                self.pending = None;
                verdict
                    .outcome
                    .byte()
                    .map_or(Judgement::Refused, Judgement::Completed)
            }
            _ if id >= self.next => Judgement::Nonsense,
            _ if self.given_up == Some(id) => {
                self.given_up = None;
                match verdict.outcome {
                    Outcome::Taken { .. } | Outcome::Paired { .. } => Judgement::TooLate,
                    Outcome::Refused => Judgement::Repeated,
                }
            }
            _ => Judgement::Repeated,
        }
    }

    /// The peer says how many of its offers have ended, by a verdict or otherwise. True if it withdrew one
    /// that waited.
    pub fn handle_settled(&mut self, settled: u64) -> bool {
        let is_settled = |id| PeerOffer::new(id) < PeerOffer::new(settled);
        if self.verdict.is_some_and(|verdict| is_settled(verdict.id)) {
            self.verdict = None;
        }
        if PeerOffer::new(settled) <= self.judged {
            return false;
        }
        self.judged = PeerOffer::new(settled);
        let is_withdrawn = matches!(self.incoming, Incoming::Waiting { offer, .. } if is_settled(offer.id));
        if is_withdrawn {
            self.incoming = Incoming::None;
        }
        is_withdrawn
    }

    /// The emulation stands between two frames; `is_armed` is what the game's SC says, `None` where it cannot
    /// be seen.
    pub fn handle_boundary(&mut self, is_armed: Option<bool>) -> Boundary {
        let Incoming::Waiting { offer, unarmed } = self.incoming else {
            return Boundary::Idle;
        };
        if is_armed != Some(false) {
            self.incoming = Incoming::Delivered { offer };
            return Boundary::Deliver(offer.byte, offer.speed);
        }
        let unarmed = unarmed.saturating_add(1);
        if unarmed >= UNARMED_LIMIT {
            self.judge(offer.id, Outcome::Refused);
            return Boundary::Refused;
        }
        self.incoming = Incoming::Waiting { offer, unarmed };
        Boundary::Waiting
    }

    /// The emulation stands between two frames, and a game that listens looks for the byte itself.
    pub fn handle_armed(&mut self) {
        if let Incoming::Waiting { unarmed, .. } = &mut self.incoming {
            *unarmed = 0;
        }
    }

    /// The game answered what was delivered to it.
    pub fn handle_reply(&mut self, byte: u8) -> Reply {
        let Incoming::Delivered { offer } = self.incoming else {
            return Reply::Stray;
        };
        let is_late = PeerOffer::new(offer.id) < self.judged;
        self.judge(offer.id, Outcome::Taken { byte });
        if is_late { Reply::TooLate } else { Reply::Taken }
    }

    /// Ends the open request, if there is one: the game reads [`UNPLUGGED`] now.
    pub fn give_up(&mut self) -> Option<u8> {
        let ours = self.pending.take()?;
        self.given_up = Some(OwnOffer::new(ours.id));
        Some(UNPLUGGED)
    }

    /// The core's connection was replaced: what had been delivered to it is delivered again.
    pub fn redeliver(&mut self) {
        if let Incoming::Delivered { offer } = self.incoming {
            self.incoming = if PeerOffer::new(offer.id) < self.judged {
                Incoming::None
            } else {
                Incoming::Waiting { offer, unarmed: 0 }
            };
        }
    }

    /// The link is down: an offer that waits is forgotten, unjudged. A peer that still means it repeats it.
    pub fn forget_waiting(&mut self) {
        if self.is_offer_waiting() {
            self.incoming = Incoming::None;
        }
    }

    /// This side's open offer, to be repeated in every datagram.
    #[must_use]
    pub fn pending(&self) -> Option<Offer> {
        self.pending
    }

    /// The newest verdict while the peer may lack it, to be repeated in every datagram.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        self.verdict
    }

    /// Number of the peer's offers that have been judged here.
    #[must_use]
    pub fn judged(&self) -> u64 {
        self.judged.raw()
    }

    /// Number of this side's offers that have ended.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.next.before(u64::from(self.pending.is_some())).raw()
    }

    /// True if an offer of the peer waits for the game.
    #[must_use]
    pub fn is_offer_waiting(&self) -> bool {
        matches!(self.incoming, Incoming::Waiting { .. })
    }

    /// True if a byte has been handed to the game and not yet answered.
    #[must_use]
    pub fn is_delivered(&self) -> bool {
        matches!(self.incoming, Incoming::Delivered { .. })
    }

    fn judge(&mut self, id: u64, outcome: Outcome) {
        self.incoming = Incoming::None;
        self.judged = self.judged.max(PeerOffer::new(id).next());
        self.verdict = Some(Verdict { id, outcome });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that a datagram of `from` says, delivered to `to`; what `to`'s game reads because of it.
    fn carry(from: &Transfer, to: &mut Transfer) -> Option<u8> {
        let mut read = None;
        to.handle_settled(from.settled());
        if let Some(offer) = from.pending()
            && let Arrival::Paired(byte) = to.handle_offer(offer)
        {
            read = Some(byte);
        }
        if let Some(verdict) = from.verdict() {
            match to.handle_verdict(verdict) {
                Judgement::Completed(byte) => assert_eq!(read.replace(byte), None),
                Judgement::Refused => assert_eq!(read.replace(UNPLUGGED), None),
                Judgement::Repeated => {}
                other => panic!("{other:?}"),
            }
        }
        read
    }

    fn ask(side: &mut Transfer, byte: u8) -> Request {
        side.request(byte, Speed::Normal, 0, true)
    }

    #[test]
    fn an_armed_game_takes_the_byte_and_gives_its_own() {
        let (mut a, mut b) = (Transfer::default(), Transfer::default());
        assert_eq!(ask(&mut a, 1), Request::Offered);
        assert_eq!(carry(&a, &mut b), None);
        assert_eq!(b.handle_boundary(Some(true)), Boundary::Deliver(1, Speed::Normal));
        assert_eq!(b.handle_reply(2), Reply::Taken);
        assert_eq!(carry(&b, &mut a), Some(2));
        assert_eq!(carry(&b, &mut a), None, "a repeated verdict says nothing new");
        assert_eq!(carry(&a, &mut b), None);
        assert_eq!(b.verdict(), None, "the peer has it: no need to repeat it");
    }

    #[test]
    fn two_whole_frames_without_arming_refuse() {
        let (mut a, mut b) = (Transfer::default(), Transfer::default());
        ask(&mut a, 1);
        carry(&a, &mut b);
        assert_eq!(b.handle_boundary(Some(false)), Boundary::Waiting);
        assert_eq!(b.handle_boundary(Some(false)), Boundary::Waiting);
        assert_eq!(b.handle_boundary(Some(false)), Boundary::Refused);
        assert_eq!(carry(&b, &mut a), Some(UNPLUGGED));
    }

    #[test]
    fn a_game_that_clocks_takes_the_waiting_offer_in_the_same_act() {
        let (mut a, mut b) = (Transfer::default(), Transfer::default());
        ask(&mut a, 1);
        carry(&a, &mut b);
        assert_eq!(ask(&mut b, 2), Request::Completed(1));
        assert_eq!(carry(&b, &mut a), Some(2));
    }

    #[test]
    fn offers_that_cross_are_paired_by_both_sides() {
        for late in [false, true] {
            let (mut a, mut b) = (Transfer::default(), Transfer::default());
            ask(&mut a, 1);
            ask(&mut b, 2);
            let before = a.clone();
            assert_eq!(carry(&b, &mut a), Some(2));
            // Whether B hears of A's offer, of A's verdict, or of A's next offer first: the pair is the same.
            if late {
                ask(&mut a, 3);
                assert_eq!(carry(&a, &mut b), Some(1));
                assert!(b.is_offer_waiting());
            } else {
                assert_eq!(carry(&before, &mut b), Some(1));
                assert_eq!(carry(&a, &mut b), None);
            }
        }
    }

    #[test]
    fn an_offer_made_after_judging_ours_waits_for_its_turn() {
        let (mut a, mut b) = (Transfer::default(), Transfer::default());
        ask(&mut a, 1);
        carry(&a, &mut b);
        b.handle_boundary(Some(true));
        b.handle_reply(2);
        ask(&mut b, 3); // the verdict on A's offer is still on its way
        assert_eq!(carry(&b, &mut a), Some(2));
        assert!(a.is_offer_waiting());
        assert_eq!(ask(&mut a, 4), Request::Completed(3));
        assert_eq!(carry(&a, &mut b), Some(4));
    }

    #[test]
    fn a_request_given_up_is_withdrawn_at_the_peer() {
        let (mut a, mut b) = (Transfer::default(), Transfer::default());
        ask(&mut a, 1);
        carry(&a, &mut b);
        assert_eq!(a.give_up(), Some(UNPLUGGED));
        assert_eq!(a.give_up(), None);
        assert_eq!(carry(&a, &mut b), None);
        assert_eq!(b.handle_boundary(Some(true)), Boundary::Idle);
        ask(&mut a, 5);
        carry(&a, &mut b);
        assert_eq!(b.handle_boundary(Some(true)), Boundary::Deliver(5, Speed::Normal));
    }

    #[test]
    fn a_byte_taken_after_it_was_given_up_is_told() {
        let (mut a, mut b) = (Transfer::default(), Transfer::default());
        ask(&mut a, 1);
        carry(&a, &mut b);
        b.handle_boundary(Some(true));
        a.give_up();
        b.handle_reply(2);
        let verdict = b.verdict().unwrap();
        assert_eq!(a.handle_verdict(verdict), Judgement::TooLate);
        assert_eq!(a.handle_verdict(verdict), Judgement::Repeated, "told once");
    }

    #[test]
    fn a_request_that_meets_a_delivered_byte_reads_it() {
        let (mut a, mut b) = (Transfer::default(), Transfer::default());
        ask(&mut a, 1);
        carry(&a, &mut b);
        b.handle_boundary(None);
        assert_eq!(ask(&mut b, 9), Request::TookDelivered);
        assert_eq!(carry(&b, &mut a), Some(9));
    }

    #[test]
    fn numbers_from_nowhere_are_nonsense() {
        let mut a = Transfer::default();
        let offer = Offer {
            id: 7,
            byte: 0,
            speed: Speed::Normal,
            frame: 0,
            judged: 0,
        };
        assert_eq!(a.handle_offer(offer), Arrival::Nonsense);
        assert_eq!(
            a.handle_offer(Offer {
                id: 0,
                judged: 9,
                ..offer
            }),
            Arrival::Nonsense
        );
        assert_eq!(
            a.handle_verdict(Verdict {
                id: 0,
                outcome: Outcome::Refused
            }),
            Judgement::Nonsense
        );
        assert!(!a.handle_settled(u64::MAX));
        assert_eq!(
            a.handle_offer(Offer {
                id: u64::MAX,
                ..offer
            }),
            Arrival::Waiting
        );
        assert_eq!(a.handle_boundary(None), Boundary::Deliver(0, Speed::Normal));
        assert_eq!(a.handle_reply(0), Reply::Taken);
    }
}
