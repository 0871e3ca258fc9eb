//! The command line.

use crate::daemon::{self, Settings};
use crate::log_lines;
use crate::machine::identity::Name;
use crate::sys::environment;
use crate::sys::sysfs::Extra;
use crate::tools::{doctor, monitor, options, relay, status};
use clap::{Args, Parser, Subcommand};
use gamelink_core::control::{BRIDGE_PORT, DEFAULT_SOCKET};
use gamelink_core::driver::PeerAddress;
use log::LevelFilter;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

const EXIT_CODES: &str = "Exit codes:
  0  all is well
  1  it did not work; the last line says why and what mends it
  2  the command line is wrong
  3  no daemon answers at the control socket
  4  something is wrong with the link (doctor), or nothing is linked (status)";

/// Turns a USB host-to-host cable into a Game Boy link.
#[derive(Debug, Parser)]
#[command(name = "peerd", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the cables of this machine until stopped.
    Run(Run),
    /// Show what is linked with whom.
    Status {
        #[command(flatten)]
        control: Control,
        /// As JSON, with everything that the daemon knows.
        #[arg(long)]
        json: bool,
    },
    /// Say what is wrong, on which side, and the command that mends it.
    Doctor {
        #[command(flatten)]
        control: Control,
        /// As JSON: a list of findings.
        #[arg(long)]
        json: bool,
    },
    /// Watch the link live.
    Monitor(Control),
    /// Link a stock Gambatte core at this end, a "Network Client" of 127.0.0.1 (see `options`); run it as the player.
    Relay {
        #[command(flatten)]
        control: Control,
        /// The TCP port that the stock core connects to.
        #[arg(long, default_value_t = BRIDGE_PORT)]
        port: u16,
        /// The other end, where no daemon knows it: ADDRESS:PORT or [ADDRESS%INTERFACE]:PORT.
        #[arg(long)]
        peer: Option<PeerAddress>,
        /// Say more.
        #[arg(short, long, action = clap::ArgAction::Count)]
        verbose: u8,
    },
    /// Write the stock Gambatte core's link options into RetroArch's files; run it as the player, with RetroArch closed.
    Options {
        #[command(flatten)]
        control: Control,
        /// RetroArch's folder [default: found].
        #[arg(long, value_name = "FOLDER")]
        config: Option<PathBuf>,
        /// The TCP port of `peerd relay`, or of the server with --direct.
        #[arg(long, default_value_t = BRIDGE_PORT)]
        port: u16,
        /// Without the relay: one side is the server, the other its client (needs `peerd run --ipv4` at both ends).
        #[arg(long)]
        direct: bool,
        /// Put back what was there before.
        #[arg(long)]
        undo: bool,
    },
}

#[derive(Debug, Args)]
struct Control {
    /// Where the daemon listens.
    #[arg(long, value_name = "PATH", env = "GAMELINK_CONTROL", default_value = DEFAULT_SOCKET)]
    control: PathBuf,
}

#[derive(Debug, Args)]
struct Run {
    /// Serve this interface, whatever it is, and no others but those named so; may be given several times.
    #[arg(long, value_name = "NAME")]
    interface: Vec<String>,
    /// Also look for machines on this LAN interface, whose MAC and addresses are never touched; may be given several times.
    #[arg(long, value_name = "NAME")]
    lan: Vec<String>,
    /// Where games and tools connect.
    #[arg(long, value_name = "PATH", env = "GAMELINK_CONTROL", default_value = DEFAULT_SOCKET)]
    control: PathBuf,
    /// What the other player sees as this machine's name [default: the host's name].
    #[arg(long)]
    name: Option<String>,
    /// A list of further cables: a driver's name or VENDOR:PRODUCT a line, `#` starts a comment.
    #[arg(long, value_name = "PATH")]
    cables_file: Option<PathBuf>,
    /// Use IPv4 on the cables, which a stock core without the relay needs.
    #[arg(long)]
    ipv4: bool,
    /// Let our two UDP ports in on the cables only, in the firewall of this machine; taken back on stop.
    #[arg(long)]
    manage_firewall: bool,
    /// Stop after this many seconds without a cable and without a client, for socket activation.
    #[arg(long, value_name = "SECONDS")]
    exit_idle: Option<u64>,
    /// Say more; twice for everything.
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

/// The command line as data, for a man page and shell completions.
#[must_use]
pub fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Command::Run(run) => run.run(),
        Command::Status { control, json } => status::run(&control.control, json),
        Command::Doctor { control, json } => doctor::run(&control.control, json),
        Command::Monitor(control) => monitor::run(&control.control),
        Command::Relay {
            control,
            port,
            peer,
            verbose,
        } => {
            log_lines::start(level(verbose));
            relay::run(&relay::Relay {
                port,
                control: control.control,
                peer,
            })
        }
        Command::Options {
            control,
            config,
            port,
            direct,
            undo,
        } => options::run(&options::Request {
            folder: config,
            control: &control.control,
            port,
            is_direct: direct,
            is_undo: undo,
        }),
    }
}

fn level(verbose: u8) -> LevelFilter {
    match verbose {
        0 => LevelFilter::Info,
        1 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    }
}

impl Run {
    fn run(self) -> ExitCode {
        log_lines::start(level(self.verbose));
        let extra = match self.cables_file.as_deref().map(std::fs::read_to_string) {
            None => Extra::default(),
            Some(Ok(text)) => Extra::parse(&text),
            Some(Err(error)) => {
                log::error!("cannot read the file of --cables-file: {error}");
                return ExitCode::from(1);
            }
        };
        let name = self.name.unwrap_or_else(environment::host_name);
        let settings = Settings {
            interfaces: self.interface,
            lan: self.lan,
            control: self.control,
            name: Name::new(&name),
            extra,
            is_v4_only: self.ipv4,
            manages_firewall: self.manage_firewall,
            idle_exit: self.exit_idle.map(Duration::from_secs),
        };
        match daemon::run(settings) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                log::error!("{error}");
                ExitCode::from(1)
            }
        }
    }
}
