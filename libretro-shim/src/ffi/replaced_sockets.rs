//! The stock core's socket calls, answered in this process; and the wall clock, which must stand in replayed
//! frames.
//!
//! The core opens a socket as before, a real one; when it connects that to the link's address, the socket is
//! left idle and its calls go to the link instead. Every other descriptor, and every call before that, goes
//! to the system: the core reads and writes files with the same functions.
//!
//! A core of a 32-bit machine with 64-bit times (glibc, `_TIME_BITS`; Debian's armhf since trixie) imports
//! some of them under other names: `__ioctl_time64` for `ioctl` and `__time64` for `time`. `clock` and the
//! rest of the core's socket calls keep theirs; `select`, which becomes `__select64`, is not replaced: the
//! core waits with it only as a server, which it never is here.

use super::emulated_clock::CLOCK;
use super::imports::{self, ReplaceError, Replaced, Replacement};
use super::loaded_cable::with_cable;
use super::poll_origin::DEPTHS;
use super::{REGISTERS, core_callbacks, frame_stack, guard};
use crate::core_elf::Linking;
use crate::fail_points;
use gamelink_core::serial::{GameMessage, Shift};
use gamelink_driver::Link;
use libc::{c_int, c_ulong, c_void, sockaddr, sockaddr_in, socklen_t};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU32, Ordering};
use std::time::SystemTime;

/// The core's link socket; -1 while it has none that we answer for.
static DESCRIPTOR: AtomicI32 = AtomicI32::new(-1);

/// Other end of the core's socket.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum End {
    /// The link.
    Link,
    /// Nothing but [`HANDED`]: the core saves or loads a state, and polls while it does.
    Silence,
    /// An unplugged cable: the frame is taken back.
    Unplugged,
}

static END: AtomicU8 = AtomicU8::new(End::Link as u8);

/// The byte that the core read last, until somebody asks.
static LAST_READ: AtomicU32 = AtomicU32::new(NOTHING_READ);
const NOTHING_READ: u32 = u32::MAX;

/// Two bytes that the core reads in [`End::Silence`], once, below a bit that marks them; else 0.
static HANDED: AtomicU32 = AtomicU32::new(0);

/// Answers the socket calls of the library of these tables, which contains the function `inside`.
///
/// # Errors
/// As [`imports::replace`]; the library then uses real sockets.
///
/// # Safety
/// As [`imports::replace`].
pub(super) unsafe fn take_over(inside: *const c_void, linking: &Linking) -> Result<Replaced, ReplaceError> {
    let replacement = |names, function, is_required| Replacement {
        names,
        function,
        is_required,
    };
    let wanted = [
        replacement(&["connect"], connect as *const c_void, true),
        replacement(&["close"], close as *const c_void, true),
        replacement(&["read"], read as *const c_void, true),
        replacement(&["write"], write as *const c_void, true),
        replacement(&["ioctl", "__ioctl_time64"], ioctl as *const c_void, true),
        replacement(&["time"], time as *const c_void, false),
        replacement(&["__time64"], time64 as *const c_void, false),
    ];
    // SAFETY: the caller's promise; the functions below have the types of those that they replace.
    unsafe { imports::replace(inside, linking, &wanted) }
}

/// Makes the call with this at the other end.
pub(super) fn with_end<T>(end: End, call: impl FnOnce() -> T) -> T {
    let before = END.swap(end as u8, Ordering::Relaxed);
    let result = call();
    END.store(before, Ordering::Relaxed);
    result
}

/// Takes the byte that the core read last, if it has read any since the last time.
pub(crate) fn take_last_read() -> Option<u8> {
    u8::try_from(LAST_READ.swap(NOTHING_READ, Ordering::Relaxed)).ok()
}

fn is_end(end: End) -> bool {
    END.load(Ordering::Relaxed) == end as u8
}

/// Makes the call, in which the core saves a state, with one byte for an armed game; true where it was taken.
pub(super) fn with_one_byte(shift: Shift, call: impl FnOnce()) -> bool {
    let Shift { byte, speed } = shift;
    let [first, second] = GameMessage::Request { byte, speed }.encode();
    HANDED.store(u32::from_be_bytes([0, 1, first, second]), Ordering::Relaxed);
    call();
    HANDED.swap(0, Ordering::Relaxed) == 0
}

fn is_ours(descriptor: c_int) -> bool {
    descriptor >= 0 && descriptor == DESCRIPTOR.load(Ordering::Relaxed)
}

/// Calls the link of the loaded game; gives `otherwise` without one, or on an unplugged cable.
fn with_link<T: Copy>(otherwise: T, call: impl FnOnce(&Link) -> T) -> T {
    if is_end(End::Unplugged) {
        return otherwise;
    }
    guard(otherwise, || {
        fail_points::place("with_link");
        with_cable(otherwise, |cable| call(cable.link()))
    })
}

