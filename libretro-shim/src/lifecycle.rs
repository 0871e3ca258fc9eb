//! Lifecycle: no core, the stock core, a game in it.
//!
//! One lock guards all of it, and is never held while the core or the frontend is called: both call back. A
//! call takes the lock once; it puts the game back without.

use crate::cable_state::{Cable, Reason};
use crate::fail_points;
use crate::ffi::{self, Core, EnvironmentFn, Plug, REGISTERS, core_callbacks};
use crate::focus_pauses;
use crate::game::Game;
use crate::locate_core;
use crate::messages::Severity;
use crate::option_updates::Updates;
use crate::options::{self, Answers, Declaration, LinkKey, LinkMode};
use crate::partners::Wishes;
use crate::presentation::Presentation;
use crate::run_ahead::Run;
use crate::settings::{self, Settings};
use crate::strict::Call;
use crate::unpoisoned_lock::lock;
use crossbeam_utils::atomic::AtomicCell;
use gamelink_driver::{Cartridge, Config, StartError};
use libc::c_char;
use std::borrow::Cow;
use std::ffi::{CStr, CString};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// State of this mapping of the library, as libretro has no handles: a stock core between `retro_init` and
/// `retro_deinit`, in it a game between `retro_load_game` and `retro_unload_game`; without a core the reason,
/// shown when a game is to be loaded.
pub(crate) struct Session {
    stage: Mutex<Result<Started, Cow<'static, str>>>,
    /// The options were read again, and the core may have to be told.
    is_update_due: AtomicBool,
}

const NOT_STARTED: Cow<'static, str> = Cow::Borrowed("retro_load_game came before retro_init");

pub(crate) fn session() -> &'static Session {
    static SESSION: Session = Session {
        stage: Mutex::new(Err(NOT_STARTED)),
        is_update_due: AtomicBool::new(false),
    };
    &SESSION
}

struct Started {
    core: Arc<Core>,
    /// Message for a core without a link, until it declares one.
    no_link: Option<String>,
    /// Keys of the declared options without those of the link: a change of these concerns the core.
    keys: Arc<[CString]>,
    loaded: Option<Loaded>,
}

