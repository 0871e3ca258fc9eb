//! Reports on a link: the statistics file, and the report to the daemon.

use gamelink_core::bridge::{Bridge, Counters, Mode, Policy, Speed, Summary, Traffic, rollback};
use gamelink_core::control::{LinkReport, LinkState, Transport};
use gamelink_core::serial::GamePort;
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// One JSON object with everything measured; times in microseconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Version of this build.
    pub version: String,
    /// State of the session.
    pub state: LinkState,
    /// Way of the game's bytes to the bridge.
    pub port: GamePort,
    /// Transport of the link's datagrams.
    pub transport: Transport,
    /// Setting of this side, linked or not.
    pub mode: Mode,
    /// Policy for a game that clocks just now.
    pub policy: Policy,
    /// Speed of the game, and what its frames cost.
    pub speed: Speed,
    /// Frames emulated.
    pub frames: u64,
    /// Transfers that have crossed the link, stalls and corrections, in either mode.
    pub traffic: Traffic,
    /// Counts.
    #[serde(flatten)]
    pub counters: Counters,
    /// Counts of the rollback exchange, where this side has one.
    pub rollback: Option<rollback::Counters>,
    /// Times of the link's work.
    #[serde(flatten)]
    pub times: TimesReport,
    /// The peer's clock.
    #[serde(flatten)]
    pub clock: ClockReport,
}

/// Times of the link's work, in microseconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TimesReport {
    /// Waits of the game for the bytes that it asked for.
    pub wait_us: Summary,
    /// Time of the corrections before a frame, where there were any.
    pub replay_us: Summary,
    /// Waits of the listening game's polls for a byte that was on its way.
    pub rendezvous_us: Summary,
    /// Round trips between the two bridges.
    pub round_trip_us: Summary,
    /// Time in our own code per call of `retro_run`.
    pub hooks_us: Summary,
}

/// Measures of the peer's clock.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClockReport {
    /// The peer's clock minus ours.
    pub offset_us: Option<f64>,
    /// Bound on the error of that offset: half the shortest round trip, and what the clocks may have drifted
    /// since.
    pub offset_error_us: Option<f64>,
    /// By how much single datagrams disagreed with that offset.
    pub offset_deviation_us: Summary,
    /// Gain of the peer's clock on ours, in parts per million.
    pub skew_ppm: Option<f64>,
    /// Times that a clock was set, so that the offset began anew.
    pub clock_steps: u64,
    /// Datagrams whose stamps say nothing of the clocks.
    pub rejected_samples: u64,
}

impl Report {
    pub(super) fn new(bridge: &Bridge, port: GamePort, transport: Transport, hooks_us: Summary) -> Report {
        let (stats, clock) = (bridge.stats(), bridge.clock());
        Report {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            state: bridge.state(),
            port,
            transport,
            mode: bridge.setting(),
            policy: bridge.policy(),
            speed: bridge.speed(),
            rollback: bridge.rollback().map(|rollback| *rollback.counters()),
            frames: bridge.frames(),
            traffic: bridge.traffic(),
            counters: stats.counters.clone(),
            times: TimesReport {
                wait_us: stats.wait.summary(),
                replay_us: stats.replay.summary(),
                rendezvous_us: stats.rendezvous.summary(),
                round_trip_us: stats.round_trip.summary(),
                hooks_us,
            },
            clock: ClockReport {
                // A span in microseconds keeps its last nanosecond in an f64 for 285 years.
                offset_us: clock.offset().map(|offset| offset.0 as f64 / 1e3),
                offset_error_us: clock.error_bound().map(|bound| bound.as_secs_f64() * 1e6),
                offset_deviation_us: stats.offset_deviation.summary(),
                skew_ppm: clock.skew_ppm(),
                clock_steps: clock.steps(),
                rejected_samples: clock.rejected(),
            },
        }
    }

    /// Writes the file whole or not at all: a reader never sees half of it.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        replace(path, &text)
    }
}

/// Puts a file in place in one step, by way of a new one beside it.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}", std::process::id()));
    // Never through what somebody else has put there: in a folder that others may write to that can be a link
    // to anything.
    let remove = || fs::remove_file(&unfinished);
    // It may also be left by a process of the same number that was killed.
    let _ = remove();
    let file = OpenOptions::new().write(true).create_new(true).open(&unfinished);
    let result = file.and_then(|mut file| file.write_all(text));
    let result = result.and_then(|()| fs::rename(&unfinished, path));
    result.inspect_err(|_| drop(remove()))
}

/// Route of a link, as the daemon is to know it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Route<'a> {
    /// The interface that a daemon named, and the machine there; or an address that the player named.
    Cable {
        interface: Option<&'a str>,
        machine: Option<&'a str>,
    },
    /// Netplay of the frontend; a cable may be set aside.
    Netplay,
}

/// Report to the daemon, once a second.
pub(super) fn link_report(bridge: &Bridge, route: Route<'_>) -> LinkReport {
    let (cable, machine, transport) = match route {
        Route::Cable { interface, machine } => (interface, machine, Transport::Udp),
        Route::Netplay => (None, None, Transport::Netplay),
    };
    let linked = |of: Option<&str>| of.filter(|_| bridge.is_linked()).map(str::to_owned);
    let (stats, counters, traffic) = (bridge.stats(), &bridge.stats().counters, bridge.traffic());
    LinkReport {
        state: bridge.state(),
        cable: linked(cable),
        machine: linked(machine),
        transport,
        frames: bridge.frames(),
        taken: traffic.taken,
        peer_taken: traffic.peer_taken,
        timeouts: counters.timeouts.sum(),
        stalls: traffic.stalls,
        corrections: traffic.corrections,
        speed: bridge.speed(),
        wait_us: stats.wait.summary(),
        round_trip_us: stats.round_trip.summary(),
        offset_us: bridge.clock().offset().map(|offset| offset.0 as f64 / 1e3),
    }
}

#[cfg(test)]
mod tests;
