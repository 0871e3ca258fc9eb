//! Notice of wrong predictions: what has become known is compared with what the game was given, and tells the
//! frame that must be emulated again.

use super::history::History;
use super::timeline;
use crate::bridge::exchange::crossing::Crossing;
use crate::protocol::Outcome;
use crate::sequence_numbers::OwnFrame;

/// Cause of a correction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// A byte that the game read was predicted wrong.
    Mispredicted,
    /// A byte that the game took is void: the peer has replaced it, or the link has ended.
    Replaced,
    /// A byte of the peer was due in the past.
    Overdue,
}

/// The oldest frame that must be emulated again, if one must, and why.
pub(super) fn notice(history: &mut History) -> Option<(OwnFrame, Cause)> {
    let mut wrong = history.back_to().map(|frame| (frame, Cause::Replaced));
    if wrong.is_none() {
        pair(history);
        wrong = check(history).map(|frame| (frame, Cause::Mispredicted));
        history.counters.predictions.wrong += u64::from(wrong.is_some());
    }
    // What was due before that would be passed over, and a game that is not asked cannot refuse.
    let due = history.go_back_for_due().map(|frame| (frame, Cause::Overdue));
    wrong.into_iter().chain(due).min_by_key(|(frame, _)| *frame)
}

/// Settles the offers that were predicted right; the frame of the first offer that was not, if there is one.
pub(super) fn check(history: &mut History) -> Option<OwnFrame> {
    let is_closing = history.link.is_closing();
    let outbound = &mut history.outbound;
    while let Some(own) = outbound.first_open() {
        let verdict = match outbound.verdict(outbound.settled()) {
            Some(verdict) => verdict,
            // Unplugged: what has no verdict never gets one.
            None if is_closing => Outcome::Refused,
            None => return None,
        };
        if !are_alike(own.used, verdict) {
            return Some(own.frame);
        }
        outbound.settle();
        history.counters.transfers.exchanged += u64::from(verdict.byte().is_some());
    }
    None
}

/// True if the game and the pairing go on alike after both outcomes.
fn are_alike(one: Outcome, other: Outcome) -> bool {
    one.reads() == other.reads() && one.is_paired() == other.is_paired()
}

/// Pairs offers of both sides that were made at the same instant: each is the other's answer. Where the
/// timeline tells which was made first, that one counts, and the other will be replaced.
///
/// The oldest open offer here and the oldest unjudged one of the peer, where neither maker had judged the
/// other's. Both must be certain: all before them is final on both sides. Then both sides find the same two,
/// whatever the network does.
pub(super) fn pair(history: &mut History) {
    while !history.link.is_closing() && history.back_to().is_none() && check(history).is_none() {
        let (outbound, inbound) = (&history.outbound, &history.inbound);
        let (ours, theirs) = (outbound.answered(), inbound.judged());
        let (Some(&own), Some(&other)) = (outbound.first_unanswered(), inbound.get(theirs)) else {
            return;
        };
        let is_certain = outbound.settled() == ours && inbound.is_pairable();
        let is_crossing = own.judged == theirs && other.judged == ours;
        let shared = other.due.map(|due| due.shared);
        if !is_certain || !is_crossing || timeline::crossing(own.shared(), shared) != Crossing::Pair {
            return;
        }
        history.handle_answer(Outcome::Paired { byte: other.byte });
        history.inbound.judge_pair(own.frame, own.byte);
    }
}
