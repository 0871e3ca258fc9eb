//! Lifecycle: no core, the stock core, a game in it.
//!
//! One lock guards all of it, and is never held while the core or the frontend is called: both call back. A
//! call takes the lock once; it puts the game back without.

use crate::cable::{Cable, Reason};
use crate::faults;
use crate::ffi::{self, Core, EnvironmentFn, Plug, REGISTERS, presenter};
use crate::game::Game;
use crate::locate_core;
use crate::messages::Severity;
use crate::options::{self, Answers, Declaration, LinkKey, LinkMode};
use crate::presentation::Presentation;
use crate::run_ahead::Run;
use crate::settings::{self, Settings};
use crate::sync::lock;
use crate::updates::Updates;
use crate::windows;
use crossbeam_utils::atomic::AtomicCell;
use gamelink_driver::{Config, StartError};
use libc::c_char;
use std::ffi::CString;
use std::sync::{Arc, Mutex, MutexGuard};

/// The one session of this mapping of the library: libretro has no handles.
static SESSION: Session = Session {
    stage: Mutex::new(Stage::Bare),
};

/// The session.
pub(crate) fn session() -> &'static Session {
    &SESSION
}

/// State of this mapping: a stock core between `retro_init` and `retro_deinit`, in it a game between
/// `retro_load_game` and `retro_unload_game`.
pub(crate) struct Session {
    stage: Mutex<Stage>,
}

enum Stage {
    Bare,
    /// `retro_init` found no usable core; the reason is shown when a game is to be loaded.
    Refused(Arc<str>),
    Started(Started),
}

struct Started {
    stock: Arc<Stock>,
    declared: Declared,
    loaded: Option<Box<Loaded>>,
}

/// The stock core.
struct Stock {
    core: Core,
    /// Message for a core that turns out to have no link.
    no_link: Arc<str>,
}

/// The options that the core declared.
#[derive(Default)]
struct Declared {
    has_link: bool,
    /// Keys without the link options: a change of these concerns the core.
    keys: Arc<[CString]>,
}

/// The game's place in the session, empty while a call of the frontend has the game: a nested call finds none.
/// A game that is unloaded meanwhile goes with its place, after that call.
type Seat = AtomicCell<Option<Box<Game>>>;

/// A loaded game, and the answers to the core while the game itself is out.
struct Loaded {
    seat: Arc<Seat>,
    /// The core's link options; the strings live until the game is unloaded.
    answers: Answers,
    updates: Updates,
    shows_messages: bool,
    state_size: Option<usize>,
}

