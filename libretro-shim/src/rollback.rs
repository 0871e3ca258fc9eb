//! Rollback: runs the core with predicted bytes and takes it back where a prediction was wrong, as the link's
//! history says.
//!
//! A call of `retro_run` is a correction where one is due (a snapshot loaded, frames replayed unseen), then
//! one live frame, or a stall: the last picture again.

use crate::fail_points;
use crate::ffi::core_callbacks::{self, presentation};
use crate::ffi::work_ram::WorkRam;
use crate::ffi::{self, Core, REGISTERS, Stopwatch};
use crate::mid_transfer::{Layout, Saver, Snapshot};
use crate::presentation::Presentation;
use crate::settled_memory::SettledMemory;
use crate::strict::{Call, LeavableFrame, Progress};
use gamelink_core::bridge::rollback::{Boundary, Confirmed, Step};
use gamelink_core::serial::{SerialControl, Shift};
use gamelink_driver::{Cost, Link};
use std::sync::Arc;
use std::time::Duration;

/// Limit on the steps of one call: eight corrections of forty frames, each with a snapshot, are about 700.
const STEPS_MAX: u32 = 4096;

/// Snapshots and progress of one game in rollback mode.
pub(crate) struct Rollback {
    /// [`Link::STATES`], one a slot, each with the frame that follows it.
    snapshots: Vec<(u64, Snapshot)>,
    saver: Saver,
    /// The frontend's view of battery RAM.
    save_ram: Option<SettledMemory>,
    /// The core's work RAM, and the frontend's view of it.
    work_ram: Option<(WorkRam, SettledMemory)>,
    /// Frame that the core runs next.
    next: u64,
    /// The core tells the time inside its frames, as the link knows.
    has_clock: bool,
}

impl Rollback {
    /// Prepares for a core that has just loaded its game, with states of this layout and size, and tells the
    /// link.
    pub(crate) fn new(core: &Core, link: &Link, layout: Layout, state_size: usize) -> Rollback {
        let saver = Saver::new(core, layout, state_size);
        link.set_rollback(true);
        let has_repairs = saver.has_repairs();
        link.set_repairs(has_repairs);
        log::info!("link cable: rollback mode, mid-transfer snapshots={has_repairs}");
        Rollback {
            snapshots: vec![(0, Snapshot::default()); Link::STATES],
            saver,
            save_ram: core.save_ram().map(|now| {
                let mut save_ram = SettledMemory::new(now);
                ffi::save_ram::publish(save_ram.public());
                save_ram
            }),
            work_ram: WorkRam::of_map().map(|ram| {
                let mut settled = SettledMemory::new(ram.now());
                ram.announce(settled.public());
                (ram, settled)
            }),
            next: 0,
            has_clock: false,
        }
    }

    /// Copies the newest committed snapshot to `out`; false where there is none of that size.
    pub(crate) fn copy_confirmed(&self, confirmed: Confirmed, out: &mut [u8]) -> bool {
        let state = confirmed.state;
        state.is_some_and(|(slot, _)| self.snapshots[slot].1.copy_to(out))
    }

    /// Replays the recorded inputs up to where the game was: a call that broke off may have left the core in
    /// the past.
    fn catch_up(&self, core: &Core) {
        let end = presentation().recorded_end();
        for frame in self.next..end {
            core_callbacks::frame(|presentation| presentation.begin_replay(frame), || core.run());
        }
    }

    /// Runs one call of `retro_run`, without the link after a panic; `leavable` where its game may wait in
    /// its frame.
    pub(crate) fn call(
        &mut self,
        core: &Arc<Core>,
        link: Option<&Link>,
        leavable: Option<&mut LeavableFrame>,
    ) -> Call {
        if leavable.as_ref().is_none_or(|leavable| !leavable.is_open()) {
            self.take_over_writes(core);
        }
        let (call, confirmed) = self.emulate(core, link, leavable);
        if call != Call::Wait {
            self.publish(core, confirmed);
        }
        call
    }

    /// Ends the frame in which the game waits, if it does, on an unplugged cable: the core is about to be
    /// called.
    pub(crate) fn finish_frame(&mut self, core: &Core, link: Option<&Link>, leavable: &mut LeavableFrame) {
        if leavable.finish()
            && let Some(link) = link
        {
            self.handle_run(core, link, leavable.number(), leavable.has_advanced());
            // The call that began the frame is over with it. No state is asked for: nothing is predicted
            // here.
            let step = link.step();
            debug_assert_eq!(step, Step::Done);
        }
    }

    /// Gives the core what the frontend has written to battery and work RAM.
    fn take_over_writes(&mut self, core: &Core) {
        if let Some(save_ram) = &mut self.save_ram {
            ffi::guard((), || save_ram.take_over(|changes| core.write_save_ram(changes)));
        }
        if let Some((ram, settled)) = &mut self.work_ram {
            ffi::guard((), || settled.take_over(|changes| ram.write(changes)));
        }
    }

    /// Shows the frontend battery and work RAM as they are committed.
    fn publish(&mut self, core: &Core, confirmed: Option<u64>) {
        if let Some(save_ram) = &mut self.save_ram {
            ffi::guard((), || save_ram.publish(confirmed, |to| core.read_save_ram(to)));
        }
        if let Some((ram, settled)) = &mut self.work_ram {
            ffi::guard((), || settled.publish_next(confirmed, |to| ram.read(to)));
        }
    }

