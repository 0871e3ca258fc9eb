//! The stock core: its library, and its 25 functions.

use super::abi::*;
use super::c_strings::owned;
use super::core_callbacks;
use super::emulated_clock::{CLOCK, SampleCount};
use super::imports::{self, ReplaceError, Replaced};
use super::poll_origin::DEPTHS;
use super::replaced_sockets::{self, End};
use crate::core_elf::{self, BadLibrary, Linking};
use crate::mid_transfer::present_time;
use gamelink_core::serial::Shift;
use libc::{c_char, c_uint, c_void};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use std::ffi::{CStr, CString};
use std::fmt;
use std::mem::MaybeUninit;
use std::path::Path;

/// Exported by us and nobody else, so that we never load ourselves under another name.
pub(super) const MARKER: &CStr = c"gamelink_shim_version";

/// Reason why a file is not a usable stock core.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// The file itself is not right.
    File(BadLibrary),
    /// The dynamic linker would not have it.
    Linker(String),
    /// It is this library, or a copy of it.
    Ourselves,
    /// It lacks a function that every core has.
    NotACore(&'static str),
    /// It is a core for another version of libretro.
    ApiVersion(c_uint),
    /// It is another core.
    NotGambatte(CString),
    /// It was built without a link.
    NoLink,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::File(error) => error.fmt(f),
            OpenError::Linker(reason) => write!(f, "does not load ({reason})"),
            OpenError::Ourselves => write!(f, "is Gamelink itself, not Gambatte"),
            OpenError::NotACore(name) => write!(f, "is not a libretro core: it has no {name}"),
            OpenError::ApiVersion(version) => {
                write!(f, "is a core for libretro {version}, not {API_VERSION}")
            }
            OpenError::NoLink => f.write_str("has no link cable"),
            OpenError::NotGambatte(name) => write!(f, "is {}, not Gambatte", name.to_string_lossy()),
        }
    }
}

/// Name and version of a core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) name: CString,
    pub(crate) version: CString,
    pub(crate) extensions: CString,
    pub(crate) need_fullpath: bool,
    pub(crate) block_extract: bool,
}

/// Defines the functions of a core and calls of them. A call with pointers wants them as libretro.h does;
/// callbacks are of this library, which outlives the core.
macro_rules! functions {
    ($(
        [$($unsafe:tt)?] $visibility:vis fn $method:ident
            = $name:ident($($argument:ident: $kind:ty),*) $(-> $result:ty)?;
    )*) => {
        /// The functions of a core, by their names in libretro.h. (`CoreAPI` of `libretro-sys` lacks the
        /// result of `retro_serialize`.)
        struct Functions {
            $($name: unsafe extern "C" fn($($kind),*) $(-> $result)?,)*
        }

        impl Functions {
            fn load(library: &Library) -> Result<Functions, OpenError> {
                $(
                    // SAFETY: libretro.h gives this type to the function of this name; the pointer is used no
                    // longer than `Core`, which keeps the library.
                    let $name = unsafe { library.get(concat!(stringify!($name), "\0").as_bytes()) };
                    let $name = *$name.map_err(|_| OpenError::NotACore(stringify!($name)))?;
                )*
                Ok(Functions { $($name,)* })
            }
        }

        impl Core {
            $(
                $visibility $($unsafe)? fn $method(&self, $($argument: $kind),*) $(-> $result)? {
                    // SAFETY: a core's function, loaded by its name, with libretro.h's arguments: by value,
                    // or as the caller promises.
                    unsafe { (self.functions.$name)($($argument),*) }
                }
            )*
        }
    };
}