/// The game's place in the session, empty while a call of the frontend has the game: a nested call finds
/// none. A game that is unloaded meanwhile goes with its place, after that call.
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
    fn lock(&self) -> MutexGuard<'_, Result<Started, Cow<'static, str>>> {
        fail_points::place("session");
        lock(&self.stage)
    }

    /// Locks for a short `call`, which calls neither the core nor the frontend.
    fn with_started<T>(&self, call: impl FnOnce(&mut Started) -> T) -> Option<T> {
        self.lock().as_mut().ok().map(call)
    }

    /// Locks for a short `call` where there is a game.
    fn with_loaded<T>(&self, call: impl FnOnce(&mut Loaded) -> T) -> Option<T> {
        self.with_started(|started| started.loaded.as_mut().map(call))?
    }

    /// Lets the game go, without the lock: it joins the link's thread.
    fn drop_loaded(&self) {
        drop(self.with_started(|started| started.loaded.take()));
    }

    /// Takes the game out for one call, so that nothing is locked meanwhile, and with it a `plan` for that
    /// call. The game goes back after a panic, too. Gives `otherwise` where there is none.
    fn with_game<P, T>(
        &self,
        otherwise: T,
        plan: impl FnOnce(&mut Loaded) -> P,
        call: impl FnOnce(&Arc<Core>, &mut Game, P) -> T,
    ) -> T {
        let out = self.with_started(|Started { core, loaded, .. }| {
            let loaded = loaded.as_mut()?;
            let game = loaded.seat.take()?;
            Some((Arc::clone(core), Arc::clone(&loaded.seat), game, plan(loaded)))
        });
        let Some((core, seat, mut game, plan)) = out.flatten() else {
            return otherwise;
        };
        let result = ffi::guard(otherwise, || call(&core, &mut game, plan));
        seat.store(Some(game));
        result
    }

    /// Calls the core, if there is one.
    pub(crate) fn with_core<T>(&self, otherwise: T, call: impl FnOnce(&Core) -> T) -> T {
        let core = self.with_started(|started| Arc::clone(&started.core));
        core.map_or(otherwise, |core| call(&core))
    }

    /// `retro_init`: finds the stock core and starts it.
    pub(crate) fn init(&self, environment: EnvironmentFn) {
        if self.with_started(|_| ()).is_some() {
            return;
        }
        match locate_core::open() {
            Ok(found) => {
                let no_link = found.no_link();
                self.start(found.core, no_link, environment);
            }
            Err(error) => {
                log::error!("{error}");
                *self.lock() = Err(error.to_string().into());
            }
        }
    }

    /// Starts this stock core with our environment callback; `no_link` is shown where it turns out to have
    /// none.
    pub(crate) fn start(&self, mut core: Core, no_link: String, environment: EnvironmentFn) {
        if settings::wants_direct_port()
            && let Err(reason) = core.take_over_sockets()
        {
            log::info!("the core keeps its own sockets, on 127.0.0.1: {reason}");
        }
        let core = Arc::new(core);
        // First: the core asks and declares through the environment callback at once.
        *self.lock() = Ok(Started {
            core: Arc::clone(&core),
            no_link: Some(no_link),
            keys: Arc::default(),
            loaded: None,
        });
        core.attach(environment);
        core.init();
        // Not later: RetroArch decides where a client's save is before it loads the game. Over the loopback
        // port nobody would exchange packets while the core waits for a byte.
        let has_link = self.with_started(|started| started.no_link.is_none());
        if has_link == Some(true) && core.has_direct_port() && ffi::netpacket::offer() {
            log::info!("link cable: the frontend's netplay can be the cable");
        }
    }

    /// `retro_deinit`: stops the stock core and lets it go.
    pub(crate) fn deinit(&self) {
        self.unload();
        self.with_core((), Core::deinit);
        // Dropped last, without the lock.
        let _core = std::mem::replace(&mut *self.lock(), Err(NOT_STARTED));
        REGISTERS.forget();
    }

    /// `retro_load_game`: plugs in the cable, then `call` has the core load the game; it connects while it
    /// does.
    pub(crate) fn load(&self, cartridge: Cartridge, call: impl FnOnce(&Core) -> bool) -> bool {
        self.unload();
        let started = match &*self.lock() {
            Ok(started) => Ok((Arc::clone(&started.core), started.no_link.clone())),
            Err(reason) => Err(reason.clone()),
        };
        let (core, no_link) = match started {
            Ok(started) => started,
            Err(reason) => {
                log::error!("no game: {reason}");
                ffi::show(Severity::Error, &reason);
                return false;
            }
        };
        let (mut game, answers) = plug_in(no_link, &cartridge);
        ffi::with_cable((), |cable| {
            cable.with_partners(|partners, _| partners.set_cartridge(cartridge));
        });
        let seat = Arc::new(Seat::default());
        let loaded = Loaded {
            seat: Arc::clone(&seat),
            answers,
            updates: Updates::default(),
            shows_messages: true,
            state_size: None,
        };
        self.with_started(|started| started.loaded = Some(loaded));
        if !call(&core) {
            log::error!("the stock core does not take this game");
            release_memory();
            self.drop_loaded();
            return false;
        }
        let size = core.serialize_size();
        self.with_loaded(|loaded| loaded.state_size = Some(size));
        ffi::guard((), || self.read_options());
        ffi::guard((), || game.handle_loaded(&core, size));
        seat.store(Some(game));
        true
    }

    /// `retro_unload_game`: takes the game out and the plug with it; the link's thread has ended after this.
    pub(crate) fn unload(&self) {
        if self.with_loaded(|_| ()).is_some() {
            // A panic of ours must not keep the player's game from being unloaded, and so saved.
            self.with_game((), |_| (), |core, game, ()| game.finish_frame(core));
            ffi::guard((), release_memory);
            self.with_core((), Core::unload_game);
            self.drop_loaded();
        }
    }

    /// `retro_run`: one frame, or none where the frontend only looks ahead. A panic of ours before or after
    /// it does not keep the core from running.
    pub(crate) fn run(&self) {
        let plan = |loaded: &mut Loaded| (loaded.shows_messages, loaded.updates.poll_reconnected());
        self.with_game((), plan, |core, game, (shows_messages, has_reconnected)| {
            match ffi::guard(Run::Own, || game.next_run(has_reconnected)) {
                Run::Own => {}
                Run::Ahead => {
                    return core_callbacks::frame(Presentation::begin_ahead, || core.run_unplugged());
                }
                Run::Again => return core_callbacks::show(Presentation::repeat),
            }
            let before = ffi::guard(None, || Some(game.before_run(core, shows_messages)));
            let call = game.run(core);
            // The core asks for changes only while it runs, and the player may want to pull the plug now.
            if call != Call::Frame && ffi::is_variable_update() {
                ffi::guard((), || self.read_options());
            }
            if let Some(before) = before {
                ffi::guard((), || game.after_run(before));
            }
        });
    }

    /// `retro_reset`.
    pub(crate) fn reset(&self) {
        self.with_game((), |_| (), |core, game, ()| game.reset(core));
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
        let keys = declaration.definitions.iter().map(|definition| &definition.key);
        let own = keys.filter(|key| LinkKey::parse(key).is_none());
        let keys = own.cloned().collect();
        self.with_started(|started| {
            started.keys = keys;
            started.no_link.take_if(|_| declaration.has_link());
        });
    }

    /// The core asks for a link option; the string lives until the game is unloaded.
    pub(crate) fn link_answer(&self, key: LinkKey) -> Option<*const c_char> {
        self.with_loaded(|loaded| loaded.answers.value(key).map(CStr::as_ptr))?
    }

    /// The core asks whether an option changed.
    pub(crate) fn poll_option_update(&self) -> bool {
        let is_changed = ffi::is_variable_update();
        if is_changed {
            self.read_options();
        }
        // Nearly always the end, without a lock.
        if !self.is_update_due.load(Ordering::Relaxed) {
            return false;
        }
        // After a panic nothing is in flight.
        let is_safe =
            ffi::has_failed() || ffi::with_cable(true, |cable| cable.is_safe(REGISTERS.serial_control()));
        self.is_update_due.store(!is_safe, Ordering::Relaxed);
        let is_told = self.with_loaded(|loaded| loaded.updates.poll_update(is_safe));
        is_told.unwrap_or(is_changed)
    }

    /// Reads all options from the frontend.
    fn read_options(&self) {
        let shows_messages = ffi::is_option_enabled(options::MESSAGES);
        let silence = options::silence_limit(ffi::option_value(options::SILENCE).as_deref());
        let wishes = option_wishes();
        ffi::with_cable((), |cable| {
            cable.link().set_silence_limit(silence);
            cable.with_partners(|partners, link| partners.handle_options(wishes, link));
        });
        let is_enabled = settings::link_mode() != LinkMode::Off;
        if !ffi::has_failed()
            && ffi::with_cable(false, |cable| cable.set_unplugged(Reason::Option, !is_enabled))
        {
            log::info!("link cable switched by its option: is_enabled={is_enabled}");
        }
        let keys = self
            .with_started(|started| Arc::clone(&started.keys))
            .unwrap_or_default();
        let values = keys.iter().map(|key| ffi::option_value(key)).collect();
        self.with_loaded(|loaded| {
            loaded.shows_messages = shows_messages;
            loaded.updates.handle_values(values);
        });
        self.is_update_due.store(true, Ordering::Relaxed);
    }
}