    fn emulate(
        &mut self,
        core: &Arc<Core>,
        link: Option<&Link>,
        mut leavable: Option<&mut LeavableFrame>,
    ) -> (Call, Option<u64>) {
        if let Some(link) = link {
            let run = || Some(self.run_steps(core, link, leavable.as_deref_mut()));
            if let Some(result) = ffi::guard(None, run) {
                return result;
            }
        }
        // Unplugged from here on; the bytes that the game was given so far stand.
        if let Some(leavable) = leavable {
            leavable.finish();
        }
        if link.is_some() {
            ffi::guard((), || self.catch_up(core));
        }
        core.run();
        (Call::Frame, None)
    }

    /// Runs the steps of one call. Returns what it did, and the frame before which all is committed, `None`
    /// where everything is.
    fn run_steps(
        &mut self,
        core: &Arc<Core>,
        link: &Link,
        mut leavable: Option<&mut LeavableFrame>,
    ) -> (Call, Option<u64>) {
        if std::mem::replace(&mut self.has_clock, core.has_clock()) != core.has_clock() {
            link.set_clock(core.has_clock());
        }
        let watch = Stopwatch::start();
        let (mut call, mut is_corrected, mut replayed, mut processor) = (None, false, 0, None);
        if let Some(leavable) = leavable.as_deref_mut().filter(|leavable| leavable.is_open()) {
            if leavable.go_on() == Progress::Left {
                return wait();
            }
            self.handle_run(core, link, leavable.number(), leavable.has_advanced());
            call = Some(Call::Frame);
        }
        for _ in 0..STEPS_MAX {
            match link.step() {
                Step::Load { slot } => {
                    is_corrected = true;
                    processor = processor.or_else(ffi::processor_time);
                    let is_loaded = self.load(core, slot);
                    fail_points::place("load");
                    if !is_loaded {
                        log::error!("the stock core refuses its own state");
                        link.jump();
                    }
                }
                Step::Save { token, in_flight } => {
                    fail_points::place("save");
                    let is_kept = self.save(core, token.slot(), in_flight);
                    link.saved(token, is_kept);
                }
                Step::Replay { frame } => {
                    let begin = |presentation: &mut Presentation<_>| presentation.begin_replay(frame);
                    core_callbacks::frame(begin, || self.run(core, link, frame));
                    fail_points::place("replay");
                    replayed += 1;
                }
                Step::Live { frame } => {
                    report_replays(link, std::mem::take(&mut replayed), &watch, processor);
                    if let Some(leavable) = leavable.as_deref_mut() {
                        if leavable.run(core, frame) == Progress::Left {
                            return wait();
                        }
                        self.handle_run(core, link, frame, leavable.has_advanced());
                    } else {
                        let begin = |presentation: &mut Presentation<_>| presentation.begin_live(frame);
                        core_callbacks::frame(begin, || self.run(core, link, frame));
                    }
                    fail_points::place("live");
                    call = Some(Call::Frame);
                }
                Step::Stall => {
                    report_replays(link, std::mem::take(&mut replayed), &watch, processor);
                    call = Some(Call::Stall);
                }
                Step::Done => break,
            }
        }
        fail_points::place("present");
        match call {
            Some(Call::Frame) => core_callbacks::show(|presentation| presentation.present(is_corrected)),
            Some(Call::Stall | Call::Wait) => core_callbacks::show(Presentation::stall),
            // The link has failed: the game continues without a cable.
            None => core.run(),
        }
        let (confirmed, oldest) = link.confirmed();
        presentation().release(oldest);
        let confirmed = confirmed.map(|confirmed| confirmed.frame);
        (call.unwrap_or(Call::Frame), confirmed)
    }

    fn load(&mut self, core: &Core, slot: usize) -> bool {
        let (start, snapshot) = &self.snapshots[slot];
        self.next = *start;
        self.saver.load(core, snapshot)
    }

    fn save(&mut self, core: &Core, slot: usize, shift: Option<Shift>) -> bool {
        let (start, snapshot) = &mut self.snapshots[slot];
        *start = self.next;
        self.saver.save(core, snapshot, shift)
    }

    fn run(&mut self, core: &Core, link: &Link, frame: u64) {
        let before = presentation().progress();
        core.run();
        let has_advanced = presentation().progress() != before;
        self.handle_run(core, link, frame, has_advanced);
    }

    /// The core has run this frame.
    fn handle_run(&mut self, core: &Core, link: &Link, frame: u64, has_advanced: bool) {
        self.next = frame + 1;
        if let Some(save_ram) = &mut self.save_ram {
            save_ram.keep(frame, |to| core.read_save_ram(to));
        }
        if let Some((ram, settled)) = &mut self.work_ram {
            settled.keep(frame, |to| ram.read(to));
        }
        fail_points::place("boundary");
        link.boundary(Boundary {
            has_advanced,
            serial_control: REGISTERS.serial_control().unwrap_or(SerialControl(0)),
            serial_byte: REGISTERS.serial_byte().unwrap_or(0),
        });
    }
}

/// Ends a call in which the game waits in its frame.
fn wait() -> (Call, Option<u64>) {
    core_callbacks::show(Presentation::wait);
    (Call::Wait, None)
}

/// Tells the link the cost of the frames that this call has replayed, if any, with their snapshots;
/// `processor` is the time of the processor at the first of them.
fn report_replays(link: &Link, frames: u32, watch: &Stopwatch, processor: Option<Duration>) {
    if frames > 0 {
        let used = ffi::processor_time().zip(processor);
        let cost = Cost {
            elapsed: watch.elapsed(),
            processor: used.and_then(|(now, before)| now.checked_sub(before)),
        };
        link.replayed(frames, cost);
    }
}
