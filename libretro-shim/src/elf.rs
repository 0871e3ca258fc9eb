//! Check of a library before the dynamic linker opens it.
//!
//! `dlopen` maps what the program headers promise; if the file is shorter, the process dies of SIGBUS instead
//! of getting an error. So the promises are checked against the file first.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Reason why a file is no library of this machine.
#[derive(Debug)]
pub(crate) enum BadLibrary {
    /// It could not be read.
    Unreadable(io::Error),
    /// It does not begin as an ELF file.
    NotElf,
    /// It is an ELF file of another kind of machine, or not a library.
    OtherMachine,
    /// It ends before its own headers say.
    CutShort { size: u64, promised: u64 },
}

impl fmt::Display for BadLibrary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadLibrary::Unreadable(error) => write!(f, "cannot be read ({error})"),
            BadLibrary::NotElf => write!(f, "is not a library at all"),
            BadLibrary::OtherMachine => write!(f, "is a library for another kind of machine"),
            BadLibrary::CutShort { size, promised } => {
                write!(f, "is cut short: {size} of at least {promised} bytes are there")
            }
        }
    }
}

/// Sizes and places that differ between the two ELF classes (System V ABI, ELF header and program header).
struct Class {
    header_size: usize,
    table_offset: usize,
    entry_size: usize,
    entry_count: usize,
    segment_offset: usize,
    segment_size: usize,
    word: usize,
}

const CLASS: Class = if cfg!(target_pointer_width = "64") {
    Class {
        header_size: 64,
        table_offset: 32,
        entry_size: 54,
        entry_count: 56,
        segment_offset: 8,
        segment_size: 32,
        word: 8,
    }
} else {
    Class {
        header_size: 52,
        table_offset: 28,
        entry_size: 42,
        entry_count: 44,
        segment_offset: 4,
        segment_size: 16,
        word: 4,
    }
};
const CLASS_BYTE: u8 = if cfg!(target_pointer_width = "64") { 2 } else { 1 };
const ORDER_BYTE: u8 = if cfg!(target_endian = "little") { 1 } else { 2 };
/// `e_type` of a shared object.
const ET_DYN: u64 = 3;
/// `p_type` of a segment that is mapped.
const PT_LOAD: u64 = 1;
/// `e_machine`, where this crate knows its own; elsewhere the linker is left to judge.
const MACHINE: Option<u64> = if cfg!(target_arch = "x86_64") {
    Some(62)
} else if cfg!(target_arch = "x86") {
    Some(3)
} else if cfg!(target_arch = "aarch64") {
    Some(183)
} else if cfg!(target_arch = "arm") {
    Some(40)
} else if cfg!(target_arch = "riscv64") {
    Some(243)
} else {
    None
};

/// Checks that the dynamic linker may open this file.
///
/// # Errors
/// When it is no whole library of this machine.
pub(crate) fn check(path: &Path) -> Result<(), BadLibrary> {
    let file = File::open(path).map_err(BadLibrary::Unreadable)?;
    let metadata = file.metadata().map_err(BadLibrary::Unreadable)?;
    if !metadata.is_file() {
        return Err(BadLibrary::NotElf);
    }
    let size = metadata.len();
    check_headers(size, |offset, buffer| file.read_exact_at(buffer, offset))
}

fn check_headers(size: u64, read: impl Fn(u64, &mut [u8]) -> io::Result<()>) -> Result<(), BadLibrary> {
    let is_there = |promised: u64| match size >= promised {
        true => Ok(()),
        false => Err(BadLibrary::CutShort { size, promised }),
    };
    let mut magic = [0; 4];
    if size < 4 || read(0, &mut magic).is_err() || magic != *b"\x7FELF" {
        return Err(BadLibrary::NotElf);
    }
    is_there(CLASS.header_size as u64)?;
    let mut header = [0; CLASS.header_size];
    read(0, &mut header).map_err(BadLibrary::Unreadable)?;
    if header[4] != CLASS_BYTE
        || header[5] != ORDER_BYTE
        || number(&header, 16, 2) != ET_DYN
        || MACHINE.is_some_and(|machine| number(&header, 18, 2) != machine)
    {
        return Err(BadLibrary::OtherMachine);
    }
    let table = number(&header, CLASS.table_offset, CLASS.word);
    let entry_size = number(&header, CLASS.entry_size, 2);
    let entry_count = number(&header, CLASS.entry_count, 2);
    if entry_size < (CLASS.segment_size + CLASS.word) as u64 {
        return Err(BadLibrary::OtherMachine);
    }
    is_there(table.saturating_add(entry_size * entry_count))?;
    for index in 0..entry_count {
        let mut entry = [0; CLASS.segment_size + CLASS.word];
        read(table + index * entry_size, &mut entry).map_err(BadLibrary::Unreadable)?;
        if number(&entry, 0, 4) == PT_LOAD {
            let offset = number(&entry, CLASS.segment_offset, CLASS.word);
            let length = number(&entry, CLASS.segment_size, CLASS.word);
            is_there(offset.saturating_add(length))?;
        }
    }
    Ok(())
}

/// The unsigned number of `width` bytes at `offset`, in this machine's byte order.
fn number(bytes: &[u8], offset: usize, width: usize) -> u64 {
    let bytes = bytes.get(offset..offset + width).unwrap_or_default();
    let join = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
    if cfg!(target_endian = "little") {
        bytes.iter().rev().fold(0, join)
    } else {
        bytes.iter().fold(0, join)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_bytes(bytes: &[u8]) -> Result<(), BadLibrary> {
        check_headers(bytes.len() as u64, |offset, buffer| {
            let from = usize::try_from(offset).unwrap();
            let part = bytes
                .get(from..from.saturating_add(buffer.len()))
                .ok_or_else(|| io::Error::other("past the end"))?;
            buffer.copy_from_slice(part);
            Ok(())
        })
    }

    /// A running test is itself an ELF file of this machine, and since the toolchain links them so, a
    /// relocatable one.
    fn own_bytes() -> Vec<u8> {
        std::fs::read("/proc/self/exe").unwrap()
    }

    #[test]
    fn a_whole_file_passes() {
        check_bytes(&own_bytes()).unwrap();
    }

    #[test]
    fn every_kind_of_cut_is_seen() {
        let bytes = own_bytes();
        for length in [4, 63, 64, 100, 1000, 40_000] {
            let error = check_bytes(&bytes[..length]).unwrap_err();
            assert!(matches!(error, BadLibrary::CutShort { .. }), "{length}: {error}");
        }
    }

    #[test]
    fn other_files_are_told_apart() {
        assert!(matches!(check_bytes(b""), Err(BadLibrary::NotElf)));
        assert!(matches!(check_bytes(b"hello, world"), Err(BadLibrary::NotElf)));
        let mut bytes = own_bytes();
        bytes[18] ^= 0x55;
        assert!(matches!(check_bytes(&bytes), Err(BadLibrary::OtherMachine)));
    }

    #[test]
    fn hostile_headers_are_refused_without_panic() {
        let mut bytes = own_bytes();
        bytes.truncate(4096);
        for place in 4..64 {
            for value in [0, 1, 0x7F, 0xFF] {
                let mut bytes = bytes.clone();
                bytes[place] = value;
                let _ = check_bytes(&bytes);
            }
        }
    }
}
