//! The stock core's socket calls, answered in this process; and the wall clock, which must not go on in frames that are emulated again.
//!
//! The core opens a socket as before, a real one; when it connects that to the address which we told it, the socket is left idle and its
//! calls go to the link instead. Every other descriptor, and every call before that, goes to the system: the core reads and
//! writes files with the same functions.

use super::imports::{self, ReplaceError, Replaced, Replacement};
use super::{guard, stage};
use crate::lifecycle::session;
use gamelink_core::driver::Link;
use gamelink_core::serial::{GameMessage, Shift};
use libc::{c_int, c_ulong, c_void, sockaddr, sockaddr_in, socklen_t};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};

/// The core's link socket; -1 while it has none that we answer for.
static DESCRIPTOR: AtomicI32 = AtomicI32::new(-1);

/// The core saves or loads a state: it then polls the link, and must find nothing.
static IS_SAVING: AtomicBool = AtomicBool::new(false);

/// What it finds all the same, once: two bytes, and a bit above them to tell that they are there; else 0.
static HANDED: AtomicU32 = AtomicU32::new(0);

/// Answers the socket calls of the library that contains the function `inside`.
///
/// # Errors
/// As [`imports::replace`]; the library then goes on using real sockets.
///
/// # Safety
/// As [`imports::replace`].
pub(super) unsafe fn take_over(inside: *const c_void) -> Result<Replaced, ReplaceError> {
    let replacement = |name, function| Replacement {
        name,
        function,
        is_required: true,
    };
    let wanted = [
        replacement(c"connect", connect as *const c_void),
        replacement(c"close", close as *const c_void),
        replacement(c"read", read as *const c_void),
        replacement(c"write", write as *const c_void),
        replacement(c"ioctl", ioctl as *const c_void),
        Replacement {
            is_required: false,
            ..replacement(c"time", time as *const c_void)
        },
    ];
    // SAFETY: the caller's promise; the functions below have the types of those that they replace.
    unsafe { imports::replace(inside, &wanted) }
}

/// Makes the call, in which the core saves or loads a state, with a link on which nothing arrives.
pub(super) fn with_silent_link<T>(call: impl FnOnce() -> T) -> T {
    let was_saving = IS_SAVING.swap(true, Ordering::Relaxed);
    let result = call();
    IS_SAVING.store(was_saving, Ordering::Relaxed);
    result
}

/// Makes the call, in which the core saves a state, with one byte for a game that listens; whether it was taken.
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

/// Calls the link of the loaded game; what a core without one is answered is `otherwise`.
fn with_link<T: Copy>(otherwise: T, call: impl FnOnce(&Link) -> T) -> T {
    guard(otherwise, || session().with_link(otherwise, call))
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
    let bytes = if IS_SAVING.load(Ordering::Relaxed) {
        let [.., first, second] = HANDED.swap(0, Ordering::Relaxed).to_be_bytes();
        [first, second]
    } else {
        with_link([0xFF, 0x80], Link::game_read)
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
    // Its answer to what it took while it was saved is for nobody.
    if !IS_SAVING.load(Ordering::Relaxed) {
        with_link((), |link| link.game_write(bytes));
    }
    2
}

/// The core calls this with a pointer as its third argument, which is passed as any other function's third argument would be.
unsafe extern "C" fn ioctl(descriptor: c_int, request: c_ulong, argument: *mut c_void) -> c_int {
    if !is_ours(descriptor) || request != libc::FIONREAD as c_ulong || argument.is_null() {
        // SAFETY: the core's own arguments.
        return unsafe { libc::ioctl(descriptor, request as _, argument) };
    }
    let is_there = if IS_SAVING.load(Ordering::Relaxed) {
        HANDED.load(Ordering::Relaxed) != 0
    } else {
        with_link(false, Link::game_poll)
    };
    let available: c_int = if is_there { 2 } else { 0 };
    // SAFETY: FIONREAD takes an `int` to fill in.
    unsafe { argument.cast::<c_int>().write(available) };
    0
}

unsafe extern "C" fn time(out: *mut libc::time_t) -> libc::time_t {
    // SAFETY: a null pointer asks for the result alone.
    let now = stage::time(|| unsafe { libc::time(std::ptr::null_mut()) });
    if !out.is_null() {
        // SAFETY: the core's own pointer.
        unsafe { out.write(now) };
    }
    now
}