impl Session {
    fn lock(&self) -> MutexGuard<'_, Stage> {
        faults::place("session");
        lock(&self.stage)
    }

    fn set_stage(&self, stage: Stage) {
        let before = std::mem::replace(&mut *self.lock(), stage);
        // Only now, without the lock: a game joins the link's thread.
        drop(before);
    }

    /// Locks for a short `call`, which calls neither the core nor the frontend.
    fn with_started<T>(&self, call: impl FnOnce(&mut Started) -> T) -> Option<T> {
        match &mut *self.lock() {
            Stage::Started(started) => Some(call(started)),
            Stage::Bare | Stage::Refused(_) => None,
        }
    }

    /// Locks for a short `call` where there is a game.
    fn with_loaded<T>(&self, call: impl FnOnce(&mut Loaded) -> T) -> Option<T> {
        self.with_started(|started| started.loaded.as_deref_mut().map(call))?
    }

    fn stock(&self) -> Option<Arc<Stock>> {
        self.with_started(|started| Arc::clone(&started.stock))
    }

    /// Replaces the game in the core that is there.
    fn set_loaded(&self, loaded: Option<Box<Loaded>>) {
        let before = self.with_started(|started| std::mem::replace(&mut started.loaded, loaded));
        // Only now, without the lock: a game joins the link's thread.
        drop(before);
    }

    /// Takes the game out for one call, so that nothing is locked meanwhile, and with it a `plan` for that
    /// call. The game goes back after a panic, too. Gives `otherwise` where there is none.
    fn with_game<P, T>(
        &self,
        otherwise: T,
        plan: impl FnOnce(&mut Loaded) -> P,
        call: impl FnOnce(&Core, &mut Game, P) -> T,
    ) -> T {
        let out = self.with_started(|Started { stock, loaded, .. }| {
            let loaded = loaded.as_mut()?;
            let game = loaded.seat.take()?;
            Some((Arc::clone(stock), Arc::clone(&loaded.seat), game, plan(loaded)))
        });
        let Some((stock, seat, mut game, plan)) = out.flatten() else {
            return otherwise;
        };
        let result = ffi::guard(otherwise, || call(&stock.core, &mut game, plan));
        seat.store(Some(game));
        result
    }

    /// Calls the core, if there is one.
    pub(crate) fn with_core<T>(&self, otherwise: T, call: impl FnOnce(&Core) -> T) -> T {
        match self.stock() {
            Some(stock) => call(&stock.core),
            None => otherwise,
        }
    }

    /// `retro_init`: finds the stock core and starts it.
    pub(crate) fn init(&self, environment: EnvironmentFn) {
        if self.stock().is_some() {
            return;
        }
        match locate_core::open() {
            Ok(found) => {
                let no_link = found.no_link().into();
                self.start(found.core, no_link, environment);
            }
            Err(error) => {
                log::error!("{error}");
                self.set_stage(Stage::Refused(error.to_string().into()));
            }
        }
    }

    /// Starts this stock core with our environment callback; `no_link` is shown where it turns out to have
    /// none.
    pub(crate) fn start(&self, mut core: Core, no_link: Arc<str>, environment: EnvironmentFn) {
        if settings::wants_direct_port()
            && let Err(reason) = core.take_over_sockets()
        {
            log::info!("the core keeps its own sockets, on 127.0.0.1: {reason}");
        }
        let stock = Arc::new(Stock { core, no_link });
        // First: the core asks and declares through the environment callback at once.
        self.set_stage(Stage::Started(Started {
            stock: Arc::clone(&stock),
            declared: Declared::default(),
            loaded: None,
        }));
        stock.core.attach(environment);
        stock.core.init();
    }

    /// `retro_deinit`: stops the stock core and lets it go.
    pub(crate) fn deinit(&self) {
        self.unload();
        self.with_core((), Core::deinit);
        self.set_stage(Stage::Bare);
        REGISTERS.forget();
    }

    /// `retro_load_game`: plugs in the cable, then `call` has the core load the game; it connects while it
    /// does.
    pub(crate) fn load(&self, call: impl FnOnce(&Core) -> bool) -> bool {
        self.unload();
        let started = match &*self.lock() {
            Stage::Started(started) => Ok((Arc::clone(&started.stock), started.declared.has_link)),
            Stage::Refused(reason) => Err(Arc::clone(reason)),
            Stage::Bare => Err("retro_load_game came before retro_init".into()),
        };
        let (stock, has_link) = match started {
            Ok(started) => started,
            Err(reason) => {
                log::error!("no game: {reason}");
                ffi::show(Severity::Error, &reason);
                return false;
            }
        };
        let (mut game, answers) = plug_in(has_link, &stock.no_link);
        let seat = Arc::new(Seat::default());
        self.set_loaded(Some(Box::new(Loaded {
            seat: Arc::clone(&seat),
            answers,
            updates: Updates::default(),
            shows_messages: true,
            state_size: None,
        })));
        if !call(&stock.core) {
            log::error!("the stock core does not take this game");
            release_memory();
            self.set_loaded(None);
            return false;
        }
        let size = stock.core.serialize_size();
        self.with_loaded(|loaded| loaded.state_size = Some(size));
        ffi::guard((), || self.read_options());
        ffi::guard((), || game.handle_loaded(&stock.core, size));
        seat.store(Some(game));
        true
    }

    /// `retro_unload_game`: takes the game out and the plug with it; the link's thread has ended after this.
    pub(crate) fn unload(&self) {
        if self.with_loaded(|_| ()).is_none() {
            return;
        }
        // A panic of ours must not keep the player's game from being unloaded, and so saved.
        ffi::guard((), release_memory);
        self.with_core((), Core::unload_game);
        self.set_loaded(None);
    }

    /// `retro_run`: one frame, or none where the frontend only looks ahead. A panic of ours before or after it
    /// does not keep the core from running.
    pub(crate) fn run(&self) {
        let plan = |loaded: &mut Loaded| (loaded.shows_messages, loaded.updates.poll_reconnected());
        self.with_game((), plan, |core, game, (shows_messages, has_reconnected)| {
            match ffi::guard(Run::Own, || game.next_run(has_reconnected)) {
                Run::Own => {}
                Run::Ahead => return presenter::frame(Presentation::begin_ahead, || core.run_unplugged()),
                Run::Again => return presenter::show(Presentation::repeat),
            }
            let before = ffi::guard(None, || Some(game.before_run(core, shows_messages)));
            let is_stalled = game.run(core);
            // The core asks for changes only while it runs, and the player may want to pull the plug now.
            if is_stalled && ffi::is_variable_update() {
                ffi::guard((), || self.read_options());
            }
            if let Some(before) = before {
                ffi::guard((), || game.after_run(before));
            }
        });
    }

    /// `retro_reset`.
    pub(crate) fn reset(&self) {
        self.with_game(
            (),
            |_| (),
            |core, game, ()| {
                core.reset();
                game.handle_jump();
            },
        );
    }

    /// `retro_serialize_size`: the size when the game was loaded.
    pub(crate) fn state_size(&self) -> usize {
        let size = self.with_loaded(|loaded| loaded.state_size).flatten();
        size.unwrap_or_else(|| self.with_core(0, Core::serialize_size))
    }

    /// `retro_serialize`.
    pub(crate) fn serialize(&self, out: &mut [u8]) -> bool {
        self.state_size() == out.len()
            && self.with_game(false, |_| (), |core, game, ()| game.serialize(core, out))
    }

    /// `retro_unserialize`.
    pub(crate) fn unserialize(&self, state: &[u8]) -> bool {
        self.with_game(false, |_| (), |core, game, ()| game.unserialize(core, state))
    }

    /// The core declares its options.
    pub(crate) fn handle_declaration(&self, declaration: &Declaration) {
        let keys = declaration
            .definitions
            .iter()
            .map(|definition| definition.key.clone())
            .filter(|key| LinkKey::parse(key).is_none())
            .collect();
        let declared = Declared {
            has_link: declaration.has_link(),
            keys,
        };
        self.with_started(|started| started.declared = declared);
    }

    /// The core asks for a link option; the string lives until the game is unloaded.
    pub(crate) fn link_answer(&self, key: LinkKey) -> Option<*const c_char> {
        self.with_loaded(|loaded| loaded.answers.value(key).map(std::ffi::CStr::as_ptr))?
    }

    /// The core asks whether an option changed.
    pub(crate) fn poll_option_update(&self) -> bool {
        let is_changed = ffi::is_variable_update();
        if is_changed {
            self.read_options();
        }
        // After a panic nothing is in flight.
        let is_safe =
            ffi::has_failed() || ffi::with_cable(true, |cable| cable.is_safe(REGISTERS.serial_control()));
        let is_told = self.with_loaded(|loaded| loaded.updates.poll_update(is_safe));
        is_told.unwrap_or(is_changed)
    }

    /// Reads all options from the frontend.
    fn read_options(&self) {
        let shows_messages = ffi::is_option_enabled(options::MESSAGES);
        let is_enabled = settings::link_mode() != LinkMode::Off;
        if !ffi::has_failed()
            && ffi::with_cable(false, |cable| cable.set_unplugged(Reason::Option, !is_enabled))
        {
            log::info!("link cable switched by its option: is_enabled={is_enabled}");
        }
        let keys = self.with_started(|started| Arc::clone(&started.declared.keys));
        let values = keys
            .unwrap_or_default()
            .iter()
            .map(|key| ffi::option_value(key))
            .collect();
        self.with_loaded(|loaded| {
            loaded.shows_messages = shows_messages;
            loaded.updates.handle_values(values);
        });
    }
}

