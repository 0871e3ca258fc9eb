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
    Run(Run),
    /// Show what is linked with whom.
    Status {
        #[command(flatten)]
        control: Control,
        /// Print JSON, with everything that the daemon knows.
        #[arg(long)]
        json: bool,
    },
    /// Find what is wrong, on which side, and the command that fixes it.
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
    /// Show the link live.
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
    Forget {
        #[command(flatten)]
        control: Control,
        /// Name of the machine.
        name: String,
    },
    /// Make a key for two machines: set it as `GAMELINK_KEY` on both, and nobody else can join or listen.
    Key,
    /// Link a stock Gambatte core at this end, a "Network Client" of 127.0.0.1 (see `options`); run it as the
    /// player.
    Relay(relay::Relay),
    /// Write the stock Gambatte core's link options into RetroArch's files; run it as the player, with
    /// RetroArch closed.
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

/// The command line as data, for a man page and shell completions.
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

    const MAN: &str = include_str!("../dist/man/peerd.8");
    const BASH: &str = include_str!("../dist/completions/peerd.bash");
    const ZSH: &str = include_str!("../dist/completions/_peerd");
    const FISH: &str = include_str!("../dist/completions/peerd.fish");

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    /// Each command with its options, as clap has them; every command has `--help`.
    fn commands() -> Vec<(String, Vec<String>)> {
        let options = |of: &clap::Command| {
            let long = of
                .get_arguments()
                .filter_map(|arg| Some(format!("--{}", arg.get_long()?)));
            let short = of
                .get_arguments()
                .filter_map(|arg| Some(format!("-{}", arg.get_short()?)));
            long.chain(short).collect()
        };
        let command = command();
        let all = command.get_subcommands();
        all.map(|of| (of.get_name().to_owned(), options(of))).collect()
    }

    /// The options that a text names.
    fn options_in(text: &str) -> Vec<String> {
        let is_end = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
        let words = text.split(is_end).filter(|word| {
            let name = word.trim_start_matches('-');
            let dashes = word.len() - name.len();
            (dashes == 2 && name.len() > 1) || (dashes == 1 && name.len() == 1)
        });
        let mut options: Vec<String> = words.map(str::to_owned).collect();
        options.sort();
        options.dedup();
        options
    }

    fn assert_names_all(place: &str, command: &str, text: &str, options: &[String]) {
        let mut expected = options.to_vec();
        expected.sort();
        let named: Vec<String> = options_in(text).into_iter().filter(|of| of != "--help").collect();
        assert_eq!(named, expected, "{place}, peerd {command}");
    }

    #[test]
    fn the_man_page_has_every_option_of_every_command_and_no_other() {
        let man = MAN.replace("\\-", "-");
        for (command, options) in commands() {
            let start = man.split_once(&format!("\n.SS {command}\n"));
            let (_, section) = start.unwrap_or_else(|| panic!("no section of `{command}`"));
            let section = section.split("\n.S").next().unwrap_or_default();
            let entries: Vec<&str> = section
                .split("\n.TP\n")
                .skip(1)
                .filter_map(|of| of.lines().next())
                .collect();
            assert_names_all("man page", &command, &entries.join("\n"), &options);
            // The synopsis has the short form of those that have one.
            let (_, synopsis) = man.split_once(&format!("\n.B peerd {command}\n")).unwrap();
            let synopsis = synopsis
                .split(['\n'])
                .take_while(|line| !matches!(*line, ".br" | ".SH DESCRIPTION"));
            let synopsis = options_in(&synopsis.collect::<Vec<_>>().join("\n"));
            let is_named = |option: &String| synopsis.contains(option) || option == "--verbose";
            assert!(
                options.iter().all(is_named),
                "synopsis, peerd {command}: {synopsis:?}"
            );
        }
    }

    /// The branch of a `case` for this command.
    fn branch<'a>(text: &'a str, command: &str) -> &'a str {
        let is_of = |words: &str| words.split('|').any(|word| word.trim() == command);
        let branches = text.split(";;").filter_map(|branch| branch.split_once(')'));
        let mut found = branches.filter_map(|(head, body)| {
            let head = head.rsplit('\n').next().unwrap_or_default();
            is_of(head).then_some(body)
        });
        found.next().unwrap_or_else(|| panic!("no branch of `{command}`"))
    }

    #[test]
    fn bash_and_zsh_complete_every_option_of_every_command_and_no_other() {
        for (command, options) in commands() {
            let (_, cases) = BASH.split_once("case ${COMP_WORDS[1]} in").unwrap();
            assert_names_all("bash", &command, branch(cases, &command), &options);
            let (shared, cases) = ZSH.split_once("case $words[2] in").unwrap();
            let mut words = branch(cases, &command).to_owned();
            for variable in ["control", "verbose"] {
                let (_, value) = shared.split_once(&format!("{variable}=(")).unwrap();
                words = words.replace(&format!("${variable}"), value.split(')').next().unwrap());
            }
            assert_names_all("zsh", &command, &words, &options);
        }
        for (command, _) in commands() {
            let is_listed = |text: &str| {
                text.split([' ', '\'', '"', ':', '\t'])
                    .any(|word| word == command)
            };
            assert!(is_listed(BASH) && is_listed(ZSH) && is_listed(FISH), "{command}");
        }
    }

    #[test]
    fn fish_completes_every_option_of_every_command_and_no_other() {
        let value = |name: &str| {
            let line = FISH
                .lines()
                .find_map(|line| line.strip_prefix(&format!("set -l {name} ")));
            line.unwrap_or_else(|| panic!("no variable {name}"))
                .trim_matches('"')
        };
        for (command, options) in commands() {
            let mut named = vec![];
            for line in FISH.lines().filter(|line| line.starts_with("complete ")) {
                let Some((_, rest)) = line.split_once("-n \"") else {
                    continue;
                };
                let (condition, rest) = rest.split_once('"').unwrap();
                let condition = match condition.strip_prefix('$') {
                    Some(name) => value(name).to_owned(),
                    None => condition.replace("$commands", value("commands")),
                };
                let mut words = condition.split_whitespace();
                if words.next() != Some("__fish_seen_subcommand_from") || !words.any(|word| word == command) {
                    continue;
                }
                let words: Vec<&str> = rest.split_whitespace().collect();
                for pair in words.windows(2) {
                    match pair[0] {
                        "-l" => named.push(format!("--{}", pair[1])),
                        "-s" => named.push(format!("-{}", pair[1])),
                        _ => {}
                    }
                }
            }
            assert_names_all("fish", &command, &named.join(" "), &options);
        }
    }
}
