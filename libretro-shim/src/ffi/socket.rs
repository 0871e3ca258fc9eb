//! The stock core's socket calls, answered in this process; and the wall clock, which must not go on in frames that are emulated again.
//!
//! The core opens a socket as before, a real one; when it connects that to the address which we told it, the socket is left idle and its
//! calls go to the link instead. Every other descriptor, and every call before that, goes to the system: the core reads and
//! writes files with the same functions.
//!
//! A core of a 32-bit machine with 64-bit times (glibc, `_TIME_BITS`; Debian's armhf since trixie) imports some of them under other
//! names: `__ioctl_time64` for `ioctl` and `__time64` for `time`. `clock` and the rest of the core's socket calls keep theirs; `select`,
//! which becomes `__select64`, is not replaced: the core waits with it only as a server, which it never is here.

use super::depth::DEPTHS;
use super::imports::{self, ReplaceError, Replaced, Replacement};
use super::plug::with_cable;
use super::{guard, memory, presenter};
use crate::faults;
use gamelink_core::driver::Link;
use gamelink_core::serial::{GameMessage, Shift};
use libc::{c_int, c_ulong, c_void, sockaddr, sockaddr_in, socklen_t};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU32, Ordering};
use std::time::SystemTime;

/// The core's link socket; -1 while it has none that we answer for.
static DESCRIPTOR: AtomicI32 = AtomicI32::new(-1);

/// What the core finds at the other end of its socket.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum End {
    /// The link.
    Link,
    /// Nothing but [`HANDED`], and nobody hears it: it saves or loads a state, and polls while it does.
    Silence,
    /// An unplugged cable: the frame is taken back.
    Unplugged,
}

static END: AtomicU8 = AtomicU8::new(End::Link as u8);

/// What the core reads in [`End::Silence`], once: two bytes, and a bit above them to tell that they are there; else 0.
static HANDED: AtomicU32 = AtomicU32::new(0);

/// Answers the socket calls of the library that contains the function `inside`.
///
/// # Errors
/// As [`imports::replace`]; the library then goes on using real sockets.
///
/// # Safety
/// As [`imports::replace`].
pub(super) unsafe fn take_over(inside: *const c_void) -> Result<Replaced, ReplaceError> {
    let required = |names, function| Replacement {
        names,
        function,
        is_required: true,
    };
    let optional = |names, function| Replacement {
        is_required: false,
        ..required(names, function)
    };
    let wanted = [
        required(&[c"connect"], connect as *const c_void),
        required(&[c"close"], close as *const c_void),
        required(&[c"read"], read as *const c_void),
        required(&[c"write"], write as *const c_void),
        required(&[c"ioctl", c"__ioctl_time64"], ioctl as *const c_void),
        optional(&[c"time"], time as *const c_void),
        optional(&[c"__time64"], time64 as *const c_void),
    ];
    // SAFETY: the caller's promise; the functions below have the types of those that they replace.
    unsafe { imports::replace(inside, &wanted) }
}

/// Makes the call, in which the core finds this at the other end.
pub(super) fn with_end<T>(end: End, call: impl FnOnce() -> T) -> T {
    let before = END.swap(end as u8, Ordering::Relaxed);
    let result = call();
    END.store(before, Ordering::Relaxed);
    result
}

