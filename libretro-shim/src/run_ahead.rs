//! Run-ahead: which calls of `retro_run` are the game's own frames, and which only look ahead of it.
//!
//! A frontend that runs ahead emulates frames that it takes back again, to show what a button does before the
//! game is there. Each of them would send its bytes to the other game, and nothing takes those back. So while
//! linked the game stands still in them: the frontend gets a stand-in instead of a state and is handed the
//! game's own frame once more, and the stand-in changes nothing when it comes back. The frontend notices
//! nothing, so it looks ahead again as soon as the link is gone.
//!
//! `RetroArch` does it in two ways (`runahead.c`), with picture and sound switched off in frames that are not
//! to be seen:
//!
//! | | in each of its frames |
//! |---|---|
//! | run-ahead | run, unseen; save; run ahead, all but the last unseen; load what was saved |
//! | preemptive frames | save; run; where a button has changed, before that: load, run again unseen, save |
//!
//! Where nobody is linked, the frames that are taken back are emulated, on a cable that is out. Whatever
//! happens in between, what is saved decides what a load does, so a state that the game must not take is
//! never given to it.

/// No frontend looks further ahead (`RetroArch`, `MAX_RUNAHEAD_FRAMES`); one that has not come back by then
/// has given up.
const FRAMES_MAX: u32 = 12;

/// The first bytes of a stand-in; the rest is zero. No core's state begins so.
const MARK: &[u8] = b"Gamelink: no state while linked\n";

/// Kind of a call of `retro_run`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// The game's own next frame.
    Own,
    /// A frame that is taken back, or was played before: emulated where no byte can leave.
    Ahead,
    /// None: the game's own last frame is handed over once more.
    Again,
}

/// Effect of a loaded state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// The game is taken elsewhere: the link must know.
    Jump,
    /// The game comes back from frames that nobody else knows of.
    Back,
    /// Nothing: the game is where it should be.
    Nothing,
}

/// Frames between the frontend and the game.
#[derive(Clone, Copy, Debug, Default)]
struct Away {
    /// Behind the game, since it loaded an older state, until it shows a frame; otherwise ahead of it, since
    /// it saved.
    is_behind: bool,
    is_stand_in: bool,
    /// A frame was emulated that is to be taken back.
    has_run: bool,
    frames: u32,
}

/// Run-ahead of one frontend.
#[derive(Debug, Default)]
pub(crate) struct RunAhead {
    /// `None` where the frontend is with the game.
    away: Option<Away>,
    /// The game's own last frame was not to be seen.
    was_hidden: bool,
    /// There was a link when it began.
    was_linked: bool,
    /// The frontend got a stand-in when it last saved.
    is_resting: bool,
    /// The player was told that run-ahead is off.
    is_rest_told: bool,
}

impl RunAhead {
    /// Decides the kind of the call of `retro_run` that begins; `is_hidden` where nobody sees or hears it.
    pub(crate) fn handle_run(&mut self, is_hidden: bool, is_linked: bool) -> Run {
        let goes_on = |away: &&mut Away| away.frames < FRAMES_MAX && (is_hidden || !away.is_behind);
        let Some(away) = self.away.as_mut().filter(goes_on) else {
            self.away = None;
            (self.was_hidden, self.was_linked) = (is_hidden, is_linked);
            return Run::Own;
        };
        away.frames += 1;
        // A link that has come since: what would be emulated ahead now is taken back before it matters.
        if away.is_stand_in || is_linked && !away.is_behind {
            return Run::Again;
        }
        away.has_run = true;
        Run::Ahead
    }

    /// Takes a save in order to look ahead; true where the frontend gets a stand-in.
    pub(crate) fn handle_save(&mut self, is_linked: bool) -> bool {
        // What was played with a link may still be corrected in the next frame.
        let is_stand_in = is_linked || self.was_linked;
        if std::mem::replace(&mut self.is_resting, is_stand_in) != is_stand_in {
            log::info!("run-ahead switched by the link: is_resting={is_stand_in}");
        }
        if !self.away.is_some_and(|away| away.is_behind) {
            let ahead = Away {
                is_stand_in,
                ..Away::default()
            };
            self.away = self.was_hidden.then_some(ahead);
        }
        is_stand_in
    }