functions! {
    [] fn api_version = retro_api_version() -> c_uint;
    [] pub(crate) fn cheat_reset = retro_cheat_reset();
    [unsafe] pub(crate) fn cheat_set = retro_cheat_set(index: c_uint, is_enabled: bool, code: *const c_char);
    [] pub(crate) fn deinit = retro_deinit();
    [] pub(crate) fn init = retro_init();
    [unsafe] pub(crate) fn load_game = retro_load_game(game: *const GameInfo) -> bool;
    [unsafe] pub(crate) fn load_game_special
        = retro_load_game_special(kind: c_uint, games: *const GameInfo, count: usize) -> bool;
    [] pub(crate) fn memory_data = retro_get_memory_data(id: c_uint) -> *mut c_void;
    [] pub(crate) fn memory_size = retro_get_memory_size(id: c_uint) -> usize;
    [] pub(crate) fn region = retro_get_region() -> c_uint;
    [] fn reset_game = retro_reset();
    [] fn run_frame = retro_run();
    [unsafe] fn save_state = retro_serialize(data: *mut c_void, size: usize) -> bool;
    [] fn state_size = retro_serialize_size() -> usize;
    [unsafe] fn load_state = retro_unserialize(data: *const c_void, size: usize) -> bool;
    [] fn set_audio_sample = retro_set_audio_sample(callback: AudioSampleFn);
    [] fn set_audio_sample_batch = retro_set_audio_sample_batch(callback: AudioSampleBatchFn);
    [] pub(crate) fn set_controller_port_device
        = retro_set_controller_port_device(port: c_uint, device: c_uint);
    [] pub(crate) fn set_environment = retro_set_environment(callback: EnvironmentFn);
    [] fn set_input_poll = retro_set_input_poll(callback: InputPollFn);
    [] fn set_input_state = retro_set_input_state(callback: InputStateFn);
    [] fn set_video_refresh = retro_set_video_refresh(callback: VideoRefreshFn);
    [unsafe] pub(crate) fn system_av_info = retro_get_system_av_info(info: *mut SystemAvInfo);
    [unsafe] fn system_info = retro_get_system_info(info: *mut SystemInfo);
    [] pub(crate) fn unload_game = retro_unload_game();
}

/// A loaded stock core. Its functions are called in the order that libretro wants; `lifecycle` sees to that.
pub(crate) struct Core {
    functions: Functions,
    linking: Option<Linking>,
    /// Goes before the library: it puts the library's own functions back.
    replaced: Option<Replaced>,
    /// Goes before the library, whose data it reads.
    samples: SampleCount,
    /// Keeps the code of `functions` in memory.
    _library: Library,
}

