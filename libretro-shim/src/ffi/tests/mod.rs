//! The whole shim in this process: a frontend of a few lines, a stand-in for the stock core, and a peer.

mod loading;
mod locks;
mod panics;
mod pictures;
mod reentrance;
mod registers;
mod work_ram;

use super::abi::*;
use super::core_callbacks::presentation;
use super::loaded_cable::with_cable;
use super::{Core, exports};
use crate::lifecycle::session;
use crate::presentation::Mode;
use crate::unpoisoned_lock::lock;
use gamelink_core::bridge::rollback::{Boundary, Step};
use gamelink_core::serial::{Look, SerialControl};
use gamelink_driver::Link;
use libc::{c_uint, c_void};
use std::ffi::CStr;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// The right to use what there is one of in a process: the session, the link's descriptor, the presentation.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    lock(&TURN)
}

/// Both ends of a link at this port. The process number is in the addresses, so that tests run beside others.
fn ends(port: u16) -> [String; 2] {
    let process = std::process::id() & 0x3F_FFFF;
    [1, 2].map(|end| format!("{}:{port}", Ipv4Addr::from_bits(127 << 24 | process << 2 | end)))
}

/// Builds a library of this source, with `$CC` or the machine's own compiler.
pub(super) fn build(source: &str, arguments: &[&str], to: &Path) {
    let file = to.with_extension("c");
    std::fs::write(&file, source).unwrap();
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let output = Command::new(compiler)
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([to, &file])
        .args(arguments)
        .output()
        .expect("a C compiler, which the linking of this test needed too");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Message for a core without a link.
const NO_LINK: &str = "no link";

/// Calls that the frontend has got since it was last asked.
#[derive(Default)]
struct Seen {
    /// Of each picture: the game's frame, the buttons, and the byte that the game received.
    pictures: Vec<[u16; 3]>,
    samples: usize,
    messages: Vec<String>,
    /// All buttons as the game asks for them, a bit each.
    held: u16,
    /// The frontend takes null for the picture that it was handed last.
    can_repeat: bool,
    repeated: u32,
}

static SEEN: Mutex<Seen> = Mutex::new(Seen {
    pictures: Vec::new(),
    samples: 0,
    messages: Vec::new(),
    held: 0,
    can_repeat: false,
    repeated: 0,
});

fn seen() -> MutexGuard<'static, Seen> {
    lock(&SEEN)
}

