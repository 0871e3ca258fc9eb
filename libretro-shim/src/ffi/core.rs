//! The stock core: its library, and its 25 functions.

use super::abi::*;
use super::depth::DEPTHS;
use super::imports::{ReplaceError, Replaced};
use super::presenter;
use super::socket::{self, End};
use super::text::owned;
use crate::elf::{self, BadLibrary, Linking};
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

macro_rules! vtable {
    ($($name:ident($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// The functions of a core, by their names in libretro.h.
        struct Vtable {
            $($name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
        }

        impl Vtable {
            fn load(library: &Library) -> Result<Vtable, OpenError> {
                $(
                    // SAFETY: libretro.h gives this type to the function of this name; the pointer is used no
                    // longer than `Core`, which keeps the library.
                    let $name = unsafe {
                        library.get::<unsafe extern "C" fn($($argument),*) $(-> $result)?>(
                            concat!(stringify!($name), "\0").as_bytes(),
                        )
                    };
                    let $name = *$name.map_err(|_| OpenError::NotACore(stringify!($name)))?;
                )*
                Ok(Vtable { $($name,)* })
            }
        }
    };
}

vtable! {
    retro_api_version() -> c_uint;
    retro_cheat_reset();
    retro_cheat_set(c_uint, bool, *const c_char);
    retro_deinit();
    retro_get_memory_data(c_uint) -> *mut c_void;
    retro_get_memory_size(c_uint) -> usize;
    retro_get_region() -> c_uint;
    retro_get_system_av_info(*mut SystemAvInfo);
    retro_get_system_info(*mut SystemInfo);
    retro_init();
    retro_load_game(*const GameInfo) -> bool;
    retro_load_game_special(c_uint, *const GameInfo, usize) -> bool;
    retro_reset();
    retro_run();
    retro_serialize(*mut c_void, usize) -> bool;
    retro_serialize_size() -> usize;
    retro_set_audio_sample(AudioSampleFn);
    retro_set_audio_sample_batch(AudioSampleBatchFn);
    retro_set_controller_port_device(c_uint, c_uint);
    retro_set_environment(EnvironmentFn);
    retro_set_input_poll(InputPollFn);
    retro_set_input_state(InputStateFn);
    retro_set_video_refresh(VideoRefreshFn);
    retro_unload_game();
    retro_unserialize(*const c_void, usize) -> bool;
}

/// A loaded stock core. Its functions are called in the order that libretro wants; `lifecycle` sees to that.
pub(crate) struct Core {
    vtable: Vtable,
    identity: Identity,
    linking: Option<Linking>,
    /// Goes before the library: it puts the library's own functions back.
    replaced: Option<Replaced>,
    /// Keeps the code of `vtable` in memory.
    _library: Library,
}

/// Calls of the core as they are; those with pointers want them as libretro.h does, and callbacks are of this
/// library, which outlives the core.
macro_rules! calls {
    ($(
        [$($unsafe:tt)?] $method:ident = $name:ident($($argument:ident: $kind:ty),*) $(-> $result:ty)?;
    )*) => {$(
        pub(crate) $($unsafe)? fn $method(&self, $($argument: $kind),*) $(-> $result)? {
            // SAFETY: a core's function, loaded by its name, with libretro.h's arguments: by value, or as the
            // caller promises.
            unsafe { (self.vtable.$name)($($argument),*) }
        }
    )*};
}

impl Core {
    /// Loads the library and looks whether it is a Gambatte; runs none of it but its own static set-up.
    pub(crate) fn open(path: &Path) -> Result<Core, OpenError> {
        let linking = elf::read(path).map_err(OpenError::File)?;
        // SAFETY: loading runs the library's own set-up code: it is the core that the player installed and
        // wants to run.
        let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) };
        let library = library.map_err(|error| OpenError::Linker(linker_words(&error)))?;
        // SAFETY: the symbol is only asked for, never used.
        let marker = unsafe { library.get::<*const c_char>(MARKER.to_bytes_with_nul()) };
        if marker.is_ok() {
            return Err(OpenError::Ourselves);
        }
        let vtable = Vtable::load(&library)?;
        // SAFETY: the first call that a frontend makes; it takes nothing and needs nothing.
        let version = unsafe { (vtable.retro_api_version)() };
        if version != API_VERSION {
            return Err(OpenError::ApiVersion(version));
        }
        let identity = identity(&vtable);
        if identity.name.as_c_str() != c"Gambatte" {
            return Err(OpenError::NotGambatte(identity.name));
        }
        Ok(Core {
            vtable,
            identity,
            linking,
            replaced: None,
            _library: library,
        })
    }

    /// Name and version, as the core gives them.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
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
    /// As [`socket::take_over`]; the core then uses real sockets.
    pub(crate) fn take_over_sockets(&mut self) -> Result<(), ReplaceError> {
        DEPTHS.forget();
        let linking = self.linking.as_ref().ok_or(ReplaceError::Tables)?;
        let inside = self.vtable.retro_run as *const c_void;
        // SAFETY: `replaced` goes before the library; nothing of the core runs, for it has not been started;
        // the functions have the types of those that they replace.
        self.replaced = Some(unsafe { socket::take_over(inside, linking) }?);
        Ok(())
    }

    /// Gives the core our callbacks, and those of the frontend's that it may have directly, as far as they
    /// are known.
    pub(crate) fn attach(&self, environment: EnvironmentFn) {
        self.set_environment(environment);
        self.set_video_refresh(presenter::video_refresh);
        self.set_audio_sample(presenter::audio_sample);
        self.set_audio_sample_batch(presenter::audio_sample_batch);
        self.set_input();
    }

    /// Gives the core our input callbacks, which ask the frontend's or give what was recorded.
    pub(crate) fn set_input(&self) {
        self.set_input_poll(presenter::input_poll);
        self.set_input_state(presenter::input_state);
    }

    calls! {
        [] set_environment = retro_set_environment(callback: EnvironmentFn);
        [] set_video_refresh = retro_set_video_refresh(callback: VideoRefreshFn);
        [] set_audio_sample = retro_set_audio_sample(callback: AudioSampleFn);
        [] set_audio_sample_batch = retro_set_audio_sample_batch(callback: AudioSampleBatchFn);
        [] set_input_poll = retro_set_input_poll(callback: InputPollFn);
        [] set_input_state = retro_set_input_state(callback: InputStateFn);
        [] init = retro_init();
        [] deinit = retro_deinit();
        [] reset = retro_reset();
        [unsafe] load_game = retro_load_game(game: *const GameInfo) -> bool;
        [unsafe] load_game_special
            = retro_load_game_special(kind: c_uint, games: *const GameInfo, count: usize) -> bool;
        [] unload_game = retro_unload_game();
        [unsafe] system_av_info = retro_get_system_av_info(info: *mut SystemAvInfo);
        [] cheat_reset = retro_cheat_reset();
        [unsafe] cheat_set = retro_cheat_set(index: c_uint, is_enabled: bool, code: *const c_char);
        [] region = retro_get_region() -> c_uint;
        [] memory_data = retro_get_memory_data(id: c_uint) -> *mut c_void;
        [] memory_size = retro_get_memory_size(id: c_uint) -> usize;
        [] set_controller_port_device = retro_set_controller_port_device(port: c_uint, device: c_uint);
    }

    /// Emulates about one frame.
    pub(crate) fn run(&self) {
        // SAFETY: a core's function, loaded by its name.
        DEPTHS.run(&|| unsafe { (self.vtable.retro_run)() });
    }

    /// Emulates about one frame that is taken back, with the cable out.
    pub(crate) fn run_unplugged(&self) {
        socket::with_end(End::Unplugged, || self.run());
    }

    /// Size of a state. The stock core runs its encoder for this, and polls the link in it.
    pub(crate) fn serialize_size(&self) -> usize {
        // SAFETY: a core's function, loaded by its name.
        socket::with_end(End::Silence, || unsafe { (self.vtable.retro_serialize_size)() })
    }

    /// Saves the state into `out`, of the size that `serialize_size` gave.
    pub(crate) fn serialize(&self, out: &mut [u8]) -> bool {
        // SAFETY: pointer and length are those of the slice.
        socket::with_end(End::Silence, || unsafe {
            (self.vtable.retro_serialize)(out.as_mut_ptr().cast(), out.len())
        })
    }

    /// Saves the state into `out` while the core, whose game is armed, takes this byte; false where it did
    /// not.
    pub(crate) fn hand_over(&self, out: &mut [u8], shift: Shift) -> bool {
        socket::with_one_byte(shift, || {
            self.serialize(out);
        })
    }

    /// Loads a state.
    pub(crate) fn unserialize(&self, state: &[u8]) -> bool {
        // SAFETY: pointer and length are those of the slice.
        socket::with_end(End::Silence, || unsafe {
            (self.vtable.retro_unserialize)(state.as_ptr().cast(), state.len())
        })
    }
}

fn identity(vtable: &Vtable) -> Identity {
    let mut info = MaybeUninit::<SystemInfo>::zeroed();
    // SAFETY: callable at any time, before `retro_init` too; it fills in the structure.
    unsafe { (vtable.retro_get_system_info)(info.as_mut_ptr()) };
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

/// Text of the dynamic linker, which the error keeps one level down.
fn linker_words(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}
