use super::*;
use crate::core_elf;
use crate::ffi::core_callbacks::presentation;
use crate::ffi::tests;
use crate::presentation::Presentation;
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
    linking: Linking,
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
        tests::build(include_str!("../stand_in.c"), arguments, &file);
        let mut bytes = std::fs::read(&file).unwrap();
        change(&mut bytes);
        std::fs::write(&file, bytes).unwrap();
        let linking = core_elf::read(&file).unwrap().unwrap();
        // SAFETY: just built of a source without set-up code.
        let library = unsafe { Library::open(Some(&file), RTLD_NOW | RTLD_LOCAL) }.unwrap();
        StandIn { library, linking }
    }

    fn function<F: Copy>(&self, name: &str) -> F {
        // SAFETY: each caller names the type that the source has.
        *unsafe { self.library.get::<F>(name.as_bytes()) }.unwrap()
    }

    fn take_over(&self) -> Replaced {
        let inside: unsafe extern "C" fn() -> c_int = self.function("time_size");
        // SAFETY: the caller drops the result first; this thread alone runs the library's code.
        unsafe { take_over(inside as *const c_void, &self.linking) }.unwrap()
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

/// Other descriptors go to the system, ours to the link, and a replayed frame's clock stands.
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
    let begin = |presentation: &mut Presentation<_>| presentation.begin_live(1);
    core_callbacks::frame(begin, || {
        core_callbacks::time(|| later);
        assert_eq!(stand_in.number::<i64>("wall_clock"), expected, "{arguments:?}");
        assert_eq!(
            stand_in.number::<i64>("wall_clock_out"),
            expected,
            "{arguments:?}"
        );
    });
    presentation().reset(true);

    drop(replaced);
    let now: i64 = stand_in.number("wall_clock");
    assert!((own..own + 60).contains(&now), "its own again");
}

/// True where this process may write.
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

/// Makes a library's note (`PT_NOTE`) say instead that all of its data but the last bytes is to be read-only
/// (`PT_GNU_RELRO`).
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
        // Slots that stay writable, slots that the linker has made read-only, and calls without stubs, which
        // make relocations of the other kind.
        for linking in [
            &["-Wl,-z,lazy"][..],
            &["-Wl,-z,relro", "-Wl,-z,now"],
            &["-fno-plt"],
        ] {
            stands_in(&[times, linking].concat());
        }
    }
}