/// A call that the frontend makes from inside its next callback of this name.
type Nested = (&'static str, fn());

static NESTED: Mutex<Option<Nested>> = Mutex::new(None);

fn nest(callback: &'static str) {
    let call = lock(&NESTED).take_if(|(wanted, _)| *wanted == callback);
    if let Some((_, call)) = call {
        call();
    }
}

unsafe extern "C" fn environment(command: c_uint, data: *mut c_void) -> bool {
    nest("environment");
    match command {
        GET_CAN_DUPE => {
            // SAFETY: the command takes a `bool` to fill in.
            unsafe { data.cast::<bool>().write(seen().can_repeat) };
            true
        }
        SET_MEMORY_MAPS => {
            // SAFETY: the command takes a `retro_memory_map`.
            unsafe { work_ram::keep_map(data.cast()) };
            true
        }
        SET_VARIABLES => true,
        SET_MESSAGE => {
            // SAFETY: the command takes a `retro_message`.
            let text = unsafe { data.cast::<Message>().read() }.msg;
            // SAFETY: a C string.
            let text = unsafe { CStr::from_ptr(text) };
            seen().messages.push(text.to_string_lossy().into_owned());
            true
        }
        _ => false,
    }
}

unsafe extern "C" fn video_refresh(data: *const c_void, _: c_uint, _: c_uint, _: usize) {
    nest("video_refresh");
    if data.is_null() {
        return seen().repeated += 1;
    }
    // SAFETY: the stand-in's picture begins with these three.
    let picture = unsafe { data.cast::<[u16; 3]>().read() };
    seen().pictures.push(picture);
}

unsafe extern "C" fn audio_sample_batch(_: *const i16, frames: usize) -> usize {
    nest("audio_sample_batch");
    seen().samples += frames;
    frames
}

unsafe extern "C" fn input_poll() {
    nest("input_poll");
}

unsafe extern "C" fn input_state(_: c_uint, _: c_uint, _: c_uint, id: c_uint) -> i16 {
    nest("input_state");
    i16::from(seen().held >> id & 1 != 0)
}

/// Hands the frontend's callbacks to the shim.
fn attach_frontend() {
    exports::retro_set_environment(Some(environment));
    exports::retro_set_video_refresh(Some(video_refresh));
    exports::retro_set_audio_sample_batch(Some(audio_sample_batch));
    exports::retro_set_input_poll(Some(input_poll));
    exports::retro_set_input_state(Some(input_state));
}

/// The shim with the stand-in and its game; unloaded when it goes.
struct Shim {
    _folder: tempfile::TempDir,
}

impl Shim {
    fn load(arguments: &[&str]) -> Shim {
        // SAFETY: a game of four bytes.
        Shim::load_by(arguments, |game| unsafe { exports::retro_load_game(game) })
    }

    /// Starts the stand-in, and has this load its game.
    fn load_by(arguments: &[&str], load: impl FnOnce(*const GameInfo) -> bool) -> Shim {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("core.so");
        build(include_str!("core.c"), arguments, &file);
        *seen() = Seen::default();
        attach_frontend();
        let core = Core::open(&file).unwrap();
        assert_eq!(core.may_have_link(), !arguments.contains(&"-DNO_LINK"));
        session().start(core, NO_LINK.into(), super::environment::environment);
        let game = [0_u8; 4];
        let info = GameInfo {
            path: std::ptr::null(),
            data: game.as_ptr().cast(),
            size: game.len(),
            meta: std::ptr::null(),
        };
        assert!(load(&raw const info));
        Shim { _folder: folder }
    }

    /// One frame; what was seen of it.
    fn frame(&self) -> Vec<[u16; 3]> {
        seen().pictures.clear();
        exports::retro_run();
        std::mem::take(&mut seen().pictures)
    }

    /// The battery RAM as the frontend has it: its place, and the game's frame in it.
    fn save_ram(&self) -> (*mut u8, u32) {
        let data = exports::retro_get_memory_data(0).cast::<u8>();
        // SAFETY: the stand-in's save begins with a count of four bytes.
        let frame = unsafe { data.cast::<[u8; 4]>().read() };
        (data, u32::from_le_bytes(frame))
    }

    fn link<T: Default>(&self, call: impl FnOnce(&Link) -> T) -> T {
        with_cable(T::default(), |cable| call(cable.link()))
    }
}

impl Drop for Shim {
    fn drop(&mut self) {
        exports::retro_unload_game();
        exports::retro_deinit();
        exports::retro_set_environment(None);
        assert!(std::thread::panicking() || presentation().mode() == Mode::Open);
    }
}

/// A peer whose game listens, and answers with another byte every few frames, so that predictions fail.
struct Peer {
    link: Link,
}

impl Peer {
    /// Linked with the shim's game.
    fn link(shim: &Shim, own: &str, other: &str) -> Peer {
        shim.link(|link| {
            let result = link.set_peer(Some(other.parse().unwrap()), Some(own.parse().unwrap()));
            result.unwrap();
        });
        Peer::new(other, own)
    }

    fn new(own: &str, other: &str) -> Peer {
        let link = Link::start(&gamelink_driver::Config {
            peer: Some(other.parse().unwrap()),
            bind: Some(own.parse().unwrap()),
            ..Default::default()
        })
        .unwrap();
        link.game_connect();
        link.set_rollback(true);
        Peer { link }
    }

    fn frame(&self) {
        /// Frames of one answer.
        const ANSWERED: u64 = 7;
        let armed = SerialControl(0xFE);
        self.link.frame_start(Some(armed));
        loop {
            match self.link.step() {
                Step::Live { frame } | Step::Replay { frame } => {
                    for _ in 0..12 {
                        if self.link.game_poll(Look::EventLoop, || None) {
                            let _ = self.link.game_read(|| gamelink_driver::Patience::GoesOn);
                            let answer = (frame / ANSWERED).to_le_bytes()[0] | 1;
                            self.link.game_write([answer, 0x80], None);
                        }
                    }
                    self.link.boundary(Boundary {
                        has_advanced: true,
                        serial_control: armed,
                        serial_byte: 0,
                    });
                }
                Step::Save { token, .. } => self.link.saved(token, true),
                Step::Load { .. } | Step::Stall => {}
                Step::Done => break,
            }
        }
        self.link.frame_end(true, Duration::ZERO);
    }
}