/// # Safety
/// `address` is null or points to `len` bytes.
unsafe fn is_game_port(address: *const sockaddr, len: socklen_t) -> bool {
    if address.is_null() || (len as usize) < size_of::<sockaddr_in>() {
        return false;
    }
    // SAFETY: long enough; read as bytes of any alignment.
    let address = unsafe { address.cast::<sockaddr_in>().read_unaligned() };
    let is_v4 = c_int::from(address.sin_family) == libc::AF_INET;
    let ip = Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr));
    let address = SocketAddrV4::new(ip, u16::from_be(address.sin_port));
    is_v4 && with_link(false, |link| link.game_address() == address)
}

unsafe extern "C" fn connect(descriptor: c_int, address: *const sockaddr, len: socklen_t) -> c_int {
    // SAFETY: the core's own arguments.
    if !unsafe { is_game_port(address, len) } {
        // SAFETY: as above.
        return unsafe { libc::connect(descriptor, address, len) };
    }
    DESCRIPTOR.store(descriptor, Ordering::Relaxed);
    with_link((), Link::game_connect);
    0
}

unsafe extern "C" fn close(descriptor: c_int) -> c_int {
    if is_ours(descriptor) {
        DESCRIPTOR.store(-1, Ordering::Relaxed);
    }
    // SAFETY: the core's own descriptor, ours only to listen to.
    unsafe { libc::close(descriptor) }
}

unsafe extern "C" fn read(descriptor: c_int, buffer: *mut c_void, len: usize) -> isize {
    if !is_ours(descriptor) || len < 2 || buffer.is_null() {
        // SAFETY: the core's own arguments.
        return unsafe { libc::read(descriptor, buffer, len) };
    }
    let bytes = if is_end(End::Silence) {
        let [.., first, second] = HANDED.swap(0, Ordering::Relaxed).to_be_bytes();
        [first, second]
    } else {
        let bytes = with_link([0xFF, 0x80], |link| link.game_read(frame_stack::leave));
        // Both messages, a request and a reply, begin with the byte.
        LAST_READ.store(u32::from(bytes[0]), Ordering::Relaxed);
        bytes
    };
    // SAFETY: the buffer has room for two bytes.
    unsafe { buffer.cast::<[u8; 2]>().write(bytes) };
    2
}

unsafe extern "C" fn write(descriptor: c_int, buffer: *const c_void, len: usize) -> isize {
    if !is_ours(descriptor) || len != 2 || buffer.is_null() {
        // SAFETY: the core's own arguments.
        return unsafe { libc::write(descriptor, buffer, len) };
    }
    // SAFETY: the buffer holds two bytes.
    let bytes = unsafe { buffer.cast::<[u8; 2]>().read() };
    // An answer to a byte of `HANDED` goes nowhere.
    if !is_end(End::Silence) {
        // Both of its messages, a request and a reply, begin with the byte.
        REGISTERS.handle_sent(bytes[0]);
        let time = CLOCK.time((&raw const bytes).expose_provenance());
        with_link((), |link| link.game_write(bytes, time));
    }
    2
}

/// The core calls this with a pointer as its third argument, which is passed as any other function's third
/// argument would be.
///
/// It stands for `__ioctl_time64` too: the two differ only in requests for a packet's time.
unsafe extern "C" fn ioctl(descriptor: c_int, request: c_ulong, argument: *mut c_void) -> c_int {
    if !is_ours(descriptor) || request != libc::FIONREAD as c_ulong || argument.is_null() {
        // SAFETY: the core's own arguments.
        return unsafe { libc::ioctl(descriptor, request as _, argument) };
    }
    let mut available: c_int = 0;
    let is_there = if is_end(End::Silence) {
        HANDED.load(Ordering::Relaxed) != 0
    } else {
        let here = (&raw const available).expose_provenance();
        let look = DEPTHS.look(here);
        with_link(false, |link| link.game_poll(look, || CLOCK.time(here)))
    };
    available = if is_there { 2 } else { 0 };
    // SAFETY: FIONREAD takes an `int` to fill in.
    unsafe { argument.cast::<c_int>().write(available) };
    0
}

/// `time`; with 32 bits it ends in 2038, as the C function's does.
unsafe extern "C" fn time(out: *mut libc::time_t) -> libc::time_t {
    let now = core_callbacks::time(wall_clock) as libc::time_t;
    // SAFETY: null or the core's own pointer.
    if let Some(out) = unsafe { out.as_mut() } {
        *out = now;
    }
    now
}

/// `__time64`: the same with 64 bits, whatever this machine's `time_t` has.
unsafe extern "C" fn time64(out: *mut i64) -> i64 {
    let now = core_callbacks::time(wall_clock);
    // SAFETY: as above.
    if let Some(out) = unsafe { out.as_mut() } {
        *out = now;
    }
    now
}

/// Seconds since 1970.
fn wall_clock() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs().cast_signed())
}

#[cfg(test)]
mod tests;
