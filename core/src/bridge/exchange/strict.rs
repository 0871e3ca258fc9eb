//! The strict exchange: the game that clocks waits for its byte, and nothing is ever taken back.
//!
//! It serves where either side keeps no snapshots. The verdict on an offer is given by the side that did not
//! make it, in the order of the offers. Where both sides' offers cross on the wire, each carries how many of
//! the other's its maker had judged, so both sides pair the same two. No request is ended twice, no offer
//! judged twice or out of order, whatever the network does. How long a game waits is decided outside, by the
//! table of waits.

mod calls;
mod looks;
mod pauses;
mod peer;

use self::calls::Calls;
use self::looks::Looks;
use self::pauses::Pauses;
use super::conversation::Conversation;
use super::pause::Made;
use super::{Context, Effects, Frame, Limit};
use crate::protocol::{Header, Offer, Outcome, Verdict, Writer};
use crate::sequence_numbers::{Number, OwnChunk, OwnOffer, PeerOffer};
use crate::serial::{GamePort, Look, Request, Speed, UNPLUGGED};
use crate::time::{FrameTime, LocalTime};

/// Frame boundaries without an armed game after which an offer is refused, where the game did not listen in
/// between either: three of them enclose two whole frames.
const UNARMED_LIMIT: u8 = 3;

/// One end of the strict exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Strict {
    /// Number of each side's first offer.
    first: u64,
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
    /// An offer was refused here: the peer is told as soon as the game listens again.
    has_refused: bool,
    /// A reply to a byte of the previous session is still due; it is discarded.
    has_orphan: bool,
    /// Frames that were emulated before the one that runs.
    frame: u64,
    calls: Calls,
    looks: Looks,
    pauses: Pauses,
    pub(super) conversation: Conversation,
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

impl Strict {
    /// A state in which only what the core may still hold is kept: that cannot be taken back, and its answer
    /// is for nobody.
    pub(super) fn restarted(&self) -> Strict {
        let mut strict = Strict {
            has_orphan: !self.is_quiet(),
            ..Strict::default()
        };
        strict.count_from(self.first);
        strict
    }

    /// Begins at this number, now and with each further peer.
    pub(super) fn count_from(&mut self, first: u64) {
        self.first = first;
        (self.next, self.judged) = (OwnOffer::new(first), PeerOffer::new(first));
    }

    /// A session begins; calls that cross are ordered by our clock, or by the peer's.
    pub(super) fn plug(&mut self, is_keeper: bool) {
        self.calls.plug(is_keeper);
    }

    /// The peer is another one than before.
    pub(super) fn forget_peer(&mut self) {
        let mut conversation = std::mem::take(&mut self.conversation);
        conversation.next_link();
        *self = Strict {
            frame: self.frame,
            calls: self.calls,
            looks: self.looks,
            conversation,
            ..self.restarted()
        };
    }

    /// The link is down: an offer that waits is forgotten, unjudged. A peer that still means it repeats it.
    pub(super) fn unplug(&mut self) {
        if self.is_offer_waiting() {
            self.incoming = Incoming::None;
        }
    }

    /// The wait for the open offer is over.
    pub(super) fn give_up(&mut self) {
        if let Some(ours) = self.pending.take() {
            self.given_up = Some(OwnOffer::new(ours.id));
            self.conversation.own_unplugged(ours, UNPLUGGED);
        }
    }

    /// The core's connection was replaced: what had been delivered to it is delivered again, unless its maker
    /// has ended it.
    pub(super) fn handle_reconnect(&mut self) {
        self.has_orphan = false;
        if let Incoming::Delivered { offer } = self.incoming {
            self.incoming = if self.is_judged(offer) {
                Incoming::None
            } else {
                Incoming::Waiting { offer, unarmed: 0 }
            };
        }
        // A game that waited has lost its socket and read 0xFF from the core itself.
        self.give_up();
    }

    pub(super) fn is_offer_waiting(&self) -> bool {
        matches!(self.incoming, Incoming::Waiting { .. })
    }

    /// True if the core holds no byte that it has not answered.
    pub(super) fn is_quiet(&self) -> bool {
        !matches!(self.incoming, Incoming::Delivered { .. }) && !self.has_orphan
    }

    pub(super) fn request(
        &mut self,
        context: &mut Context<'_>,
        Request { byte, speed, time }: Request,
        is_torn: bool,
    ) -> Effects {
        let counters = &mut context.counters.transfers;
        counters.requests += 1;
        counters.torn += u64::from(is_torn);
        if std::mem::take(&mut self.has_orphan) {
            // It reads the byte that was already in its socket.
            context.counters.stray_replies += 1;
            return Effects::default();
        }
        self.pauses.handle_request(self.moment(time));
        let is_call = self.looks.is_listener(self.frame) && self.calls.is_pause(context.now);
        // The peer's call came first, and on a cable the game would have heard it by now: it reads what an
        // unplugged cable reads, and takes the call when it listens again.
        if is_call && self.is_offer_waiting() {
            return self.read_unplugged(context, (byte, speed));
        }
        // A core asks again while a request is open only when its connection broke under it.
        self.give_up();
        match self.incoming {
            Incoming::Delivered { offer } | Incoming::Waiting { offer, .. } => {
                counters.count_pair();
                self.calls.handle_byte(context.now);
                // What has been handed over is in its socket already.
                let read = self.is_offer_waiting().then_some(offer.byte);
                self.judge(offer, Outcome::Taken { byte });
                Effects {
                    read,
                    ..Effects::transmit()
                }
            }
            Incoming::None if context.is_linked && context.liveness.may_offer() => {
                counters.offered += 1;
                let offer = Offer {
                    id: self.next.raw(),
                    byte,
                    speed,
                    frame: self.frame,
                    judged: self.judged.raw(),
                    called: self
                        .calls
                        .moment(context.now, context.clock_offset)
                        .filter(|_| is_call),
                    ..Offer::default()
                };
                self.pending = Some(self.pauses.complete(offer, time));
                self.next = self.next.next();
                Effects {
                    wait: Some(Limit::Table),
                    ..Effects::transmit()
                }
            }
            Incoming::None => self.read_unplugged(context, (byte, speed)),
        }
    }

