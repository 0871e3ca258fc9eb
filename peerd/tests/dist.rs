//! The man page and the shell completions in `dist`: made of the command line's own definition.
//!
//! They are files of the tree, for packages are made of files alone and the daemon needs no generator. With
//! `GAMELINK_WRITE=1` this test writes them anew; without it, it fails where they are not what it would
//! write.

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;
use std::path::{Path, PathBuf};

/// Prose of the man page, with a line for each part that is made of the command line.
const PROSE: &str = include_str!("../dist/man/prose.8");
const SYNOPSIS: &str = ".\\\" The synopsis of every command.\n";
const COMMANDS: &str = ".\\\" Every command with its options.\n";

/// Options whose values are names of interfaces, which no generator knows to complete.
const OF_INTERFACES: [&str; 2] = ["interface", "lan"];

fn built() -> Command {
    let mut command = gamelink_peerd::command();
    command.build();
    command
}

/// The commands that people use, in the order of the definition.
fn commands(built: &Command) -> impl Iterator<Item = &Command> {
    built
        .get_subcommands()
        .filter(|command| command.get_name() != "help")
}

/// One part of a command's own man page, without its heading.
fn part(render: impl Fn(&Man, &mut Vec<u8>) -> std::io::Result<()>, command: &Command) -> String {
    let mut text = vec![];
    render(&Man::new(command.clone()), &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    // Before its heading each part defines how a quote is written; the prose does so once.
    let (_, body) = text.split_once(".SH ").expect("a heading");
    let (_, body) = body.split_once('\n').expect("a body");
    let lines = body.lines().map(|line| match line.trim_end() {
        "" => ".sp",
        line => line,
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

fn man_page() -> String {
    let built = built();
    let synopsis: Vec<String> = commands(&built)
        .map(|command| part(|man, out| man.render_synopsis_section(out), command))
        .collect();
    let described = commands(&built).map(|command| {
        let name = command.get_name();
        let description = part(|man, out| man.render_description_section(out), command);
        let options = part(|man, out| man.render_options_section(out), command);
        format!(".SS {name}\n{description}{options}")
    });
    PROSE
        .replace(SYNOPSIS, &synopsis.join(".br\n"))
        .replace(COMMANDS, &described.collect::<String>())
}

fn completion(shell: Shell) -> String {
    let mut text = vec![];
    clap_complete::generate(shell, &mut gamelink_peerd::command(), "peerd", &mut text);
    let text = String::from_utf8(text).unwrap();
    OF_INTERFACES
        .into_iter()
        .fold(text, |text, option| completes_interfaces(shell, &text, option))
}

/// Lets an option be completed with the names of this machine's interfaces.
fn completes_interfaces(shell: Shell, text: &str, option: &str) -> String {
    let (before, after, is_of) = match shell {
        Shell::Bash => (
            "compgen -f",
            "compgen -W \"$(ls /sys/class/net)\"",
            format!("--{option})"),
        ),
        Shell::Zsh => (":_default'", ":_net_interfaces'", format!("'*--{option}=[")),
        Shell::Fish => (" -r", " -x -a \"(ls /sys/class/net)\"", format!(" -l {option} ")),
        other => panic!("{other} is not completed"),
    };
    // Bash has the values on the line behind the option.
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let place = lines.iter().position(|line| line.contains(&is_of)).unwrap();
    let place = place + usize::from(shell == Shell::Bash);
    assert!(lines[place].contains(before), "{shell}: {}", lines[place]);
    lines[place] = lines[place].replacen(before, after, 1);
    lines.join("\n") + "\n"
}

fn files() -> [(PathBuf, String); 4] {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist");
    [
        ("man/peerd.8", man_page()),
        ("completions/peerd.bash", completion(Shell::Bash)),
        ("completions/_peerd", completion(Shell::Zsh)),
        ("completions/peerd.fish", completion(Shell::Fish)),
    ]
    .map(|(name, text)| (dist.join(name), text))
}

#[test]
fn the_files_in_dist_are_those_of_the_command_line() {
    for (path, text) in files() {
        if std::env::var_os("GAMELINK_WRITE").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            there == text,
            "{} is of another command line: run this test with GAMELINK_WRITE=1",
            path.display()
        );
    }
}

/// The part of a text that is about one command.
fn section<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("no `{start}`"));
    rest.split_once(end).map_or(rest, |(section, _)| section)
}

#[test]
fn every_option_is_in_the_help_the_man_page_and_all_completions() {
    let built = built();
    let [man, bash, zsh, fish] = files().map(|(_, text)| text);
    let man = man.replace("\\-", "-");
    for command in commands(&built) {
        let name = command.get_name();
        let help = command.clone().render_long_help().to_string();
        let man = section(&man, &format!("\n.SS {name}\n"), "\n.S");
        let bash = section(
            &bash,
            &format!("\n        peerd__subcmd__{name})\n"),
            ";;\n        peerd__",
        );
        let zsh = section(&zsh, &format!("({name})\n_arguments"), "\n;;");
        for option in command.get_arguments().filter(|of| !of.is_positional()) {
            let long = option.get_long().expect("all options have a long name");
            let fish = fish.lines().any(|line| {
                line.contains(&format!("using_subcommand {name}\"")) && line.contains(&format!(" -l {long} "))
                    || line.contains(&format!("using_subcommand {name}\""))
                        && line.ends_with(&format!(" -l {long}"))
            });
            let long = format!("--{long}");
            for (place, is_there) in [
                ("help", help.contains(&long)),
                ("man page", man.contains(&long)),
                ("bash", bash.contains(&long)),
                ("zsh", zsh.contains(&long)),
                ("fish", fish),
            ] {
                assert!(is_there, "{place}: peerd {name} {long}");
            }
            assert!(
                option.get_help().is_some(),
                "peerd {name} {long} says nothing of itself"
            );
        }
    }
}
