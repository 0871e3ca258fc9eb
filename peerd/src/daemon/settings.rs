//! Settings of the daemon, and errors of its start.

use clap::Args;
use gamelink_core::control::DEFAULT_SOCKET;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Options of `peerd run`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Settings {
    /// Serve this interface, of any kind, and none but those named so; may be given several times.
    #[arg(long = "interface", value_name = "NAME")]
    pub(crate) interfaces: Vec<String>,
    /// Also look for machines on this LAN interface, whose MAC and addresses are never touched; may be given
    /// several times.
    #[arg(long, value_name = "NAME")]
    pub(crate) lan: Vec<String>,
    /// On LANs, link games with machines that have no key of this one as well: anybody there can join.
    #[arg(long)]
    pub(crate) open: bool,
    /// Folder of the keys of machines that this one has met.
    #[arg(
        long,
        value_name = "FOLDER",
        env = "STATE_DIRECTORY",
        default_value = "/var/lib/gamelink"
    )]
    pub(crate) state: PathBuf,
    /// Where games and tools connect.
    ///
    /// Sockets that a service manager passes are used instead.
    #[arg(long, value_name = "PATH", env = "GAMELINK_CONTROL", default_value = DEFAULT_SOCKET)]
    pub(crate) control: PathBuf,
    /// Name of this machine that the other player sees [default: the host's name].
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// A list of further cables: a driver's name or VENDOR:PRODUCT a line, `#` starts a comment.
    #[arg(long, value_name = "PATH")]
    pub(crate) cables_file: Option<PathBuf>,
    /// Use IPv4 on the cables, which a stock core without the relay needs.
    #[arg(long)]
    pub(crate) ipv4: bool,
    /// Open two UDP ports on the cables and the LANs of `--lan` only, in the firewall of this machine; closed
    /// on stop.
    ///
    /// Where a game was linked the next start closes them. Off otherwise: `peerd doctor` names the command
    /// that does it. A LAN stays in its zone of firewalld, whose other interfaces then let the two ports in
    /// as well. Without being root, as the service runs, this works with nft and with iptables over nft; for
    /// ufw, firewalld and the older iptables the command is in the log.
    #[arg(long)]
    pub(crate) manage_firewall: bool,
    /// Stop after this many seconds without a cable and without a client, for socket activation.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) exit_idle: Option<u64>,
}

#[derive(Debug)]
pub(crate) enum RunError {
    CablesFile(io::Error),
    Capabilities(Vec<&'static str>),
    Control(PathBuf, io::Error),
    System(&'static str, io::Error),
}

impl RunError {
    /// For a system call that opens `what`.
    pub(super) fn system(what: &'static str) -> impl FnOnce(io::Error) -> RunError {
        move |error| RunError::System(what, error)
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::CablesFile(error) => write!(f, "cannot read the file of --cables-file: {error}"),
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