    /// The game reads an unplugged cable at once.
    fn read_unplugged(&mut self, context: &mut Context<'_>, transfer: (u8, Speed)) -> Effects {
        context.counters.transfers.unplugged += 1;
        if context.is_linked {
            self.conversation.unheard(self.next, self.judged, transfer);
        }
        Effects::read(UNPLUGGED)
    }

    /// The core looks for a byte.
    pub(super) fn poll(
        &mut self,
        now: LocalTime,
        look: Look,
        time: Option<FrameTime>,
    ) -> Option<(u8, Speed)> {
        if look == Look::Access {
            return None;
        }
        self.handle_look();
        self.pauses.handle_look(self.moment(time));
        self.poll_again(now)
    }

    /// The moment of our own time at which the core calls.
    fn moment(&self, time: Option<FrameTime>) -> Option<Made<OwnChunk>> {
        Some(Made::at(self.frame, time?))
    }

    /// The core's event loop looks for a byte.
    pub(super) fn handle_look(&mut self) {
        self.looks.handle_look(self.frame);
    }

    pub(super) fn poll_again(&mut self, now: LocalTime) -> Option<(u8, Speed)> {
        let Incoming::Waiting { offer, .. } = self.incoming else {
            return None;
        };
        // A game's own code of each frame comes right after the frame's first look, and at a title that
        // writes SB and SC, or calls itself: a call is taken at the place in the frame at which it was made.
        let is_call = self.calls.is_pause(now);
        let is_kept = self.has_orphan || (is_call && self.looks.passes(self.pauses.is_too_soon(&offer)));
        if is_kept || !self.pauses.may_take(&offer) {
            return None;
        }
        self.incoming = Incoming::Delivered { offer };
        Some((offer.byte, offer.speed))
    }

    pub(super) fn reply(&mut self, context: &mut Context<'_>, byte: u8) -> Effects {
        self.calls.handle_byte(context.now);
        let is_orphan = std::mem::take(&mut self.has_orphan);
        let offer = match self.incoming {
            Incoming::Delivered { offer } if !is_orphan => offer,
            _ => {
                context.counters.stray_replies += 1;
                return Effects::default();
            }
        };
        context.counters.transfers.peer_taken += 1;
        self.has_refused = false;
        self.pauses.handle_take(&offer);
        let is_out_of_step = self.is_judged(offer);
        self.judge(offer, Outcome::Taken { byte });
        Effects {
            has_taken: true,
            is_out_of_step,
            ..Effects::transmit()
        }
    }

    pub(super) fn frame_start(&mut self, context: &mut Context<'_>, frame: Frame) -> Effects {
        self.frame = frame.number;
        self.conversation.handle_frame(frame.number);
        let has_listened = self.looks.begin_frame();
        let mut effects = Effects::default();
        if frame.is_armed == Some(true) && !frame.was_armed && std::mem::take(&mut self.has_refused) {
            // The peer stopped offering: tell it at once that somebody listens.
            effects.transmit = true;
        }
        // A game that already has a byte cannot be given another.
        let is_armed = if self.has_orphan {
            Some(false)
        } else {
            frame.is_armed
        };
        // A call that emulated nothing gave the game no chance to arm.
        if !frame.has_advanced && is_armed == Some(false) {
            return effects;
        }
        // The peer's game may still wait for the verdict, and a lost datagram must not look like a stopped
        // machine.
        effects.transmit |= context.is_linked && self.verdict.is_some();
        let Incoming::Waiting { offer, unarmed } = self.incoming else {
            return effects;
        };
        if is_armed != Some(false) && frame.port == GamePort::Loopback {
            self.incoming = Incoming::Delivered { offer };
            effects.deliver = Some((offer.byte, offer.speed));
            return effects;
        }
        // On the direct port a game that listens looks for the byte itself, even if it no longer does by now.
        let is_deaf = is_armed == Some(false) && !has_listened;
        let unarmed = if is_deaf { unarmed + 1 } else { 0 };
        self.incoming = Incoming::Waiting { offer, unarmed };
        effects.transmit |= unarmed > 0;
        if unarmed >= UNARMED_LIMIT {
            self.judge(offer, Outcome::Refused);
            self.has_refused = true;
            context.counters.transfers.peer_refused += 1;
        }
        effects
    }

    pub(super) fn write_header(&self, header: &mut Header) {
        header.judged = self.judged.raw();
        header.settled = self.next.before(u64::from(self.pending.is_some())).raw();
    }

    pub(super) fn write_events(&self, writer: &mut Writer<'_>) {
        writer.verdicts(self.verdict.into_iter());
        writer.offers(self.pending.into_iter());
    }

    /// True if the offer has ended, by a verdict given here or because its maker gave it up.
    fn is_judged(&self, offer: Offer) -> bool {
        PeerOffer::new(offer.id) < self.judged
    }

    fn judge(&mut self, offer: Offer, outcome: Outcome) {
        self.incoming = Incoming::None;
        self.conversation.of_peer_now(offer, outcome);
        let id = offer.id;
        self.judged = self.judged.max(PeerOffer::new(id).next());
        self.verdict = Some(Verdict { id, outcome });
    }
}

#[cfg(test)]
mod tests;
