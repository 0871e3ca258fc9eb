//! Work RAM as the frontend finds it: by address, what is final; as system RAM and for the game, what is now.

use super::{MemoryMap, Peer, Shim, ends, exports, lock, turn};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

/// Limit on calls until the link and wrong predictions have come.
const CALLS_MAX: u32 = 3000;
/// Time of one call here.
const CALL: Duration = Duration::from_millis(2);
/// libretro's number of work RAM, `RETRO_MEMORY_SYSTEM_RAM`.
const SYSTEM_RAM: u32 = 2;

/// A descriptor as a frontend keeps it.
#[derive(Clone, Debug)]
struct Kept {
    flags: u64,
    /// First byte of the memory, as a number.
    memory: usize,
    start: usize,
    len: usize,
    is_nameless: bool,
}

static MAP: Mutex<Vec<Kept>> = Mutex::new(Vec::new());

/// Copies a map in place of the last one.
///
/// # Safety
/// `map` is what `SET_MEMORY_MAPS` takes.
pub(super) unsafe fn keep_map(map: *const MemoryMap) {
    // SAFETY: the caller's promise.
    let map = unsafe { map.read() };
    // SAFETY: the caller's promise.
    let all = unsafe { std::slice::from_raw_parts(map.descriptors, map.num_descriptors as usize) };
    let keep = all.iter().map(|descriptor| Kept {
        flags: descriptor.flags,
        memory: descriptor.ptr.addr() + descriptor.offset,
        start: descriptor.start,
        len: descriptor.len,
        is_nameless: descriptor.addrspace.is_null(),
    });
    *lock(&MAP) = keep.collect();
}

/// The first place that claims an address.
fn locate(address: usize) -> *mut u8 {
    let map = lock(&MAP).clone();
    let claims = |kept: &&Kept| (kept.start..kept.start + kept.len).contains(&address);
    let first = map.iter().find(claims).expect("the map has it");
    std::ptr::with_exposed_provenance_mut(first.memory + address - first.start)
}

/// The first eight bytes of a memory, the game's frame and what it made of the bytes received.
fn eight(memory: *const u8) -> [u8; 8] {
    // SAFETY: so many bytes and more are there, and no frame runs.
    unsafe { memory.cast::<[u8; 8]>().read() }
}

#[test]
fn who_reads_by_address_finds_what_has_happened_and_a_cheat_finds_what_is_now() {
    let _turn = turn();
    let shim = Shim::load(&[]);
    let [own, other] = ends(9_433);
    let peer = Peer::link(&shim, &own, &other);
    let live = exports::retro_get_memory_data(SYSTEM_RAM).cast::<u8>();
    let marked: Vec<Kept> = lock(&MAP)
        .iter()
        .filter(|kept| kept.flags != 0)
        .cloned()
        .collect();
    let places: Vec<usize> = marked.iter().map(|kept| kept.memory).collect();
    assert_eq!(
        places,
        [live.addr(), live.addr() + 0x20],
        "a cheat writes to the game"
    );
    assert!(marked.iter().all(|kept| !kept.is_nameless), "{marked:?}");

    let (mut apart, mut shown) = (0, Vec::new());
    let mut saved = BTreeSet::new();
    for number in 0.. {
        assert!(number < CALLS_MAX, "nothing is predicted: {apart}");
        std::thread::sleep(CALL);
        peer.frame();
        shim.frame();
        let settled = eight(locate(0xC000));
        shown.push(settled);
        // Battery RAM has the newest final frame, work RAM each of them.
        saved.insert(eight(shim.save_ram().0));
        apart += u32::from(settled != eight(live));
        let is_corrected = |link: &gamelink_driver::Link| {
            let counters = link.report().rollback;
            counters.is_some_and(|counters| counters.frames.corrections > 3)
        };
        if apart > 50 && shim.link(is_corrected) {
            break;
        }
    }
    shown.dedup();
    let frames: Vec<u32> = shown
        .iter()
        .map(|[a, b, c, d, ..]| u32::from_le_bytes([*a, *b, *c, *d]))
        .collect();
    let skipped = frames.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
    assert!(skipped < 3, "once, when the two link: {frames:?}");
    let shown: BTreeSet<[u8; 8]> = shown.into_iter().collect();
    let is_past =
        |frame: &&[u8; 8]| frames.contains(&u32::from_le_bytes([frame[0], frame[1], frame[2], frame[3]]));
    let past: Vec<_> = saved.iter().filter(is_past).collect();
    assert!(past.len() > 50, "{past:?}");
    assert!(
        past.iter().all(|frame| shown.contains(*frame)),
        "what was shown has happened"
    );
}

#[test]
fn what_is_written_by_address_reaches_the_game_and_no_other_byte_is_touched() {
    let _turn = turn();
    let shim = Shim::load(&[]);
    shim.frame();
    let live = exports::retro_get_memory_data(SYSTEM_RAM).cast::<u8>();
    let before = eight(live);
    // SAFETY: a byte of the stand-in's work RAM that its game does not touch; no frame runs.
    unsafe { locate(0xD007).write(0xAB) };
    shim.frame();
    // SAFETY: as above.
    assert_eq!(unsafe { live.wrapping_add(0x27).read() }, 0xAB);
    assert_ne!(eight(live), before, "the game has gone on from where it was");
    assert_eq!(eight(locate(0xC000)), eight(live), "without a link all is final");
    // SAFETY: as above.
    assert_eq!(unsafe { locate(0xD007).read() }, 0xAB);
}
