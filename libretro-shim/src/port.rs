//! How the game's serial port reaches the bridge.
//!
//! The stock core is told to be a "Network Client" of a port on 127.0.0.1 that the link owns. Where its socket calls could be replaced
//! (`ffi::socket`), they end in the link at once: the direct port. Otherwise it connects there in earnest: the loopback port.

use crate::options::Answers;
use crate::windows;
use gamelink_core::driver::{Config, FrameEnd, FrameStart, Link, Notice, SerialProbe, StartError, Status};
use gamelink_core::serial::SerialControl;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// One game's serial port. Dropping it pulls the plug and joins the link's thread.
pub(crate) struct Port {
    link: Link,
    answers: Answers,
    /// The peer that the player has named is on this machine.
    is_peer_here: bool,
    /// Why the cable is out: one bit a reason, plugged in where none is set.
    unplugged: AtomicU8,
}

/// A reason to hold the cable unplugged, each independent of the others.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reason {
    /// The player switched the option off.
    Option = 1,
    /// `RetroArch`'s own netplay runs.
    Netplay = 2,
    /// A panic: nothing of ours is trusted any more.
    Broken = 4,
    /// The core does not show FF02.
    Blind = 8,
    /// The core has not loaded its game yet.
    Loading = 16,
}

impl Port {
    /// Opens the link, unplugged for [`Reason::Loading`].
    ///
    /// # Errors
    /// As [`Link::start`].
    pub(crate) fn start(config: &Config) -> Result<Port, StartError> {
        let link = Link::start(&Config {
            is_held: true,
            ..config.clone()
        })?;
        let answers = Answers::new(Some(link.game_address()));
        Ok(Port {
            link,
            answers,
            is_peer_here: config.peer.as_ref().is_some_and(|peer| windows::is_here(peer.ip)),
            unplugged: AtomicU8::new(Reason::Loading as u8),
        })
    }

    /// What the stock core must be told so that it connects here.
    pub(crate) fn answers(&self) -> &Answers {
        &self.answers
    }

    /// Unplugs the cable for this reason, or takes the reason back; true where that is news.
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

    /// Whether the two games are on one machine, as far as the player has said where the other is.
    pub(crate) fn is_peer_here(&self) -> bool {
        self.is_peer_here
    }

    /// The link itself, for the core's own calls.
    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    /// Whether a peer's game is at the other end, so that bytes may be under way.
    pub(crate) fn is_linked(&self) -> bool {
        self.link.is_linked()
    }

    /// How the link stands, for several questions in one.
    pub(crate) fn status(&self) -> Status {
        self.link.status()
    }

    /// Whether no transfer is in flight: the core may be saved, and its socket replaced.
    ///
    /// A game that clocks a transfer has SC & 81 = 81 until its eighth bit.
    pub(crate) fn is_safe(&self, serial_control: Option<SerialControl>) -> bool {
        !serial_control.is_some_and(SerialControl::is_clocking) && self.link.is_quiet()
    }

    /// Right before the core runs.
    pub(crate) fn frame_start(&self, serial_control: Option<SerialControl>) {
        self.link.frame_start(FrameStart { serial_control });
    }

    /// Right after the core ran.
    pub(crate) fn frame_end(&self, has_advanced: bool, hook_time: Duration) {
        self.link.frame_end(FrameEnd {
            has_advanced,
            hook_time,
        });
    }

    /// Lets the link look at FF02 while the core waits for a byte; `None` before that memory goes.
    pub(crate) fn set_serial_probe(&self, probe: Option<SerialProbe>) {
        self.link.set_serial_probe(probe);
    }

    /// What the peer calls itself.
    pub(crate) fn peer_name(&self) -> Option<String> {
        self.link.peer_name()
    }

    /// Sleeps where that moves our frames to a better place in the peer's.
    pub(crate) fn pace(&self) {
        self.link.pace();
    }

    /// The core has a new socket.
    pub(crate) fn core_reconnected(&self) {
        self.link.core_reconnected();
    }

    /// The oldest notice not yet shown.
    pub(crate) fn poll_notice(&self) -> Option<Notice> {
        self.link.poll_notice()
    }
}