impl Core {
    /// Loads the library and looks whether it is a Gambatte; runs none of it but its own static set-up.
    pub(crate) fn open(path: &Path) -> Result<Core, OpenError> {
        let linking = core_elf::read(path).map_err(OpenError::File)?;
        // SAFETY: loading runs the library's own set-up code: it is the core that the player installed and
        // wants to run.
        let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) };
        let library = library.map_err(|error| OpenError::Linker(linker_words(&error)))?;
        // SAFETY: the symbol is only asked for, never used.
        let marker = unsafe { library.get::<*const c_char>(MARKER.to_bytes_with_nul()) };
        if marker.is_ok() {
            return Err(OpenError::Ourselves);
        }
        let functions = Functions::load(&library)?;
        let inside = functions.retro_run as *const c_void;
        let zeroed = linking
            .as_ref()
            .and_then(|linking| imports::zeroed_in(inside, linking));
        let core = Core {
            functions,
            linking,
            replaced: None,
            // SAFETY: the library's own data, mapped as long as it is loaded, which it is longer than this; a
            // core has no threads of its own.
            samples: unsafe { SampleCount::new(&zeroed.unwrap_or_default()) },
            _library: library,
        };
        let version = core.api_version();
        if version != API_VERSION {
            return Err(OpenError::ApiVersion(version));
        }
        let name = core.identity().name;
        if name.as_c_str() != c"Gambatte" {
            return Err(OpenError::NotGambatte(name));
        }
        Ok(core)
    }

    /// Name and version, which a core gives at any time.
    pub(crate) fn identity(&self) -> Identity {
        let mut info = MaybeUninit::<SystemInfo>::zeroed();
        // SAFETY: it fills in the structure.
        unsafe { self.system_info(info.as_mut_ptr()) };
        // SAFETY: pointers and booleans, for which all zero, as before the call, is a value too.
        let info = unsafe { info.assume_init() };
        // SAFETY: null or the core's string, valid until `retro_deinit`.
        let own = |text| unsafe { owned(text) }.unwrap_or_default();
        Identity {
            name: own(info.library_name),
            version: own(info.library_version),
            extensions: own(info.valid_extensions),
            need_fullpath: info.need_fullpath,
            block_extract: info.block_extract,
        }
    }

    /// True for a core that may have a link: one without imports no `connect`. Where that cannot be seen it
    /// may.
    pub(crate) fn may_have_link(&self) -> bool {
        let linking = self.linking.as_ref();
        linking.is_none_or(|linking| linking.is_imported("connect"))
    }

    /// Has the core's socket calls end in our link, from its next connection on.
    ///
    /// # Errors
    /// As [`replaced_sockets::take_over`]; the core then uses real sockets.
    pub(crate) fn take_over_sockets(&mut self) -> Result<(), ReplaceError> {
        DEPTHS.forget();
        CLOCK.forget();
        let linking = self.linking.as_ref().ok_or(ReplaceError::Tables)?;
        let inside = self.functions.retro_run as *const c_void;
        // SAFETY: `replaced` goes before the library; nothing of the core runs, for it has not been started;
        // the functions have the types of those that they replace.
        self.replaced = Some(unsafe { replaced_sockets::take_over(inside, linking) }?);
        Ok(())
    }

    /// True if the core's next connection ends in our link.
    pub(crate) fn has_direct_port(&self) -> bool {
        self.replaced.is_some()
    }

    /// Gives the core our callbacks, which reach the frontend's as those are at each call.
    pub(crate) fn attach(&self, environment: EnvironmentFn) {
        self.set_environment(environment);
        self.set_video_refresh(core_callbacks::video_refresh);
        self.set_audio_sample(core_callbacks::audio_sample);
        self.set_audio_sample_batch(core_callbacks::audio_sample_batch);
        self.set_input_poll(core_callbacks::input_poll);
        self.set_input_state(core_callbacks::input_state);
    }

    /// True while the core tells the time inside its frames.
    pub(crate) fn has_clock(&self) -> bool {
        self.samples.is_known()
    }

    /// Emulates about one frame.
    pub(crate) fn run(&self) {
        self.samples.run(|| DEPTHS.run(&|| self.run_frame()));
    }

    /// Emulates about one frame that is taken back, with the cable out.
    pub(crate) fn run_unplugged(&self) {
        replaced_sockets::with_end(End::Unplugged, || self.run());
    }

    /// Restarts the game.
    pub(crate) fn reset(&self) {
        CLOCK.handle_jump();
        self.reset_game();
    }

    /// Size of a state. The stock core runs its encoder for this, and polls the link in it.
    pub(crate) fn serialize_size(&self) -> usize {
        // It sets the counter of cycles back, by nobody knows how much.
        CLOCK.handle_jump();
        replaced_sockets::with_end(End::Silence, || self.state_size())
    }

    /// Saves the state into `out`, of the size that `serialize_size` gave.
    pub(crate) fn serialize(&self, out: &mut [u8]) -> bool {
        // SAFETY: pointer and length are those of the slice.
        let is_saved = replaced_sockets::with_end(End::Silence, || unsafe {
            self.save_state(out.as_mut_ptr().cast(), out.len())
        });
        CLOCK.handle_state(present_time(out).filter(|_| is_saved), true);
        is_saved
    }

    /// Saves the state into `out` while the core, whose game is armed, takes this byte; false where it did
    /// not.
    pub(crate) fn hand_over(&self, out: &mut [u8], shift: Shift) -> bool {
        replaced_sockets::with_one_byte(shift, || {
            self.serialize(out);
        })
    }

    /// Loads a state.
    pub(crate) fn unserialize(&self, state: &[u8]) -> bool {
        // SAFETY: pointer and length are those of the slice.
        let is_loaded = replaced_sockets::with_end(End::Silence, || unsafe {
            self.load_state(state.as_ptr().cast(), state.len())
        });
        CLOCK.handle_state(present_time(state).filter(|_| is_loaded), false);
        is_loaded
    }
}

/// Text of the dynamic linker, which the error keeps one level down.
fn linker_words(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}