/// The player's wishes about a LAN, by the options.
fn option_wishes() -> Wishes {
    let chosen = |key, none: &CStr| {
        let value = ffi::option_value(key).filter(|value| value.as_c_str() != none);
        Some(value?.to_string_lossy().into_owned())
    };
    Wishes {
        partner: chosen(options::PARTNER, options::ANYONE),
        is_open: ffi::option_value(options::LAN).as_deref() == Some(options::OPEN),
        code: options::CODE.map(|key| chosen(key, options::NO_CODE)),
    }
}

/// Stops reading the core's memory, which is about to go, and calling netplay, which goes with the game.
fn release_memory() {
    ffi::netpacket::forget();
    ffi::with_cable((), |cable| cable.link().set_serial_probe(None));
    REGISTERS.forget();
    ffi::work_ram::forget();
}

/// Makes a new game with the cable that the environment asks for, and its answers to the core.
fn plug_in(no_link: Option<String>, cartridge: &Cartridge) -> (Box<Game>, Answers) {
    ffi::forget_failure();
    let (mut cable, mut is_peer_here, mut errors) = (None, false, Vec::from_iter(no_link));
    if errors.is_empty() {
        let Settings { mut config, problems } = Settings::read(|name| std::env::var_os(name));
        config.playing.cartridge = cartridge.clone();
        let unplugged = Config {
            stats: config.stats.clone(),
            ..Config::default()
        };
        errors = problems;
        let mut report = |error: StartError| errors.push(error.to_string());
        let mut start = |config| Cable::start(config).map_err(&mut report).ok();
        cable = start(&config).or_else(|| start(&unplugged));
        errors
            .iter_mut()
            .for_each(|error| error.insert_str(0, "Link cable unplugged: "));
        let addresses = config.peer.and_then(|peer| peer.addresses());
        is_peer_here = addresses.is_some_and(|peer| peer.iter().any(|peer| focus_pauses::is_here(peer.ip)));
    }
    let answers = Answers::new(cable.as_ref().map(|cable| cable.link().game_address()));
    let game = Game::new(cable.map(Plug::new), is_peer_here, &errors);
    (Box::new(game), answers)
}
