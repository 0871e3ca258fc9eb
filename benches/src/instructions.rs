//! Instructions of a frame, counted by callgrind: no other program's noise is in that.

use crate::contestants::Contestant;
use anyhow::{Context as _, Result, bail};
use gamelink_frontend::Pace;
use gamelink_frontend::clock::now_ns;
use gamelink_lab::netns::{Address, Namespace};
use gamelink_lab::pair::{Cores, Launch, Order, PLAYER_COMMAND, PlayerConfig, Settings, Side, Wire};
use gamelink_sim::rom::Rom;
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

/// Instructions of a frame of an armed, idle game.
#[derive(Clone, Debug, Serialize)]
pub struct Instructions {
    /// Name of the core, and if it is linked.
    pub name: String,
    /// Instructions of the whole process for each frame.
    pub per_frame: f64,
    /// Frames counted.
    pub frames: u64,
}

/// Tells if callgrind is on this machine.
#[must_use]
pub fn is_there() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join("valgrind").is_file())
}

const SHORT: u64 = 120;
const LONG: u64 = 420;

/// One thing to count.
struct Case<'a> {
    name: String,
    /// Environment that tells our core how to work; `None` is the stock core alone.
    environment: Option<&'a [(String, String)]>,
    is_linked: bool,
}

/// Counts a frame of the stock core alone, of the last of our contestants without a peer, and of each of ours
/// with one; about ten seconds each.
///
/// # Errors
/// When something is missing or a game does not link.
pub fn run(player: &Path, contestants: &[Contestant]) -> Result<Vec<Instructions>> {
    let ours = |one: &'_ Contestant| one.environment.is_some();
    let mut cases = vec![Case {
        name: "stock core, no link".to_owned(),
        environment: None,
        is_linked: false,
    }];
    let last = contestants.iter().rev().find(|one| ours(one));
    for (contestant, is_linked) in last
        .map(|last| (last, false))
        .into_iter()
        .chain(contestants.iter().filter(|one| ours(one)).map(|one| (one, true)))
    {
        cases.push(Case {
            name: format!(
                "{}, {}",
                contestant.name,
                if is_linked { "linked" } else { "no peer" }
            ),
            environment: contestant.environment.as_deref(),
            is_linked,
        });
    }
    let mut counted = Vec::new();
    for case in cases {
        // The instructions of loading are the same in both and go out by the difference.
        let short = count(player, &case, SHORT)?;
        let long = count(player, &case, LONG)?;
        let frames = long.0.saturating_sub(short.0);
        if frames == 0 {
            bail!("callgrind's player ran no frames");
        }
        counted.push(Instructions {
            name: case.name,
            per_frame: long.1.saturating_sub(short.1) as f64 / frames as f64,
            frames,
        });
    }
    Ok(counted)
}

/// Frames and instructions of one run.
fn count(player: &Path, case: &Case<'_>, frames: u64) -> Result<(u64, u64)> {
    let folder = std::env::temp_dir().join(format!("gamelink-callgrind-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let result = count_in(&folder, player, case, frames);
    let _ = std::fs::remove_dir_all(&folder);
    result
}

fn count_in(folder: &Path, player: &Path, case: &Case<'_>, frames: u64) -> Result<(u64, u64)> {
    let wire = Wire::direct()?;
    let out = folder.join("callgrind.out");
    let player = player.display().to_string();
    let out_argument = format!("--callgrind-out-file={}", out.display());
    let under = ["--tool=callgrind", "-q", &out_argument, &player, PLAYER_COMMAND];
    let mut peer = match case.is_linked {
        true => Some(start(folder, case, "peer", &[&player, PLAYER_COMMAND], wire.b())?),
        false => None,
    };
    let mut side = start(
        folder,
        case,
        "counted",
        &[&["valgrind"], &under[..]].concat(),
        wire.a(),
    )?;
    for side in peer.iter_mut().chain([&mut side]) {
        side.order(&Order::Start { at_ns: now_ns() })?;
    }
    let played = side.wait_for("enough frames", Duration::from_secs(60), |messages| {
        let status = messages.statuses.last()?;
        (status.frames >= frames).then_some(())
    });
    played.context("under callgrind")?;
    let linked_ns = side.messages(|messages| messages.on_screen_ns("Link cable connected", 0));
    if case.is_linked && linked_ns.is_none() {
        bail!("the game under callgrind never linked");
    }
    side.end_within(Duration::from_secs(20));
    let played = side.messages(|messages| messages.statuses.last().map_or(0, |status| status.frames));
    let text = std::fs::read_to_string(&out).context("callgrind has written nothing")?;
    let total = text
        .lines()
        .find_map(|line| {
            line.strip_prefix("summary:")
                .or_else(|| line.strip_prefix("totals:"))
        })
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .context("callgrind has written no sum")?;
    Ok((played, total))
}

/// Starts one side by this command line on its machine, and waits until its game is loaded.
fn start(
    folder: &Path,
    case: &Case<'_>,
    name: &str,
    command: &[&str],
    (machine, peer): (&Namespace, Address),
) -> Result<Side> {
    let cores = match case.environment {
        Some(_) => Cores::gamelink()?,
        None => Cores::stock()?,
    };
    let Settings {
        core,
        mut options,
        mut environment,
    } = cores.settings(peer, &folder.join(name));
    match case.environment {
        Some(told) => environment.extend(told.iter().cloned()),
        None => options.clear(),
    }
    if !case.is_linked {
        environment.retain(|(key, _)| key != "GAMELINK_PEER");
    }
    let game = folder.join("game.gb");
    std::fs::write(&game, Rom::Tetris.image())?;
    let (program, arguments) = command.split_first().context("an empty command line")?;
    let side = Side::start(&Launch {
        name,
        program: Path::new(program),
        arguments,
        machine,
        environment,
        player: PlayerConfig {
            core,
            game,
            options,
            rhythm: Pace::GAME_BOY.into(),
            seed: 1,
            // Reading the game's memory is no part of a frame.
            frames_per_status: 60,
            presses: Vec::new(),
        },
        folder,
    })?;
    side.wait_until_loaded()?;
    Ok(side)
}