fn is_end(end: End) -> bool {
    END.load(Ordering::Relaxed) == end as u8
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

/// Calls the link of the loaded game; what a core without one is answered is `otherwise`, also on an unplugged cable.
fn with_link<T: Copy>(otherwise: T, call: impl FnOnce(&Link) -> T) -> T {
    if is_end(End::Unplugged) {
        return otherwise;
    }
    guard(otherwise, || {
        faults::place("with_link");
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
    if !is_end(End::Silence) {
        // Both of its words, a request and a reply, begin with the byte.
        memory::handle_sent(bytes[0]);
        with_link((), |link| link.game_write(bytes));
    }
    2
}

/// The core calls this with a pointer as its third argument, which is passed as any other function's third argument would be.
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
        let look = DEPTHS.look((&raw const available).addr());
        with_link(false, |link| link.game_poll(look))
    };
    available = if is_there { 2 } else { 0 };
    // SAFETY: FIONREAD takes an `int` to fill in.
    unsafe { argument.cast::<c_int>().write(available) };
    0
}

/// Where this machine's `time_t` has 32 bits, it ends in 2038, as the C function's does.
unsafe extern "C" fn time(out: *mut libc::time_t) -> libc::time_t {
    let now = presenter::time(wall_clock) as libc::time_t;
    if !out.is_null() {
        // SAFETY: the core's own pointer.
        unsafe { out.write(now) };
    }
    now
}

/// `__time64`: the same with 64 bits, whatever this machine's `time_t` has.
unsafe extern "C" fn time64(out: *mut i64) -> i64 {
    let now = presenter::time(wall_clock);
    if !out.is_null() {
        // SAFETY: the core's own pointer.
        unsafe { out.write(now) };
    }
    now
}

/// Seconds since 1970.
fn wall_clock() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs().cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::tests;
    use libc::c_int;
    #[cfg(target_pointer_width = "32")]
    use libc::{Elf32_Ehdr as FileHeader, Elf32_Phdr as ProgramHeader, Elf32_Word as AddressWord};
    #[cfg(target_pointer_width = "64")]
    use libc::{Elf64_Ehdr as FileHeader, Elf64_Phdr as ProgramHeader, Elf64_Xword as AddressWord};
    use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    /// The C functions of `stand_in.c`.
    struct StandIn {
        library: Library,
    }

    impl StandIn {
        /// Builds it with `$CC`, or the machine's own compiler, with these arguments.
        fn build(arguments: &[&str]) -> StandIn {
            StandIn::build_changed(arguments, |_| {})
        }

        /// The same with a change of the file.
        fn build_changed(arguments: &[&str], change: impl FnOnce(&mut [u8])) -> StandIn {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("stand_in.so");
            tests::build(include_str!("stand_in.c"), arguments, &file);
            let mut bytes = std::fs::read(&file).unwrap();
            change(&mut bytes);
            std::fs::write(&file, bytes).unwrap();
            // SAFETY: just built of a source without set-up code.
            let library = unsafe { Library::open(Some(&file), RTLD_NOW | RTLD_LOCAL) }.unwrap();
            StandIn { library }
        }

        fn function<F: Copy>(&self, name: &str) -> F {
            // SAFETY: each caller names the type that the source has.
            *unsafe { self.library.get::<F>(name.as_bytes()) }.unwrap()
        }

        fn take_over(&self) -> Replaced {
            let inside: unsafe extern "C" fn() -> c_int = self.function("time_size");
            // SAFETY: the caller drops the result first; this thread alone runs the library's code.
            unsafe { take_over(inside as *const c_void) }.unwrap()
        }

        fn number<T>(&self, name: &str) -> T {
            let function: unsafe extern "C" fn() -> T = self.function(name);
            // SAFETY: it takes nothing.
            unsafe { function() }
        }

        fn open(&self, port: u16) -> c_int {
            let function: unsafe extern "C" fn(u16) -> c_int = self.function("link_open");
            // SAFETY: it takes a number.
            unsafe { function(port) }
        }

        fn call(&self, name: &str, descriptor: c_int) -> c_int {
            let function: unsafe extern "C" fn(c_int) -> c_int = self.function(name);
            // SAFETY: it takes a number.
            unsafe { function(descriptor) }
        }

        fn exchange(&self, name: &str, descriptor: c_int, bytes: &mut [u8; 2]) -> isize {
            let function: unsafe extern "C" fn(c_int, *mut u8) -> isize = self.function(name);
            // SAFETY: it reads or writes two bytes.
            unsafe { function(descriptor, bytes.as_mut_ptr()) }
        }
    }

    /// What is not ours goes to the system, what is ours to the link, and a replayed frame's clock stands.
    fn stands_in(arguments: &[&str]) {
        let stand_in = StandIn::build(arguments);
        let own: i64 = stand_in.number("wall_clock");
        let replaced = stand_in.take_over();

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let descriptor = stand_in.open(listener.local_addr().unwrap().port());
        let (mut peer, _) = listener.accept().unwrap();
        let mut bytes = [0x12, 0x34];
        assert_eq!(stand_in.call("link_available", descriptor), 0);
        assert_eq!(stand_in.exchange("link_write", descriptor, &mut bytes), 2);
        peer.read_exact(&mut bytes).unwrap();
        assert_eq!(bytes, [0x12, 0x34], "real sockets still work: {arguments:?}");
        peer.write_all(&[0x56, 0x78]).unwrap();
        assert_eq!(stand_in.call("link_wait", descriptor), 1);
        assert_eq!(stand_in.call("link_available", descriptor), 2);

        // The two bytes wait in the real socket, which is not looked at while it counts as the link.
        DESCRIPTOR.store(descriptor, Ordering::Relaxed);
        assert_eq!(stand_in.call("link_available", descriptor), 0);
        assert_eq!(stand_in.exchange("link_write", descriptor, &mut bytes), 2);
        for read in ["link_read", "link_read_by_address"] {
            bytes = [0; 2];
            assert_eq!(stand_in.exchange(read, descriptor, &mut bytes), 2);
            assert_eq!(bytes, [0xFF, 0x80], "an unplugged cable: {read} {arguments:?}");
        }
        DESCRIPTOR.store(-1, Ordering::Relaxed);
        assert_eq!(stand_in.exchange("link_read", descriptor, &mut bytes), 2);
        assert_eq!(bytes, [0x56, 0x78]);
        assert_eq!(stand_in.call("link_close", descriptor), 0);

        let now: i64 = stand_in.number("wall_clock");
        assert!((own..own + 60).contains(&now), "{own} {now}");
        // 2128: more than 32 bits.
        let later = 5_000_000_000_i64;
        let has_room = stand_in.number::<c_int>("time_size") == 8;
        let expected = if has_room { later } else { i64::from(later as i32) };
        presenter::live(1, || {
            presenter::time(|| later);
            assert_eq!(stand_in.number::<i64>("wall_clock"), expected, "{arguments:?}");
            assert_eq!(
                stand_in.number::<i64>("wall_clock_out"),
                expected,
                "{arguments:?}"
            );
        });
        presenter::reset();

        drop(replaced);
        let now: i64 = stand_in.number("wall_clock");
        assert!((own..own + 60).contains(&now), "its own again");
    }

    /// Whether this process may write where the address is.
    fn is_writable(address: usize) -> bool {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let mut ranges = maps.lines().filter_map(|line| {
            let (range, rest) = line.split_once(' ')?;
            let (start, end) = range.split_once('-')?;
            let number = |text| usize::from_str_radix(text, 16).ok();
            Some((
                number(start)?..number(end)?,
                rest.as_bytes().get(1) == Some(&b'w'),
            ))
        });
        ranges.any(|(range, is_writable)| is_writable && range.contains(&address))
    }

    /// Makes a library's note (`PT_NOTE`) say instead that all of its data but the last bytes is to be read-only (`PT_GNU_RELRO`).
    fn protect_a_part(file: &mut [u8]) {
        const HEADER: usize = size_of::<ProgramHeader>();
        // SAFETY: headers of numbers, which lie where the file's own header says.
        let header = unsafe { file.as_ptr().cast::<FileHeader>().read_unaligned() };
        let first = header.e_phoff as usize;
        let place = |index: usize| first + index * HEADER;
        let count = usize::from(header.e_phnum);
        let read = |file: &[u8], index| {
            let bytes = &file[place(index)..place(index) + HEADER];
            // SAFETY: as long as a program header, of numbers only.
            unsafe { bytes.as_ptr().cast::<ProgramHeader>().read_unaligned() }
        };
        let find = |file: &[u8], kind, flags| {
            (0..count).find(|index| {
                let header = read(file, *index);
                header.p_type == kind && header.p_flags & flags == flags
            })
        };
        let data = read(file, find(file, libc::PT_LOAD, libc::PF_W).expect("data"));
        let note = find(file, libc::PT_NOTE, 0).expect("a note");
        let relro = ProgramHeader {
            p_type: libc::PT_GNU_RELRO,
            p_memsz: data.p_filesz - size_of::<c_int>() as AddressWord,
            p_filesz: data.p_filesz - size_of::<c_int>() as AddressWord,
            ..data
        };
        let to = file[place(note)..place(note) + HEADER].as_mut_ptr();
        // SAFETY: room for a program header.
        unsafe { to.cast::<ProgramHeader>().write_unaligned(relro) };
    }

    /// Libraries for pages of 4 KiB are like that on a machine with larger ones.
    #[test]
    fn data_in_a_page_with_read_only_tables_stays_the_librarys_to_write() {
        let _turn = tests::turn();
        let arguments = ["-Wl,-z,norelro", "-Wl,-z,now", "-Wl,--build-id"];
        let stand_in = StandIn::build_changed(&arguments, protect_a_part);
        let place: unsafe extern "C" fn() -> *mut c_int = stand_in.function("count_place");
        // SAFETY: it takes nothing.
        let place = unsafe { place() }.addr();
        assert_eq!(stand_in.number::<c_int>("count"), 2, "it may write by itself");
        let replaced = stand_in.take_over();
        assert!(is_writable(place), "and may still");
        assert_eq!(stand_in.number::<c_int>("count"), 3);
        drop(replaced);
        assert!(is_writable(place));
        assert_eq!(stand_in.number::<c_int>("count"), 4);
    }

    /// One test, for the link's descriptor and the stage are one in a process.
    #[test]
    fn a_library_that_imports_what_the_core_does_is_taken_over_however_it_was_built() {
        let _turn = tests::turn();
        const LONG_TIMES: [&str; 2] = ["-D_TIME_BITS=64", "-D_FILE_OFFSET_BITS=64"];
        for times in [&[][..], &LONG_TIMES] {
            // Slots that stay writable, slots that the linker has made read-only, and calls without stubs, which make relocations of
            // the other kind.
            for linking in [
                &["-Wl,-z,lazy"][..],
                &["-Wl,-z,relro", "-Wl,-z,now"],
                &["-fno-plt"],
            ] {
                stands_in(&[times, linking].concat());
            }
        }
    }
}
