//! What is there at each moment: nothing, the stock core, a game in it.
//!
//! No lock is held while the core or the frontend is called: `retro_run` re-enters our environment callback.

use crate::ahead::Run;
use crate::cable::Cable;
use crate::ffi::{self, Core, Identity, Plug};
use crate::find;
use crate::game::Game;
use crate::messages::Severity;
use crate::options::{Declaration, LinkKey};
use crate::settings::{self, Settings};
use crate::sync::lock;
use crate::windows;
use gamelink_core::driver::Config;
use libc::c_char;
use std::ffi::CString;
use std::sync::{Arc, Mutex};

/// What to call this library where there is no stock core to ask.
const FALLBACK_EXTENSIONS: &str = "gb|gbc|dmg";

/// The one session of this mapping of the library: libretro has no handles.
static SESSION: Session = Session {
    stage: Mutex::new(Stage::Bare),
};

/// The session.
pub(crate) fn session() -> &'static Session {
    &SESSION
}

/// Between `retro_init` and `retro_deinit` there is a stock core, between `retro_load_game` and `retro_unload_game` a game.
pub(crate) struct Session {
    stage: Mutex<Stage>,
}

#[derive(Clone)]
enum Stage {
    Bare,
    /// `retro_init` found no core that it may use; the reason is shown when a game is to be loaded.
    Refused(Arc<str>),
    Initialised(Arc<Stock>),
    Loaded(Arc<Stock>, Arc<Game>),
}

/// The stock core, and what it declared.
struct Stock {
    core: Core,
    no_link: Arc<str>,
    declared: Mutex<Declared>,
}

#[derive(Clone, Default)]
struct Declared {
    has_link: bool,
    /// The options that are the core's own affair, for seeing whether one of them changed.
    keys: Arc<[CString]>,
}

impl Session {
    fn stage(&self) -> Stage {
        lock(&self.stage).clone()
    }

    fn set_stage(&self, stage: Stage) {
        let before = std::mem::replace(&mut *lock(&self.stage), stage);
        // Only now, without the lock: the last owner of a game joins the link's thread.
        drop(before);
    }

    fn stock(&self) -> Option<Arc<Stock>> {
        match self.stage() {
            Stage::Initialised(stock) | Stage::Loaded(stock, _) => Some(stock),
            Stage::Bare | Stage::Refused(_) => None,
        }
    }

    fn loaded(&self) -> Option<(Arc<Stock>, Arc<Game>)> {
        match self.stage() {
            Stage::Loaded(stock, game) => Some((stock, game)),
            _ => None,
        }
    }

    /// Calls the core, if there is one.
    pub(crate) fn with_core<T>(&self, otherwise: T, call: impl FnOnce(&Core) -> T) -> T {
        match self.stock() {
            Some(stock) => call(&stock.core),
            None => otherwise,
        }
    }

    /// `retro_init`: finds the stock core and starts it.
    pub(crate) fn init(&self) {
        if self.stock().is_some() {
            return;
        }
        match find::open() {
            Ok(found) => {
                let no_link = found.no_link().into();
                self.start(found.core, no_link);
            }
            Err(error) => {
                log::error!("{error}");
                self.set_stage(Stage::Refused(error.to_string().into()));
            }
        }
    }

    /// Starts this stock core; `no_link` is what the player is told where it turns out to have none.
    pub(crate) fn start(&self, mut core: Core, no_link: Arc<str>) {
        if settings::wants_direct_port()
            && let Err(reason) = core.take_over_sockets()
        {
            log::info!("the core keeps its own sockets, on 127.0.0.1: {reason}");
        }
        let stock = Arc::new(Stock {
            core,
            no_link,
            declared: Mutex::default(),
        });
        // First: the core asks and declares through the environment callback at once.
        self.set_stage(Stage::Initialised(Arc::clone(&stock)));
        stock.core.attach();
        stock.core.init();
    }

    /// `retro_deinit`: stops the stock core and lets it go.
    pub(crate) fn deinit(&self) {
        self.unload();
        let stock = self.stock();
        if let Some(stock) = &stock {
            stock.core.deinit();
        }
        self.set_stage(Stage::Bare);
        ffi::forget_memory_map();
    }

    /// `retro_load_game`: plugs in the cable, then `call` has the core load the game; it connects while it does.
    pub(crate) fn load(&self, call: impl FnOnce(&Core) -> bool) -> bool {
        self.unload();
        let stock = match self.stage() {
            Stage::Initialised(stock) | Stage::Loaded(stock, _) => stock,
            Stage::Refused(reason) => {
                // Logged when it was found out.
                ffi::show(Severity::Error, &reason);
                return false;
            }
            Stage::Bare => {
                log::error!("retro_load_game came before retro_init");
                return false;
            }
        };
        let declared = lock(&stock.declared).clone();
        let game = Arc::new(plug_in(declared.has_link, &stock.no_link));
        self.set_stage(Stage::Loaded(Arc::clone(&stock), Arc::clone(&game)));
        if call(&stock.core) {
            game.handle_loaded(&stock.core, &declared.keys);
            return true;
        }
        log::error!("the stock core does not take this game");
        game.handle_unloading();
        self.set_stage(Stage::Initialised(stock));
        false
    }

    /// `retro_unload_game`: takes the game out and the plug with it; the link's thread has ended after this.
    pub(crate) fn unload(&self) {
        if let Some((stock, game)) = self.loaded() {
            // A panic of ours must not keep the player's game from being unloaded, and so saved.
            ffi::guard((), || game.handle_unloading());
            stock.core.unload_game();
            self.set_stage(Stage::Initialised(stock));
            drop(game);
        }
    }

