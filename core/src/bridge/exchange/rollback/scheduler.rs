//! Schedule of one call: corrections, the live frame or a stall, snapshots.

use super::core_requests::{Boundary, SaveToken, Step};
use super::history::History;
use super::misprediction::{self, Cause};
use super::prediction_window::MAX_OPEN_FRAMES;
use super::serial_port::{Frame, Port, Run};
use super::snapshots::Snapshot;
use crate::sequence_numbers::{Number, OwnFrame};

/// Corrections in one call; further ones wait for the next.
const MAX_CORRECTIONS: u32 = 8;

/// Calls of a core that only repeats its picture, in a row, before a replay goes on without the frame.
const MAX_REPEATED_PICTURES: u32 = 4;

/// Age of the newest snapshot, in frames, at which a live one is saved with a transfer in flight and
/// repaired, where that can be done.
const LIVE_REPAIR_AGE: u64 = 8;

/// Calls without news after which the cable counts as idle, a second; then one of `IDLE_SNAPSHOT_PERIOD`
/// boundaries is saved: the first transfer goes back a little further, and an idle link costs next to
/// nothing.
const IDLE_CALLS: u32 = 60;
const IDLE_SNAPSHOT_PERIOD: u64 = 4;

/// Phase of a call; whether a frame of it runs is the port's to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Phase {
    /// No call is under way.
    #[default]
    Between,
    /// The next step has to be found.
    Deciding,
    /// Frames are replayed up to `until`, and nothing is taken anew before `takes_from`.
    Correcting { until: OwnFrame, takes_from: OwnFrame },
    /// The call has its frame, or has stalled.
    Ending,
}

/// The machine that says what the caller does next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Scheduler {
    phase: Phase,
    /// Snapshot to be saved before the phase goes on.
    due: Option<Snapshot>,
    /// Snapshot that the caller saves.
    saving: Option<Snapshot>,
    /// Corrections in this call.
    corrections: u32,
    /// Frames replayed in this call.
    replayed: u32,
    /// Replays in a row that emulated nothing.
    repeats: u32,
    /// The live frame of this call has been undone.
    is_undone: bool,
    /// No snapshot can be saved where the core stands: a transfer is in flight there, or it could not be
    /// kept.
    is_here_unsafe: bool,
}

impl Scheduler {
    pub(super) fn is_between(&self) -> bool {
        self.phase == Phase::Between
    }

    /// Ends the call, or breaks it off.
    pub(super) fn end_call(&mut self) {
        *self = Scheduler {
            is_here_unsafe: self.is_here_unsafe,
            ..Scheduler::default()
        };
    }

    pub(super) fn step(&mut self, history: &mut History, port: &mut Port) -> Step {
        // Where the caller did not say how its last step ended, nothing came of it.
        port.close();
        if let Some(snapshot) = self.saving {
            self.saved(snapshot, false, history);
        }
        if let Some(snapshot) = self.due.take() {
            return self.save(snapshot);
        }
        loop {
            match self.phase {
                Phase::Deciding => {
                    if let Some(step) = self.decide(history, port) {
                        return step;
                    }
                }
                Phase::Correcting { until, takes_from } if history.frame() < until => {
                    port.begin(Run::Replay { takes_from }, history);
                    let frame = history.frame().raw();
                    return Step::Replay { frame };
                }
                Phase::Between | Phase::Correcting { .. } => self.phase = Phase::Deciding,
                Phase::Ending => {
                    tidy(history);
                    self.end_call();
                    return Step::Done;
                }
            }
        }
    }

    pub(super) fn frame_end(&mut self, boundary: Boundary, history: &mut History, port: &mut Port) {
        let Some(frame) = port.close() else { return };
        let has_ended = match self.phase {
            Phase::Correcting { .. } => self.end_replay(boundary, &frame, history),
            Phase::Ending => boundary.has_advanced && self.end_live(&frame, history, port),
            Phase::Between | Phase::Deciding => false,
        };
        if !has_ended {
            return;
        }
        self.keep(boundary, &frame, history);
        if self.phase == Phase::Ending {
            let control = boundary.serial_control;
            let listens = control.is_armed() && !self.is_here_unsafe && history.link.is_open();
            history.announce(listens.then_some(boundary.serial_byte));
        }
    }

