//! The command line.

use crate::daemon::{self, Settings};
use crate::log_lines;
use crate::machine::identity::Name;
use crate::sys::environment;
use crate::sys::sysfs::Extra;
use clap::{Args, Parser, Subcommand};
use gamelink_core::control::DEFAULT_SOCKET;
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
}

#[derive(Debug, Args)]
struct Run {
    /// Serve this interface, whatever it is, and no others but those named so; may be given several times.
    #[arg(long, value_name = "NAME")]
    interface: Vec<String>,
    /// Where games and tools connect.
    #[arg(long, value_name = "PATH", env = "GAMELINK_CONTROL", default_value = DEFAULT_SOCKET)]
    control: PathBuf,
    /// What the other player sees as this machine's name [default: the host's name].
    #[arg(long)]
    name: Option<String>,
    /// A list of further cables: a driver's name or VENDOR:PRODUCT a line, `#` starts a comment.
    #[arg(long, value_name = "PATH")]
    cables_file: Option<PathBuf>,
    /// Stop after this many seconds without a cable and without a client, for socket activation.
    #[arg(long, value_name = "SECONDS")]
    exit_idle: Option<u64>,
    /// Say more; twice for everything.
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Command::Run(run) => run.run(),
    }
}

impl Run {
    fn run(self) -> ExitCode {
        log_lines::start(match self.verbose {
            0 => LevelFilter::Info,
            1 => LevelFilter::Debug,
            _ => LevelFilter::Trace,
        });
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
            control: self.control,
            name: Name::new(&name),
            extra,
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