    /// `retro_reset`.
    pub(crate) fn reset(&self) {
        if let Some((stock, game)) = self.loaded() {
            stock.core.reset();
            game.handle_jump();
        }
    }

    /// `retro_serialize_size`.
    pub(crate) fn state_size(&self) -> usize {
        let size = self.loaded().and_then(|(_, game)| game.state_size());
        size.unwrap_or_else(|| self.with_core(0, Core::serialize_size))
    }

    /// `retro_serialize`.
    pub(crate) fn serialize(&self, out: &mut [u8]) -> bool {
        self.loaded()
            .is_some_and(|(stock, game)| game.serialize(&stock.core, out))
    }

    /// `retro_unserialize`.
    pub(crate) fn unserialize(&self, state: &[u8]) -> bool {
        self.loaded()
            .is_some_and(|(stock, game)| game.unserialize(&stock.core, state))
    }

    /// The core declares its options.
    pub(crate) fn handle_declaration(&self, declaration: &Declaration) {
        let Some(stock) = self.stock() else {
            return;
        };
        let keys = declaration
            .definitions
            .iter()
            .map(|definition| definition.key.clone())
            .filter(|key| LinkKey::parse(key).is_none())
            .collect();
        *lock(&stock.declared) = Declared {
            has_link: declaration.has_link(),
            keys,
        };
    }

    /// The core asks for a link option; the string lives until the game is unloaded.
    pub(crate) fn link_answer(&self, key: LinkKey) -> Option<*const c_char> {
        let (_, game) = self.loaded()?;
        game.answers().value(key).map(std::ffi::CStr::as_ptr)
    }

    /// The core asks whether an option changed.
    pub(crate) fn poll_option_update(&self, is_changed: impl FnOnce() -> bool) -> bool {
        let is_changed = is_changed();
        match self.loaded() {
            Some((stock, game)) => {
                let keys = Arc::clone(&lock(&stock.declared).keys);
                game.poll_option_update(&keys, is_changed)
            }
            None => is_changed,
        }
    }
}

/// `retro_run`: one frame, or none where the frontend only looks ahead. A panic of ours before or after it leaves the core's part alone.
pub(crate) fn run_frame() {
    let Some((stock, game)) = SESSION.loaded() else {
        return;
    };
    match ffi::guard(Run::Own, || game.next_run()) {
        Run::Own => {}
        Run::Ahead => return ffi::presenter::ahead(|| stock.core.run_unplugged()),
        Run::Again => return ffi::presenter::repeat(),
    }
    let frame = ffi::guard(None, || Some(game.before_run(&stock.core)));
    let keys = Arc::clone(&lock(&stock.declared).keys);
    game.run(&stock.core, &keys);
    if let Some(frame) = frame {
        ffi::guard((), || game.after_run(&frame));
    }
}

/// The cable for a new game, as the environment asks for it.
fn plug_in(has_link: bool, no_link: &str) -> Game {
    ffi::forget_failure();
    if !has_link {
        log::error!("{no_link}");
        return Game::new(None, false, vec![(Severity::Error, no_link.into())]);
    }
    let settings = Settings::from_process();
    let mut waiting = Vec::new();
    for problem in &settings.problems {
        log::error!("{problem}");
        waiting.push((Severity::Error, format!("Link cable unplugged: {problem}")));
    }
    let mut start = |config: &Config| {
        Cable::start(config)
            .inspect_err(|error| {
                log::error!("the link does not start: {error}");
                waiting.push((Severity::Error, format!("Link cable unplugged: {error}")));
            })
            .ok()
    };
    let unplugged = Config {
        stats: settings.config.stats.clone(),
        ..Config::default()
    };
    let cable = start(&settings.config).or_else(|| start(&unplugged));
    let is_peer_here = settings.config.peer.is_some_and(|peer| windows::is_here(peer.ip));
    Game::new(cable.map(Plug::new), is_peer_here, waiting)
}

/// What this library calls itself: the stock core's own name, so that `RetroArch` finds the player's saves, states and options,
/// which it keeps in folders of that name; and a version that tells the two apart.
///
/// On a mapping that only looks at cores, the stock core is opened for the question and closed again. The answers are kept for
/// good, because nothing says how long a frontend looks at the strings.
pub(crate) fn system_identity() -> &'static Identity {
    static KNOWN: Mutex<Vec<&'static Identity>> = Mutex::new(Vec::new());
    let identity = match SESSION.stock() {
        Some(stock) => own_identity(Some(stock.core.identity())),
        None => match find::open_for_a_look() {
            Ok(found) => own_identity(Some(found.core.identity())),
            Err(_) => own_identity(None),
        },
    };
    let mut known = lock(&KNOWN);
    if let Some(same) = known.iter().find(|known| ***known == identity) {
        return same;
    }
    let identity: &'static Identity = Box::leak(Box::new(identity));
    known.push(identity);
    identity
}

fn own_identity(stock: Option<&Identity>) -> Identity {
    let text = |text: String| CString::new(text).unwrap_or_default();
    let own = concat!("Gamelink ", env!("CARGO_PKG_VERSION"));
    match stock {
        Some(stock) => Identity {
            version: text(format!("{} + {own}", stock.version.to_string_lossy())),
            ..stock.clone()
        },
        None => Identity {
            name: c"Gambatte".to_owned(),
            version: text(format!("{own}, Gambatte not found")),
            extensions: text(FALLBACK_EXTENSIONS.to_owned()),
            need_fullpath: false,
            block_extract: false,
        },
    }
}