    fn save(&mut self, snapshot: Snapshot) -> Step {
        self.saving = Some(snapshot);
        Step::Save {
            token: SaveToken(snapshot),
            in_flight: snapshot.in_flight,
        }
    }

    /// Ends a save; one that was asked for in a call that is over is passed over.
    pub(super) fn saved(&mut self, snapshot: Snapshot, is_kept: bool, history: &mut History) {
        if self.saving.take_if(|saving| *saving == snapshot).is_none() || (is_kept && history.open(snapshot))
        {
            return;
        }
        if is_kept && history.link.is_open() {
            history.snapshots.keep(snapshot);
            history.counters.frames.repaired += u64::from(snapshot.in_flight.is_some());
        } else {
            // A later boundary may be better.
            self.is_here_unsafe = true;
        }
    }

    fn decide(&mut self, history: &mut History, port: &mut Port) -> Option<Step> {
        if history.link.is_open() {
            if let Some((frame, cause)) = misprediction::notice(history) {
                let may_replace = history.link.is_closing() || history.outbound.may_replace();
                if self.corrections < MAX_CORRECTIONS && may_replace {
                    return self.go_back(frame, cause, history);
                }
                return Some(self.stall(history));
            }
            if history.link.is_closing() {
                history.close();
                return None;
            }
            history.release();
        }
        if history.link.is_joining()
            && !self.is_here_unsafe
            && let Some(slot) = history.snapshots.free_slot()
        {
            return Some(self.save(history.snapshot_here(slot, None)));
        }
        let is_late = self.replayed > 0 && !history.window.has_time_after(self.replayed);
        history.counters.frames.slack_stalls += u64::from(is_late);
        if std::mem::take(&mut self.is_undone) || is_late || must_stall(history) {
            return Some(self.stall(history));
        }
        port.begin(Run::Live, history);
        self.phase = Phase::Ending;
        let frame = history.frame().raw();
        Some(Step::Live { frame })
    }

    fn stall(&mut self, history: &mut History) -> Step {
        history.counters.frames.stalls += 1;
        history.window.handle_stall();
        self.phase = Phase::Ending;
        Step::Stall
    }

    fn go_back(&mut self, frame: OwnFrame, cause: Cause, history: &mut History) -> Option<Step> {
        let oldest = history.oldest_open();
        let Some(snapshot) = history.snapshots.go_back(frame) else {
            history.fail();
            return None;
        };
        let until = history.frame();
        self.corrections += 1;
        if self.corrections == 1 {
            history.window.handle_correction(cause);
        }
        let frames = &mut history.counters.frames;
        frames.corrections += 1;
        frames.replaced += u64::from(cause == Cause::Replaced);
        frames.longest_replay = frames.longest_replay.max(until.since(snapshot.frame));
        let takes_from = until.before(history.window.floor()).max(oldest);
        self.phase = Phase::Correcting { until, takes_from };
        history.rewind(&snapshot);
        let slot = snapshot.slot;
        Some(Step::Load { slot })
    }

    /// Ends a replayed frame; true where a snapshot may be saved.
    fn end_replay(&mut self, boundary: Boundary, frame: &Frame, history: &mut History) -> bool {
        if !boundary.has_advanced {
            self.repeats += 1;
            if self.repeats < MAX_REPEATED_PICTURES {
                return false;
            }
            history.counters.unrepeatable += 1;
        }
        self.repeats = 0;
        history.counters.frames.replayed += 1;
        self.replayed += 1;
        history.inbound.repeat_refusals(history.frame());
        history.refuse_passed(frame.known);
        history.next_frame();
        if frame.is_spoiled {
            history.fail();
            self.phase = Phase::Deciding;
        }
        !frame.is_spoiled
    }

