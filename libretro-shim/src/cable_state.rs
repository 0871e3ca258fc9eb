//! The link cable of one game: the link, and the reasons to hold it unplugged.
//!
//! The stock core is made a "Network Client" of a port on 127.0.0.1 that the link owns. Where its socket
//! calls could be replaced (`ffi::replaced_sockets`), they end in the link at once: the direct port.
//! Otherwise it makes a real connection: the loopback port.

use crate::partners::Partners;
use crate::unpoisoned_lock::lock;
use gamelink_core::serial::SerialControl;
use gamelink_driver::{Config, Link, StartError};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};

/// One game's end of the cable. Dropping it pulls the plug and joins the link's thread.
pub(crate) struct Cable {
    link: Link,
    /// One bit a [`Reason`], plugged in where none is set.
    unplugged: AtomicU8,
    partners: Mutex<Partners>,
}

/// A reason to hold the cable unplugged, each independent of the others.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reason {
    /// The player switched the option off.
    Option = 1,
    /// `RetroArch`'s own netplay runs.
    Netplay = 2,
    /// A panic of ours.
    Broken = 4,
    /// The core does not show FF02.
    Blind = 8,
    /// The core has not loaded its game yet.
    Loading = 16,
}

impl Cable {
    /// Opens the link, unplugged for [`Reason::Loading`].
    ///
    /// # Errors
    /// As [`Link::start`].
    pub(crate) fn start(config: &Config) -> Result<Cable, StartError> {
        let link = Link::start(&Config {
            is_held: true,
            ..config.clone()
        })?;
        Ok(Cable {
            link,
            unplugged: AtomicU8::new(Reason::Loading as u8),
            partners: Mutex::default(),
        })
    }

    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    /// Works on who plays with whom; on the emulation thread alone.
    pub(crate) fn with_partners<T>(&self, call: impl FnOnce(&mut Partners, &Link) -> T) -> T {
        call(&mut lock(&self.partners), &self.link)
    }

    /// Unplugs the cable for this reason, or withdraws the reason; true on a change.
    pub(crate) fn set_unplugged(&self, reason: Reason, is_unplugged: bool) -> bool {
        let bit = reason as u8;
        let before = if is_unplugged {
            self.unplugged.fetch_or(bit, Ordering::Relaxed)
        } else {
            self.unplugged.fetch_and(!bit, Ordering::Relaxed)
        };
        let after = if is_unplugged { before | bit } else { before & !bit };
        if (before == 0) != (after == 0) {
            self.link.set_enabled(after == 0);
        }
        before != after
    }

    /// True where no transfer is in flight: the core may be saved, and its socket replaced.
    ///
    /// A game that clocks a transfer has SC & 81 = 81 until its eighth bit (Pan Docs, Serial Data Transfer).
    pub(crate) fn is_safe(&self, serial_control: Option<SerialControl>) -> bool {
        !serial_control.is_some_and(SerialControl::is_clocking) && self.link.is_quiet()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_to_unplug_are_counted_apart() {
        let cable = Cable::start(&Config::default()).unwrap();
        assert!(cable.set_unplugged(Reason::Option, true));
        assert!(!cable.set_unplugged(Reason::Option, true));
        assert!(cable.set_unplugged(Reason::Netplay, true));
        assert!(cable.set_unplugged(Reason::Option, false));
        assert!(!cable.set_unplugged(Reason::Option, false));
        assert!(cable.set_unplugged(Reason::Netplay, false));
    }
}
