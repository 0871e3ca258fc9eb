//! Rollback: runs the core with predicted bytes and takes it back where a prediction was wrong, as the link's
//! history says.
//!
//! A call of `retro_run` is a correction where one is due (a snapshot loaded, frames replayed unseen), then
//! one live frame, or a stall: the last picture again.

use crate::faults;
use crate::ffi::presenter::{self, presentation};
use crate::ffi::{self, Core, REGISTERS, Stopwatch};
use crate::mid_transfer::{Saver, Snapshot};
use crate::presentation::Presentation;
use crate::save_ram::SaveRam;
use gamelink_core::bridge::rollback::{Boundary, Step};
use gamelink_core::serial::{SerialControl, Shift};
use gamelink_driver::{Cost, Link};
use std::time::Duration;

/// Limit on the steps of one call: eight corrections of forty frames, each with a snapshot, are about 700.
const STEPS_MAX: u32 = 4096;

/// Snapshots and progress of one game in rollback mode.
pub(crate) struct Rollback {
    snapshots: Vec<Snapshot>,
    /// Frame that follows each snapshot.
    starts: Vec<u64>,
    saver: Saver,
    /// Frame that the core runs next.
    next: u64,
}

impl Rollback {
    /// Prepares for a core that has just loaded its game, with states of `state_size` bytes.
    pub(crate) fn new(core: &Core, state_size: usize) -> Rollback {
        let can_repeat = ffi::can_repeat();
        presentation().reset(can_repeat);
        Rollback {
            snapshots: (0..Link::STATES).map(|_| Snapshot::new(state_size)).collect(),
            starts: vec![0; Link::STATES],
            saver: Saver::new(core, state_size),
            next: 0,
        }
    }

    /// True where snapshots can be taken in the middle of a transfer.
    pub(crate) fn has_repairs(&self) -> bool {
        self.saver.has_repairs()
    }

    /// Copies the newest committed snapshot to `out`; false where there is none.
    pub(crate) fn confirmed_snapshot(&self, link: &Link, out: &mut [u8]) -> bool {
        let (confirmed, _) = link.confirmed();
        let state = confirmed
            .and_then(|confirmed| confirmed.state)
            .and_then(|(snapshot_slot, _)| self.snapshots.get(snapshot_slot))
            .map(Snapshot::bytes)
            .filter(|state| state.len() == out.len());
        if let Some(state) = state {
            out.copy_from_slice(state);
        }
        state.is_some()
    }

    /// Replays the recorded inputs up to where the game was: a call that broke off may have left the core in
    /// the past.
    pub(crate) fn catch_up(&self, core: &Core) {
        let end = presentation().recorded_end();
        for frame in self.next..end {
            presenter::frame(|presentation| presentation.begin_replay(frame), || core.run());
        }
    }

    /// Runs the steps of one call of `retro_run`.
    pub(crate) fn call(&mut self, core: &Core, link: &Link, mut save_ram: Option<&mut SaveRam>) -> Shown {
        if let Some(save_ram) = save_ram.as_deref_mut() {
            save_ram.take_over(|from| core.write_save_ram(from));
        }
        let mut shown = Shown::Nothing;
        let mut replays = Replays::begin();
        for _ in 0..STEPS_MAX {
            match link.step() {
                Step::Load { slot } => {
                    replays.handle_load();
                    let is_loaded = self.load(core, slot);
                    faults::place("load");
                    if !is_loaded {
                        log::error!("the stock core refuses its own state");
                        link.jump();
                    }
                }
                Step::Save { token, in_flight } => {
                    faults::place("save");
                    let is_kept = self.save(core, token.slot(), in_flight);
                    link.saved(token, is_kept);
                }
                Step::Replay { frame } => {
                    let begin = |presentation: &mut Presentation<_>| presentation.begin_replay(frame);
                    presenter::frame(begin, || self.run(core, link, frame, save_ram.as_deref_mut()));
                    faults::place("replay");
                    replays.frames += 1;
                }
                Step::Live { frame } => {
                    if replays.frames > 0 {
                        let cost = replays.cost();
                        link.replayed(std::mem::take(&mut replays.frames), cost);
                    }
                    let begin = |presentation: &mut Presentation<_>| presentation.begin_live(frame);
                    presenter::frame(begin, || self.run(core, link, frame, save_ram.as_deref_mut()));
                    faults::place("live");
                    shown = Shown::Live;
                }
                Step::Stall => shown = Shown::Stall,
                Step::Done => break,
            }
        }
        faults::place("present");
        match shown {
            Shown::Live => presenter::show(|presentation| presentation.present(replays.is_corrected)),
            Shown::Stall => presenter::show(Presentation::stall),
            // The link has failed: the game continues without a cable.
            Shown::Nothing => core.run(),
        }
        let (confirmed, oldest) = link.confirmed();
        presentation().release(oldest);
        if let Some(save_ram) = save_ram {
            let frame = confirmed.map(|confirmed| confirmed.frame);
            save_ram.publish(frame, |to| core.read_save_ram(to));
        }
        shown
    }

    fn load(&mut self, core: &Core, slot: usize) -> bool {
        self.next = self.starts.get(slot).copied().unwrap_or(self.next);
        let snapshot = self.snapshots.get(slot);
        snapshot.is_some_and(|snapshot| self.saver.load(core, snapshot))
    }

    fn save(&mut self, core: &Core, slot: usize, shift: Option<Shift>) -> bool {
        if let Some(start) = self.starts.get_mut(slot) {
            *start = self.next;
        }
        let snapshot = self.snapshots.get_mut(slot);
        snapshot.is_some_and(|snapshot| self.saver.save(core, snapshot, shift))
    }

    fn run(&mut self, core: &Core, link: &Link, frame: u64, save_ram: Option<&mut SaveRam>) {
        let before = presentation().progress();
        core.run();
        self.next = frame + 1;
        if let Some(save_ram) = save_ram {
            save_ram.keep(frame, |to| core.read_save_ram(to));
        }
        let has_advanced = presentation().progress() != before;
        faults::place("boundary");
        link.boundary(Boundary {
            has_advanced,
            serial_control: REGISTERS.serial_control().unwrap_or(SerialControl(0)),
            serial_byte: REGISTERS.serial_byte().unwrap_or(0),
        });
    }
}

/// Replays of one call, for the report of their cost.
struct Replays {
    frames: u32,
    /// A snapshot was loaded.
    is_corrected: bool,
    watch: Stopwatch,
    /// The processor time before the first load.
    processor: Option<Duration>,
}

impl Replays {
    fn begin() -> Replays {
        Replays {
            frames: 0,
            is_corrected: false,
            watch: Stopwatch::start(),
            processor: None,
        }
    }

    fn handle_load(&mut self) {
        self.is_corrected = true;
        self.processor = self.processor.or_else(ffi::processor_time);
    }

    fn cost(&self) -> Cost {
        let used = ffi::processor_time().zip(self.processor);
        Cost {
            elapsed: self.watch.elapsed(),
            processor: used.and_then(|(now, before)| now.checked_sub(before)),
        }
    }
}

/// Picture that a call ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// A frame without a cable: the link has failed.
    Nothing,
    /// The game's next frame.
    Live,
    /// The last picture again: the core did not run.
    Stall,
}