/// Stops reading the core's memory, which is about to go.
fn release_memory() {
    ffi::with_cable((), |cable| cable.link().set_serial_probe(None));
    REGISTERS.forget();
}

/// Makes a new game with the cable that the environment asks for, and its answers to the core.
fn plug_in(has_link: bool, no_link: &str) -> (Box<Game>, Answers) {
    ffi::forget_failure();
    let mut waiting = Vec::new();
    let mut say = |text: String| {
        log::error!("{text}");
        waiting.push((Severity::Error, text));
    };
    let (mut cable, mut is_peer_here) = (None, false);
    if has_link {
        let Settings { config, problems } = Settings::from_process();
        for problem in problems {
            say(format!("Link cable unplugged: {problem}"));
        }
        let unplugged = Config {
            stats: config.stats.clone(),
            ..Config::default()
        };
        let mut start = |config: &Config| {
            let report = |error: &StartError| say(format!("Link cable unplugged: {error}"));
            Cable::start(config).inspect_err(report).ok()
        };
        cable = start(&config).or_else(|| start(&unplugged));
        is_peer_here = config.peer.is_some_and(|peer| windows::is_here(peer.ip));
    } else {
        say(no_link.into());
    }
    let answers = Answers::new(cable.as_ref().map(|cable| cable.link().game_address()));
    let game = Game::new(cable.map(Plug::new), is_peer_here, waiting);
    (Box::new(game), answers)
}