    /// True once: the player is to be told that run-ahead is off.
    pub(crate) fn poll_first_rest(&mut self) -> bool {
        !std::mem::replace(&mut self.is_rest_told, true)
    }

    /// Takes a load of what the frontend got to look ahead.
    pub(crate) fn handle_load(&mut self, is_stand_in: bool, is_linked: bool) -> Load {
        let is_back = match self.away.take().filter(|away| !away.is_behind) {
            Some(ahead) => ahead.has_run && !is_stand_in,
            None => {
                let is_stand_in = is_stand_in || is_linked || self.was_linked;
                self.away = Some(Away {
                    is_behind: true,
                    is_stand_in,
                    ..Away::default()
                });
                !is_stand_in
            }
        };
        if is_back { Load::Back } else { Load::Nothing }
    }

    /// Puts the frontend with the game: it was reset or loaded, or a state was saved for another purpose.
    pub(crate) fn clear(&mut self) {
        self.away = None;
    }
}

/// Writes a stand-in for a state; false where there is no room.
pub(crate) fn write_stand_in(out: &mut [u8]) -> bool {
    let Some((mark, rest)) = out.split_at_mut_checked(MARK.len()) else {
        return false;
    };
    mark.copy_from_slice(MARK);
    rest.fill(0);
    true
}