    /// Ends the live frame; true where a snapshot may be saved.
    fn end_live(&mut self, frame: &Frame, history: &mut History, port: &mut Port) -> bool {
        if frame.is_spoiled {
            history.counters.frames.undone += 1;
            history.go_back_before(Some(history.frame()));
            self.is_undone = true;
            self.phase = Phase::Deciding;
            return false;
        }
        history.counters.frames.live += 1;
        port.end_live(frame, history);
        history.next_frame();
        true
    }

    /// Asks for a snapshot at this boundary if it is safe, or can be made so by repair.
    fn keep(&mut self, boundary: Boundary, frame: &Frame, history: &mut History) {
        let is_in_flight = frame.is_in_flight(boundary.serial_control);
        self.is_here_unsafe = is_in_flight;
        let is_live = self.phase == Phase::Ending;
        let stale = history.age(history.snapshots.newest());
        let is_idle = is_live && history.quiet() >= IDLE_CALLS && history.oldest_open() == history.frame();
        if is_idle && stale < IDLE_SNAPSHOT_PERIOD {
            return;
        }
        let in_flight = frame.incoming.filter(|_| is_in_flight);
        let may_repair = history.settings.has_repairs && (!is_live || stale >= LIVE_REPAIR_AGE);
        // One that has lasted for more than a frame, as with the display off, is not known any more.
        if !history.link.is_open() || (is_in_flight && !(may_repair && in_flight.is_some())) {
            return;
        }
        if let Some(slot) = history.snapshots.free_slot() {
            self.due = Some(history.snapshot_here(slot, in_flight));
        }
    }
}

/// Withdraws, pairs and releases what can be at the end of a call.
fn tidy(history: &mut History) {
    history.handle_call_end();
    if !history.link.is_open() {
        return;
    }
    history.withdraw_unsent();
    misprediction::pair(history);
    history.release();
    let snapshot = history.snapshots.newest_whole(history.horizon());
    let age = snapshot.map_or(history.frame().raw(), |_| history.age(snapshot));
    let frames = &mut history.counters.frames;
    frames.oldest_snapshot = frames.oldest_snapshot.max(age);
}

/// True if the next frame would be too far ahead of what is known.
fn must_stall(history: &mut History) -> bool {
    if !history.link.is_open() {
        return false;
    }
    let (outbound, inbound, window) = (&history.outbound, &history.inbound, &history.window);
    let age = |frame: OwnFrame| history.frame().since(frame);
    let unanswered = outbound.first_unanswered().map(|own| age(own.told));
    let open = inbound.first_open().map(|judgement| age(judgement.frame));
    let outstanding = outbound.next().since(outbound.answered());
    let is_full = outbound.is_nearly_full() || inbound.is_nearly_full();
    let is_refused = outbound.is_refused();
    let is_ahead = unanswered.is_some_and(|age| age >= window.clocking(is_refused))
        || open.is_some_and(|age| age >= window.armed());
    let is_for_slack = is_ahead && window.is_for_slack(unanswered, open, is_refused);
    // The age by which the window counts begins anew with each answer to what was due in the past.
    let made = outbound.first_unanswered().map(|own| age(own.frame));
    let must_wait = history.settings.is_leading
        || is_ahead
        || made.is_some_and(|age| age >= MAX_OPEN_FRAMES)
        || (!history.timeline.is_shared() && outstanding > window.most_outstanding())
        || is_full;
    if is_full && unanswered.is_none() && open.is_none() {
        // Nothing is open, yet the history cannot be let go: no boundary has been safe for seconds.
        history.fail();
        return false;
    }
    history.counters.frames.slack_stalls += u64::from(is_for_slack);
    // An offer waits for its moment, which is known to a frame.
    let spare = u64::from(history.timeline.is_shared());
    if !must_wait && history.window.must_drain(spare) {
        history.counters.frames.drained += 1;
        return true;
    }
    must_wait
}
