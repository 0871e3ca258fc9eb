//! What the daemon is asked to do, and why it may not be able to.

use crate::identity::Name;
use crate::sys::sysfs::Extra;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// What `peerd run` was asked to do.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Interfaces to serve whatever they are; with one of these, no others.
    pub(crate) interfaces: Vec<String>,
    /// Interfaces to look for machines on, whose MAC and addresses are not ours.
    pub(crate) lan: Vec<String>,
    /// Where to listen.
    pub(crate) control: PathBuf,
    /// What to call ourselves.
    pub(crate) name: Name,
    /// The operator's own cables.
    pub(crate) extra: Extra,
    /// Never use IPv6.
    pub(crate) is_v4_only: bool,
    /// Open the firewall for the cables.
    pub(crate) manages_firewall: bool,
    /// Stop after this long without cables and clients.
    pub(crate) idle_exit: Option<Duration>,
}

/// Why the daemon cannot run.
#[derive(Debug)]
pub(crate) enum RunError {
    Capabilities(Vec<&'static str>),
    Control(PathBuf, io::Error),
    System(&'static str, io::Error),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Capabilities(missing) => write!(
                f,
                "peerd needs {}: start it as root, or with `systemctl start peerd`, or give its file the capabilities, and to one \
                 group only, as everybody who may run it has them: `chgrp GROUP`, `chmod 750`, then \
                 `setcap cap_net_admin,cap_net_raw+ep`",
                missing.join(" and ")
            ),
            RunError::Control(path, error) if error.kind() == io::ErrorKind::AddrInUse => write!(
                f,
                "a daemon already listens at {}: stop it, or name another place with --control",
                path.display()
            ),
            RunError::Control(path, error) => write!(
                f,
                "cannot listen at {}: {error}; make the folder writable or name another place with --control",
                path.display()
            ),
            RunError::System(what, error) => write!(f, "cannot open {what}: {error}"),
        }
    }
}
