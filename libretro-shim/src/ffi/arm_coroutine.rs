//! Coroutine of glibc's `makecontext`, for ARM of 32 bits, with as much of corosensei's interface as
//! `frame_stack` uses.
//!
//! The build script of corosensei compiles for the target, which needs a ready standard library; for ARMv6
//! there is none. glibc keeps the signal mask with each switch, which costs a system call.

use gamelink_driver::Patience;
use libc::{c_int, c_void, ucontext_t};
use std::cell::{Cell, UnsafeCell};
use std::io;
use std::ptr::NonNull;

/// First function on a stack.
type Entry = extern "C" fn(start: *mut c_void) -> !;

// `libc` leaves these out for ARM; source: getcontext(3) and makecontext(3).
unsafe extern "C" {
    fn getcontext(context: *mut ucontext_t) -> c_int;
    fn makecontext(context: *mut ucontext_t, entry: Entry, count: c_int, ...);
    fn swapcontext(left: *mut ucontext_t, entered: *const ucontext_t) -> c_int;
}

/// Bytes below a stack that nobody may touch: the largest page that a kernel has on this machine.
const GUARD: usize = 64 << 10;

/// Memory of the process for a stack, with a guard below.
pub(super) struct DefaultStack {
    start: NonNull<c_void>,
    len: usize,
}

impl DefaultStack {
    /// Maps `size` bytes, and the guard.
    ///
    /// # Errors
    /// When the kernel gives no memory.
    pub(super) fn new(size: usize) -> io::Result<DefaultStack> {
        let len = size + GUARD;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
        // SAFETY: a mapping of its own, wherever there is room.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), len, access, kind, -1, 0) };
        let start = NonNull::new(start)
            .filter(|start| start.as_ptr() != libc::MAP_FAILED)
            .ok_or_else(io::Error::last_os_error)?;
        let stack = DefaultStack { start, len };
        // SAFETY: this part of the mapping is used by nobody.
        match unsafe { libc::mprotect(start.as_ptr(), GUARD, libc::PROT_NONE) } {
            0 => Ok(stack),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// The address so many bytes below the upper end.
    fn below_end(&self, bytes: usize) -> NonNull<c_void> {
        self.start
            .map_addr(|start| start.saturating_add(self.len - bytes))
    }
}

impl Drop for DefaultStack {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's, and nothing runs on it any more.
        unsafe { libc::munmap(self.start.as_ptr(), self.len) };
    }
}

/// Way between a frame's stack and the one from which the frame is entered.
pub(super) struct WayOut {
    inside: UnsafeCell<ucontext_t>,
    outside: UnsafeCell<ucontext_t>,
    patience: Cell<Patience>,
    is_over: Cell<bool>,
}

impl WayOut {
    /// Leaves the frame; returns when it is gone on with.
    pub(super) fn suspend(&self, (): ()) -> Patience {
        // SAFETY: this runs on the stack of `inside`, and `outside` was saved when that was entered.
        unsafe { swapcontext(self.inside.get(), self.outside.get()) };
        self.patience.get()
    }
}

/// End of a call of [`Frame::resume`]: the frame was left, or it is over.
pub(super) enum CoroutineResult {
    Yield(()),
    Return(()),
}

/// Upper end of a frame's stack: the way out, and what is to run there.
#[repr(C)]
struct Start<F> {
    way_out: WayOut,
    body: Cell<Option<F>>,
}

/// A frame on a stack of its own.
pub(super) struct Frame {
    stack: DefaultStack,
    way_out: NonNull<WayOut>,
}

impl Frame {
    /// Prepares to run `body` on this stack; allocates nothing.
    pub(super) fn with_stack<F: FnOnce(&WayOut, Patience) + 'static>(stack: DefaultStack, body: F) -> Frame {
        let room = size_of::<Start<F>>().next_multiple_of(64);
        let place = stack.below_end(room);
        // SAFETY: numbers and addresses, for which zero stands for none.
        let outside: ucontext_t = unsafe { std::mem::zeroed() };
        let mut inside = outside;
        // SAFETY: a context may be copied: on this machine it has no address of its own parts.
        unsafe { getcontext(&raw mut inside) };
        inside.uc_stack.ss_sp = stack.below_end(stack.len - GUARD).as_ptr();
        inside.uc_stack.ss_size = stack.len - GUARD - room;
        // SAFETY: the context is a current one, with a stack that nobody uses.
        unsafe { makecontext(&raw mut inside, enter::<F>, 1, place.as_ptr()) };
        let start = place.cast::<Start<F>>();
        let way_out = WayOut {
            inside: UnsafeCell::new(inside),
            outside: UnsafeCell::new(outside),
            patience: Cell::new(Patience::GoesOn),
            is_over: Cell::new(false),
        };
        let body = Cell::new(Some(body));
        // SAFETY: the stack ends at a page, is larger than this, and is used by nobody yet.
        unsafe { start.write(Start { way_out, body }) };
        Frame {
            stack,
            way_out: start.cast(),
        }
    }

    /// Runs the frame until it is left or over; one that is over must not be run again.
    pub(super) fn resume(&mut self, patience: Patience) -> CoroutineResult {
        // SAFETY: it lies on the frame's own stack.
        let way_out = unsafe { self.way_out.as_ref() };
        way_out.patience.set(patience);
        // SAFETY: `inside` was made with the frame, or saved when that was left.
        unsafe { swapcontext(way_out.outside.get(), way_out.inside.get()) };
        match way_out.is_over.get() {
            true => CoroutineResult::Return(()),
            false => CoroutineResult::Yield(()),
        }
    }

    /// The stack, for the next frame.
    pub(super) fn into_stack(self) -> DefaultStack {
        self.stack
    }

    /// Forgets the frame that was left.
    ///
    /// # Safety
    /// Nothing may point into its stack, and what it owns is lost.
    pub(super) unsafe fn force_reset(&mut self) {
        self.way_out = NonNull::dangling();
    }
}

/// Runs the body of a frame and leaves for good.
extern "C" fn enter<F: FnOnce(&WayOut, Patience)>(start: *mut c_void) -> ! {
    // SAFETY: it was written when the frame was made, at the end of the stack on which this runs.
    let start = unsafe { &*start.cast::<Start<F>>() };
    if let Some(body) = start.body.take() {
        body(&start.way_out, start.way_out.patience.get());
    }
    start.way_out.is_over.set(true);
    start.way_out.suspend(());
    // A frame that is over was run again.
    std::process::abort()
}
