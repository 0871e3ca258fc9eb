//! The file of this machine's number and of the machines that it has met, readable by the daemon alone.

use crate::identity::Name;
use crate::machine::trust::{MachineId, Pairing};
use crate::sys::environment;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Longest file that is read: many times the length of a full one.
const MAX_LEN: u64 = 64 * 1024;

/// The file as it is written.
#[derive(Debug, Serialize, Deserialize)]
struct Content {
    machine: String,
    pairings: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    name: String,
    machine: String,
    key: String,
}

/// The file, which may not exist yet.
#[derive(Debug)]
pub(crate) struct KeyFile(PathBuf);

impl KeyFile {
    pub(crate) fn in_folder(folder: &Path) -> KeyFile {
        KeyFile(folder.join("keys.json"))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Reads it; draws the number of a machine that has none.
    ///
    /// # Errors
    /// Where there is a file that cannot be read or understood: it is not written over.
    pub(crate) fn read(&self) -> io::Result<(MachineId, Vec<Pairing>)> {
        let file = match File::open(&self.0) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok((MachineId(environment::random()?), vec![]));
            }
            Err(error) => return Err(error),
        };
        let mut text = String::new();
        file.take(MAX_LEN).read_to_string(&mut text)?;
        let content: Content = serde_json::from_str(&text)?;
        let pairings = content.pairings.iter().map(|entry| {
            Some(Pairing {
                machine: MachineId(hex(&entry.machine)?),
                name: Name::new(&entry.name),
                key: hex(&entry.key)?,
            })
        });
        let pairings: Option<Vec<_>> = pairings.collect();
        let machine = hex(&content.machine).map(MachineId);
        machine
            .zip(pairings)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a number or key in it is damaged"))
    }

    /// Writes it anew, whole or not at all.
    pub(crate) fn write(&self, machine: MachineId, pairings: &[Pairing]) -> io::Result<()> {
        let entry = |pairing: &Pairing| Entry {
            name: pairing.name.as_str().to_owned(),
            machine: HEXLOWER.encode(&pairing.machine.0),
            key: HEXLOWER.encode(&pairing.key),
        };
        let content = Content {
            machine: HEXLOWER.encode(&machine.0),
            pairings: pairings.iter().map(entry).collect(),
        };
        if let Some(folder) = self.0.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let new = self.0.with_extension("json.new");
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Nothing that stands there is followed or shared.
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        let mut text = serde_json::to_vec_pretty(&content)?;
        text.push(b'\n');
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&new, &self.0)
    }
}

fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("gamelink-keys-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn what_was_written_is_read_and_nobody_else_reads_it() {
        let folder = folder("kept");
        let file = KeyFile::in_folder(&folder.join("deep"));
        let (machine, none) = file.read().unwrap();
        assert!(none.is_empty());
        let pairing = |n: u8| Pairing {
            machine: MachineId([n; 16]),
            name: Name::new("Zoë"),
            key: [n; 32],
        };
        for count in [1, 2] {
            let pairings: Vec<_> = (0..count).map(pairing).collect();
            file.write(machine, &pairings).unwrap();
            assert_eq!(file.read().unwrap(), (machine, pairings));
            let mode = fs::metadata(file.path()).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_damaged_file_is_an_error_and_stays() {
        let folder = folder("damaged");
        let file = KeyFile::in_folder(&folder);
        file.write(MachineId([1; 16]), &[]).unwrap();
        let whole = fs::read_to_string(file.path()).unwrap();
        for damaged in ["", "{}", &whole[..whole.len() / 2], &whole.replace("01", "0x")] {
            fs::write(file.path(), damaged).unwrap();
            assert!(file.read().is_err(), "{damaged}");
            assert_eq!(fs::read_to_string(file.path()).unwrap(), damaged);
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
