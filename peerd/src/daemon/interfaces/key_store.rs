//! Knowledge of other machines, in memory and in its file.

use crate::machine::trust::{Pairing, Trust};
use crate::sys::environment;
use crate::sys::key_file::KeyFile;
use std::io;
use std::path::Path;

#[derive(Debug)]
pub(super) struct KeyStore {
    pub(super) trust: Trust,
    /// `None` where the file cannot be used: what is learnt is known until the daemon stops.
    file: Option<KeyFile>,
}

impl KeyStore {
    /// Opens the file in this folder; a file that cannot be used is told, and left as it is.
    pub(super) fn open(folder: &Path) -> io::Result<KeyStore> {
        let file = KeyFile::in_folder(folder);
        let secret = environment::random()?;
        match file.read() {
            Ok((machine, pairings)) => Ok(KeyStore {
                trust: Trust::new(machine, secret, pairings),
                file: Some(file),
            }),
            Err(error) => {
                log::warn!(
                    "keys cannot be read, machines that were met before count as strangers file={} error={error}: \
                     remove the file to meet them anew",
                    file.path().display()
                );
                let machine = crate::machine::trust::MachineId(environment::random()?);
                let trust = Trust::new(machine, secret, vec![]);
                Ok(KeyStore { trust, file: None })
            }
        }
    }

    /// Names of the machines that were met, the last one first.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.trust.pairings().iter().map(|of| of.name.as_str())
    }

    pub(super) fn keep(&mut self, pairing: Pairing) {
        // A loose cable must not wear out a memory card.
        if self.trust.find(pairing.machine) == Some(&pairing) {
            return;
        }
        log::info!("machines met, their key is kept peer={}", pairing.name);
        self.trust.keep(pairing);
        self.save();
    }

    /// Forgets all machines of this name; true if there was one.
    pub(super) fn forget(&mut self, name: &str) -> bool {
        let is_known = self.trust.forget(name);
        if is_known {
            log::info!("key forgotten peer={name}");
            self.save();
        }
        is_known
    }

    fn save(&self) {
        let Some(file) = &self.file else { return };
        if let Err(error) = file.write(self.trust.machine(), self.trust.pairings()) {
            log::warn!(
                "keys cannot be kept, they are lost when the daemon stops file={} error={error}: name a folder \
                 that it may write with --state",
                file.path().display()
            );
        }
    }
}
