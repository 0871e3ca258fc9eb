//! Check of a library before the dynamic linker opens it, and what it imports from others.
//!
//! `dlopen` maps what the program headers promise; if the file is shorter, the process dies of SIGBUS instead
//! of getting an error. So the promises are checked against the file first.

use goblin::container::Ctx;
use goblin::elf::header::{self, ELFMAG, ET_DYN, Header};
use goblin::elf::program_header::{PT_GNU_RELRO, PT_LOAD, ProgramHeader};
use goblin::elf::{Elf, section_header::SHN_UNDEF};
use goblin::options::ParseOptions;
use std::fmt;
use std::io;
use std::ops::Range;
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

/// Linking tables of a library; addresses count from where it is loaded.
#[derive(Debug)]
pub(crate) struct Linking {
    /// The lowest address that is mapped.
    pub(crate) first: usize,
    /// Made read-only once all words are filled (`PT_GNU_RELRO`).
    pub(crate) read_only: Range<usize>,
    /// Writable data that the file does not hold and the linker fills with zeros (`.bss`).
    pub(crate) zeroed: Vec<Range<usize>>,
    pub(crate) imports: Vec<Import>,
}

impl Linking {
    /// True for a library that needs a symbol of this name from another.
    pub(crate) fn is_imported(&self, name: &str) -> bool {
        self.imports.iter().any(|import| import.name == name)
    }
}

/// A word that the dynamic linker fills in for a symbol of another library.
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) name: String,
    /// Kind of the relocation, by the machine's ELF supplement.
    pub(crate) kind: u32,
    pub(crate) address: usize,
}

/// `e_machine`, where this crate knows its own; elsewhere the linker is left to judge.
const MACHINE: Option<u16> = match std::env::consts::ARCH.as_bytes() {
    b"x86_64" => Some(header::EM_X86_64),
    b"x86" => Some(header::EM_386),
    b"aarch64" => Some(header::EM_AARCH64),
    b"arm" => Some(header::EM_ARM),
    b"riscv64" => Some(header::EM_RISCV),
    _ => None,
};

/// Checks that the dynamic linker may open this file; `None` where its linking tables make no sense.
///
/// # Errors
/// When it is no whole library of this machine.
pub(crate) fn read(path: &Path) -> Result<Option<Linking>, BadLibrary> {
    let metadata = std::fs::metadata(path).map_err(BadLibrary::Unreadable)?;
    if !metadata.is_file() {
        return Err(BadLibrary::NotElf);
    }
    let bytes = std::fs::read(path).map_err(BadLibrary::Unreadable)?;
    check(&bytes)?;
    Ok(linking(&bytes))
}

fn check(bytes: &[u8]) -> Result<(), BadLibrary> {
    let size = bytes.len() as u64;
    let is_there = |promised: u64| match size >= promised {
        true => Ok(()),
        false => Err(BadLibrary::CutShort { size, promised }),
    };
    if !bytes.starts_with(ELFMAG) {
        return Err(BadLibrary::NotElf);
    }
    let own = Ctx::default();
    is_there(Header::size(own) as u64)?;
    let header = Elf::parse_header(bytes).map_err(|_| BadLibrary::OtherMachine)?;
    let is_own = header.container().is_ok_and(|class| class == own.container)
        && header.endianness().is_ok_and(|order| order == own.le)
        && MACHINE.is_none_or(|machine| header.e_machine == machine);
    // glibc takes no other size of an entry.
    let entry_size = ProgramHeader::size(own);
    if !is_own || header.e_type != ET_DYN || usize::from(header.e_phentsize) != entry_size {
        return Err(BadLibrary::OtherMachine);
    }
    let count = usize::from(header.e_phnum);
    is_there(header.e_phoff.saturating_add((count * entry_size) as u64))?;
    let segments = ProgramHeader::parse(bytes, header.e_phoff as usize, count, own);
    for segment in segments.map_err(|_| BadLibrary::OtherMachine)? {
        if segment.p_type == PT_LOAD {
            is_there(segment.p_offset.saturating_add(segment.p_filesz))?;
        }
    }
    Ok(())
}

fn linking(bytes: &[u8]) -> Option<Linking> {
    // A library needs no sections to be linked, so they may be damaged.
    let elf = Elf::parse_with_opts(bytes, &ParseOptions::permissive()).ok()?;
    elf.dynamic.as_ref()?;
    let segments = |kind| {
        elf.program_headers
            .iter()
            .filter(move |segment| segment.p_type == kind)
    };
    let relocations = elf.pltrelocs.iter().chain(&elf.dynrelas).chain(&elf.dynrels);
    let imports = relocations.filter_map(|relocation| {
        let symbol = elf.dynsyms.get(relocation.r_sym)?;
        (symbol.st_shndx == SHN_UNDEF as usize && relocation.r_sym != 0).then_some(())?;
        Some(Import {
            name: elf.dynstrtab.get_at(symbol.st_name)?.to_owned(),
            kind: relocation.r_type,
            address: relocation.r_offset as usize,
        })
    });
    Some(Linking {
        first: segments(PT_LOAD).map(|segment| segment.p_vaddr as usize).min()?,
        read_only: segments(PT_GNU_RELRO)
            .next()
            .map_or(0..0, ProgramHeader::vm_range),
        zeroed: segments(PT_LOAD)
            .filter(|segment| segment.is_write())
            .map(|segment| {
                let range = segment.vm_range();
                range.start.saturating_add(segment.p_filesz as usize)..range.end
            })
            .filter(|range| !range.is_empty())
            .collect(),
        imports: imports.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A running test is itself an ELF file of this machine, and since the toolchain links them so, a
    /// relocatable one.
    fn own_bytes() -> Vec<u8> {
        std::fs::read("/proc/self/exe").unwrap()
    }

    #[test]
    fn a_whole_file_passes() {
        check(&own_bytes()).unwrap();
    }

    #[test]
    fn every_kind_of_cut_is_seen() {
        let bytes = own_bytes();
        for length in [4, 63, 64, 100, 1000, 40_000] {
            let error = check(&bytes[..length]).unwrap_err();
            assert!(matches!(error, BadLibrary::CutShort { .. }), "{length}: {error}");
        }
    }

    #[test]
    fn other_files_are_told_apart() {
        assert!(matches!(check(b""), Err(BadLibrary::NotElf)));
        assert!(matches!(check(b"hello, world"), Err(BadLibrary::NotElf)));
        let mut bytes = own_bytes();
        bytes[18] ^= 0x55;
        assert!(matches!(check(&bytes), Err(BadLibrary::OtherMachine)));
    }

    #[test]
    fn what_a_library_imports_is_known() {
        let linking = read(Path::new("/proc/self/exe")).unwrap().unwrap();
        assert!(linking.is_imported("getppid"));
        assert!(!linking.is_imported("no function of this name"));
    }

    #[test]
    fn hostile_headers_are_refused_without_panic() {
        let mut bytes = own_bytes();
        bytes.truncate(4096);
        for place in 4..64 {
            for value in [0, 1, 0x7F, 0xFF] {
                let mut bytes = bytes.clone();
                bytes[place] = value;
                let _ = check(&bytes);
            }
        }
    }
}