/// True for a stand-in.
pub(crate) fn is_stand_in(state: &[u8]) -> bool {
    state.starts_with(MARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HIDDEN: bool = true;
    const SEEN: bool = false;
    const LINKED: bool = true;
    const ALONE: bool = false;

    /// One of `RetroArch`'s frames with run-ahead over so many, linked or not; what each call of `retro_run`
    /// was, and the load.
    fn run_ahead(ahead: &mut RunAhead, frames: u32, is_linked: bool) -> (Vec<Run>, Load) {
        let mut runs = vec![ahead.handle_run(HIDDEN, is_linked)];
        let is_stand_in = ahead.handle_save(is_linked);
        for left in (0..frames).rev() {
            runs.push(ahead.handle_run(left > 0, is_linked));
        }
        (runs, ahead.handle_load(is_stand_in, is_linked))
    }

    #[test]
    fn a_linked_game_emulates_one_frame_for_each_that_is_shown() {
        for frames in 1..=FRAMES_MAX {
            let mut ahead = RunAhead::default();
            for _ in 0..3 {
                let (runs, load) = run_ahead(&mut ahead, frames, LINKED);
                assert_eq!(runs[0], Run::Own);
                assert!(runs[1..].iter().all(|run| *run == Run::Again), "{runs:?}");
                assert_eq!(load, Load::Nothing);
            }
        }
    }

    #[test]
    fn without_a_link_run_ahead_looks_ahead_and_comes_back_when_one_goes() {
        let mut ahead = RunAhead::default();
        assert_eq!(
            run_ahead(&mut ahead, 2, ALONE),
            (vec![Run::Own, Run::Ahead, Run::Ahead], Load::Back)
        );
        run_ahead(&mut ahead, 2, LINKED);
        assert_eq!(
            run_ahead(&mut ahead, 2, ALONE),
            (vec![Run::Own, Run::Ahead, Run::Ahead], Load::Back)
        );
    }

    #[test]
    fn a_link_that_comes_while_looking_ahead_takes_back_what_was_emulated_and_no_more() {
        let mut ahead = RunAhead::default();
        ahead.handle_run(HIDDEN, ALONE);
        assert!(!ahead.handle_save(ALONE));
        assert_eq!(ahead.handle_run(HIDDEN, ALONE), Run::Ahead);
        assert_eq!(ahead.handle_run(SEEN, LINKED), Run::Again);
        assert_eq!(ahead.handle_load(false, LINKED), Load::Back);

        ahead.handle_run(HIDDEN, ALONE);
        assert!(!ahead.handle_save(ALONE));
        assert_eq!(ahead.handle_run(SEEN, LINKED), Run::Again);
        assert_eq!(ahead.handle_load(false, LINKED), Load::Nothing);
    }

    #[test]
    fn a_link_that_goes_while_looking_ahead_leaves_the_game_where_it_is() {
        let mut ahead = RunAhead::default();
        ahead.handle_run(HIDDEN, LINKED);
        // Gone right after the frame: what is open in it is corrected in the next.
        assert!(ahead.handle_save(ALONE));
        assert_eq!(ahead.handle_run(SEEN, ALONE), Run::Again);
        assert_eq!(ahead.handle_load(true, ALONE), Load::Nothing);
        assert_eq!(run_ahead(&mut ahead, 1, ALONE).1, Load::Back);
    }

    #[test]
    fn whoever_gives_up_looking_ahead_is_with_the_game_again() {
        let mut ahead = RunAhead::default();
        ahead.handle_run(HIDDEN, LINKED);
        ahead.handle_save(LINKED);
        ahead.clear();
        assert_eq!(ahead.handle_run(SEEN, LINKED), Run::Own);

        ahead.handle_run(HIDDEN, LINKED);
        ahead.handle_save(LINKED);
        for _ in 0..FRAMES_MAX {
            assert_eq!(ahead.handle_run(HIDDEN, LINKED), Run::Again);
        }
        assert_eq!(
            ahead.handle_run(HIDDEN, LINKED),
            Run::Own,
            "no frontend goes further"
        );
    }

    /// One of `RetroArch`'s frames with preemptive frames; `ring` says of each state that it keeps whether it
    /// is a stand-in.
    fn preempt(
        ahead: &mut RunAhead,
        ring: &mut std::collections::VecDeque<bool>,
        is_pressed: bool,
        is_linked: bool,
    ) -> (Option<Load>, Vec<Run>) {
        let mut runs = Vec::new();
        let mut load = None;
        if is_pressed {
            load = ring.front().map(|oldest| ahead.handle_load(*oldest, is_linked));
            runs.push(ahead.handle_run(HIDDEN, is_linked));
            for state in ring.iter_mut().skip(1) {
                *state = ahead.handle_save(is_linked);
                runs.push(ahead.handle_run(HIDDEN, is_linked));
            }
        }
        ring.pop_front();
        ring.push_back(ahead.handle_save(is_linked));
        runs.push(ahead.handle_run(SEEN, is_linked));
        (load, runs)
    }

    #[test]
    fn preemptive_frames_go_back_without_a_link_and_stand_still_with_one() {
        let mut ahead = RunAhead::default();
        let mut ring = [false; 3].into();
        let (own, again) = (vec![Run::Own], vec![Run::Again, Run::Again, Run::Again, Run::Own]);
        for (is_pressed, is_linked, load, runs) in [
            (false, ALONE, None, own.clone()),
            (
                true,
                ALONE,
                Some(Load::Back),
                vec![Run::Ahead, Run::Ahead, Run::Ahead, Run::Own],
            ),
            (false, ALONE, None, own.clone()),
            // States of before the link are not gone back to.
            (true, LINKED, Some(Load::Nothing), again.clone()),
            (false, LINKED, None, own.clone()),
            (true, LINKED, Some(Load::Nothing), again.clone()),
            // Nor are stand-ins after it.
            (true, ALONE, Some(Load::Nothing), again.clone()),
            (false, ALONE, None, own.clone()),
            (false, ALONE, None, own.clone()),
            (false, ALONE, None, own.clone()),
        ] {
            let found = preempt(&mut ahead, &mut ring, is_pressed, is_linked);
            assert_eq!(found, (load, runs), "{is_pressed} {is_linked} {ring:?}");
        }
        let (load, _) = preempt(&mut ahead, &mut ring, true, ALONE);
        assert_eq!(load, Some(Load::Back), "it is back: {ring:?}");
    }

    #[test]
    fn a_stand_in_is_told_from_a_state() {
        let mut bytes = [0xAA; 100];
        assert!(!is_stand_in(&bytes));
        assert!(write_stand_in(&mut bytes));
        assert!(is_stand_in(&bytes));
        assert!(!write_stand_in(&mut bytes[..MARK.len() - 1]));
        assert!(!is_stand_in(&[]));
    }
}
