//! The command line.

use crate::daemon::{self, Settings};
use crate::log_lines;
use crate::tools::status_query::Control;
use crate::tools::{EXIT_FAILED, Failure, doctor, key, monitor, options, pair, peers, relay, status};
use clap::{Args, Parser, Subcommand};
use log::LevelFilter;
use std::fmt::Display;
use std::process::ExitCode;

const EXIT_CODES: &str = "Exit codes:
  0  success
  1  failure; the last line says why and how to fix it
  2  the command line is wrong
  3  no daemon answers at the control socket
  4  a fault was found (doctor), or nothing is linked (status)";

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
    ///
    /// It needs the capabilities `CAP_NET_ADMIN` and `CAP_NET_RAW` and no other right.
    Run(Run),
    /// Show what is linked with whom.
    ///
    /// A daemon of another version is named, with both versions. Every user of this machine may ask, and is
    /// shown the games of all users: process, program, user, and how much they have exchanged.
    Status {
        #[command(flatten)]
        control: Control,
        /// Print JSON, with everything that the daemon knows.
        ///
        /// Control characters and invisible ones are escaped.
        #[arg(long)]
        json: bool,
    },
    /// Find what is wrong, on which side, and the command that fixes it.
    ///
    /// It compares the layers, which tells a firewall that drops the link from a dead cable. A cable whose
    /// other end is this machine's router, or may become it, is named too, and so are the managers that lay
    /// hands on a cable, and why an interface that may be a cable is left alone. So are the folders that
    /// RetroArch lists cores from, with the command that puts the Gamelink core there.
    Doctor {
        #[command(flatten)]
        control: Control,
        /// Print JSON: a list of findings.
        #[arg(long)]
        json: bool,
        /// Print only RetroArch's folders, for programs: of cores and of their descriptions, a tab between.
        #[arg(long, conflicts_with = "json")]
        folders: bool,
    },
    /// Show the links live, with bars for each second.
    ///
    /// The bars are of the bytes exchanged, of the frames in which a game stood still for the other (stalls),
    /// and of the times that it was taken back (corrections).
    Monitor(Control),
    /// List the machines on the LANs, with their games.
    Peers {
        #[command(flatten)]
        control: Control,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a key with a machine on a LAN: shows a code to enter there, or tries the one shown there.
    ///
    /// Once is enough: later meetings of the two need no code. Machines that were linked by a cable have a
    /// key already. Whoever listens learns nothing, and whoever sits in the middle has one guess a code. Only
    /// root and the user at the screen may do this.
    Pair {
        #[command(flatten)]
        control: Control,
        /// Name of the other machine, as `peers` has it.
        name: String,
        /// The code that the other machine shows.
        #[arg(long, value_name = "CODE")]
        code: Option<String>,
    },
    /// Forget the key of a machine: on a LAN it is a stranger again.
    ///
    /// Only root and the user at the screen may do this.
    Forget {
        #[command(flatten)]
        control: Control,
        /// Name of the machine.
        name: String,
    },
    /// Make a key for two machines: set it as `GAMELINK_KEY` on both, and nobody else can join or listen.
    ///
    /// It is a variable of RetroArch's environment. What the two games say is then encrypted, nobody else can
    /// change anything, and the link goes on where an address or a port changes.
    Key,
    /// Link a stock Gambatte core at this end, a "Network Client" of 127.0.0.1 (see `options`); run it as the
    /// player.
    ///
    /// Run it before the game is loaded.
    Relay(relay::Relay),
    /// Write the stock Gambatte core's link options into RetroArch's files; run it as the player, with
    /// RetroArch closed.
    ///
    /// They are for the relay, or with --direct for one side that is the server and the other its client,
    /// without a relay: it says what to do on which side. The server's game has to be loaded first and then
    /// fast-forwarded until the two are linked, as the stock core looks for its client only once in five
    /// seconds of its own processor time. A file that is a symbolic link stays one: what it leads to is
    /// changed.
    Options(options::Request),
}

#[derive(Debug, Args)]
struct Run {
    #[command(flatten)]
    settings: Settings,
    /// Log more; twice for everything.
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

/// The command line as data: the man page and the shell completions in `dist` are made of it.
#[must_use]
pub fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(Run { settings, verbose }) => {
            log_lines::start(level(verbose));
            return logged(daemon::run(settings));
        }
        Command::Relay(relay) => {
            log_lines::start(level(relay.verbose));
            return logged(relay::run(&relay));
        }
        Command::Status { control, json } => status::run(&control.control, json),
        Command::Doctor { folders: true, .. } => return doctor::print_folders(),
        Command::Doctor { control, json, .. } => return doctor::run(&control.control, json),
        Command::Peers { control, json } => peers::run(&control.control, json),
        Command::Pair { control, name, code } => pair::run(&control.control, &name, code.as_deref()),
        Command::Forget { control, name } => pair::forget(&control.control, &name),
        Command::Key => key::run(),
        Command::Monitor(control) => monitor::run(&control.control),
        Command::Options(request) => options::run(&request),
    };
    result.unwrap_or_else(Failure::report)
}

/// Logs an error, as commands do that a service manager may run.
fn logged(result: Result<(), impl Display>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error}");
            ExitCode::from(EXIT_FAILED)
        }
    }
}

fn level(verbose: u8) -> LevelFilter {
    match verbose {
        0 => LevelFilter::Info,
        1 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }
}
