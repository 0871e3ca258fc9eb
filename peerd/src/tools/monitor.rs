//! `peerd monitor`: a live view of the links.

use super::Failure;
use super::status_query::Client;
use crate::escape;
use gamelink_core::bridge::Speed;
use gamelink_core::control::{GameStatus, LinkReport, Status, Transport};
use ratatui::crossterm::event::{self, Event, KeyCode};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::widgets::{Block, Paragraph, Row, Sparkline, Table};
use ratatui::{DefaultTerminal, Frame};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Interval of status requests.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Bars kept: more than a terminal has columns.
const HISTORY: usize = 512;

/// Counts that a game reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    /// Bytes exchanged.
    bytes: u64,
    stalls: u64,
    corrections: u64,
}

impl Counts {
    fn of(report: &LinkReport) -> Counts {
        Counts {
            bytes: report.exchanged(),
            stalls: report.stalls,
            corrections: report.corrections,
        }
    }

    /// Applies `f` to each count and the same one of another. Saturating ones only: a game may send any
    /// numbers.
    fn with(self, other: Counts, f: impl Fn(u64, u64) -> u64) -> Counts {
        Counts {
            bytes: f(self.bytes, other.bytes),
            stalls: f(self.stalls, other.stalls),
            corrections: f(self.corrections, other.corrections),
        }
    }

    /// Counts between an earlier report and this one, in the `n`th of so many equal parts.
    fn part(self, before: Counts, n: u64, parts: u64) -> Counts {
        let upto = |all: u64, n: u64| {
            let part = u128::from(all) * u128::from(n) / u128::from(parts.max(1));
            u64::try_from(part).unwrap_or(u64::MAX)
        };
        self.with(before, |now, before| {
            let all = now.saturating_sub(before);
            upto(all, n + 1).saturating_sub(upto(all, n))
        })
    }
}

/// A game as it was last seen.
#[derive(Clone, Copy, Debug)]
struct Seen {
    reports: u64,
    counts: Counts,
    /// Counts of its last report; `None` where it is the first one seen.
    newest: Option<Counts>,
    /// Number of the bar behind that of its last report.
    next_bar: u64,
}

/// Exchanges, a bar for each report: a game sends one a second. The status is requested more often, but
/// several may have come in between, or none. Games that report in the same second share a bar.
#[derive(Debug, Default)]
struct Bars {
    bars: VecDeque<Counts>,
    /// Number of the bar behind the newest.
    end: u64,
    /// By process.
    seen: BTreeMap<i32, Seen>,
}

impl Bars {
    fn handle_status(&mut self, status: &Status) {
        let before = std::mem::take(&mut self.seen);
        for game in &status.games {
            let Some(report) = &game.report else { continue };
            let (reports, counts) = (game.reports, Counts::of(report));
            let mut seen = Seen {
                reports,
                counts,
                newest: None,
                next_bar: 0,
            };
            // What came before the first status belongs to no bar.
            if let Some(before) = before.get(&game.pid) {
                (seen.newest, seen.next_bar) = (before.newest, before.next_bar);
                if before.reports != reports {
                    // Fewer are of a new connection.
                    let parts = reports.saturating_sub(before.reports).clamp(1, HISTORY as u64);
                    self.add(&mut seen, before.counts, parts);
                }
            }
            self.seen.insert(game.pid, seen);
        }
    }

    /// Adds so many reports of a game: those that came since the counts were `before`.
    fn add(&mut self, seen: &mut Seen, before: Counts, parts: u64) {
        let first = self.end.saturating_sub(parts).max(seen.next_bar);
        for n in 0..parts {
            let part = seen.counts.part(before, n, parts);
            let place = first.saturating_add(n);
            while self.end <= place {
                self.end += 1;
                self.bars.push_back(Counts::default());
                if self.bars.len() > HISTORY {
                    self.bars.pop_front();
                }
            }
            let from_end = usize::try_from(self.end - place).unwrap_or(usize::MAX);
            let bar = self.bars.len().checked_sub(from_end);
            if let Some(bar) = bar.and_then(|bar| self.bars.get_mut(bar)) {
                *bar = bar.with(part, u64::saturating_add);
            }
            (seen.newest, seen.next_bar) = (Some(part), place + 1);
        }
    }

    /// Counts of the last report of a game: a second's.
    fn newest_of(&self, pid: i32) -> Option<Counts> {
        self.seen.get(&pid)?.newest
    }

    /// One count of the newest bars, aligned to the right.
    fn newest(&self, width: usize, count: impl Fn(&Counts) -> u64) -> Vec<u64> {
        let empty = width.saturating_sub(self.bars.len());
        let bars = self.bars.iter().skip(self.bars.len().saturating_sub(width));
        std::iter::repeat_n(0, empty).chain(bars.map(count)).collect()
    }
}

/// Runs until `q` or Escape.
pub(crate) fn run(control: &Path) -> Result<ExitCode, Failure> {
    let mut client = Client::connect(control)?;
    let mut terminal = ratatui::try_init().map_err(|error| no_terminal(&error))?;
    let result = show(&mut client, &mut terminal);
    ratatui::restore();
    result.map(|()| ExitCode::SUCCESS)
}

fn show(client: &mut Client, terminal: &mut DefaultTerminal) -> Result<(), Failure> {
    let mut bars = Bars::default();
    loop {
        let status = escape::shown(&client.status()?);
        bars.handle_status(&status);
        terminal
            .draw(|frame| draw(frame, &status, &bars))
            .map_err(|error| no_terminal(&error))?;
        let event = event::poll(POLL_INTERVAL).and_then(|is_ready| is_ready.then(event::read).transpose());
        if let Some(Event::Key(key)) = event.map_err(|error| no_terminal(&error))?
            && matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
        {
            return Ok(());
        }
    }
}

fn no_terminal(error: &io::Error) -> Failure {
    format!("cannot draw on this terminal: {error}; `peerd status` needs none").into()
}

/// Lines of a chart that is less important, with its frame.
const LOW_CHART: u16 = 4;

fn draw(frame: &mut Frame<'_>, status: &Status, bars: &Bars) {
    let rows = |count: usize| Constraint::Length(u16::try_from(count.max(1)).unwrap_or(8) + 3);
    let [top, middle, bytes, stalls, corrections, foot] = Layout::vertical([
        rows(links(status).count()),
        rows(status.games.len()),
        Constraint::Min(LOW_CHART),
        Constraint::Length(LOW_CHART),
        Constraint::Length(LOW_CHART),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(cables(status), top);
    frame.render_widget(games(status, bars), middle);
    let mut chart = |area: Rect, title: &str, count: fn(&Counts) -> u64| {
        let width = usize::from(area.width.saturating_sub(2));
        let data = bars.newest(width, count);
        let (last, most) = (data.last().copied(), data.iter().max().copied());
        let title = format!(
            " {title} each second: {}, at most {} ",
            last.unwrap_or_default(),
            most.unwrap_or_default()
        );
        let line = Sparkline::default()
            .data(data)
            .block(Block::bordered().title(title));
        frame.render_widget(line, area);
    };
    chart(bytes, "bytes exchanged", |counts| counts.bytes);
    chart(stalls, "stalls", |counts| counts.stalls);
    chart(corrections, "corrections", |counts| counts.corrections);
    frame.render_widget(Paragraph::new("q: quit"), foot);
}

/// A table; `header` has the columns' titles between bars.
fn table<const N: usize>(
    title: String,
    header: &'static str,
    widths: [Constraint; N],
    rows: impl Iterator<Item = [String; N]>,
) -> Table<'static> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    Table::new(rows.map(Row::new), widths)
        .header(Row::new(header.split('|')).style(bold))
        .block(Block::bordered().title(title))
}

fn cables(status: &Status) -> Table<'static> {
    let [a, b, c, d, e] = [15, 10, 16, 9, 22].map(Constraint::Length);
    let widths = [a, b, c, d, e, Constraint::Fill(1)];
    let title = format!(" peerd {} on {} ", status.daemon, status.name);
    table(title, "link|state|peer|for|UDP|diagnostic", widths, links(status))
}

/// The rows of all cables, then of all LANs.
fn links(status: &Status) -> impl Iterator<Item = [String; 6]> {
    let cables = status.cables.iter().map(|cable| {
        let peer = cable.peer.as_ref();
        let layers = match (cable.udp.heard_here, cable.udp.heard_there == Some(true)) {
            _ if peer.is_none() => "",
            (true, true) => "both ways",
            (true, false) => "blocked there: firewall?",
            (false, true) => "blocked here: firewall?",
            (false, false) => "blocked both ways: firewall?",
        };
        [
            cable.device.interface.clone(),
            cable.state.to_string(),
            peer.map(|peer| peer.name.clone()).unwrap_or_default(),
            up(cable.up_ms),
            layers.to_owned(),
            cable.diagnostics.first().cloned().unwrap_or_default(),
        ]
    });
    let lans = status.lans.iter().map(|lan| {
        let partner = lan.machines.iter().find(|machine| machine.is_linked);
        let state = if partner.is_some() { "linked" } else { "searching" };
        let name = partner.map(|machine| machine.name.clone()).unwrap_or_default();
        // Two partners have answered each other.
        let layers = match partner.map(|machine| machine.round_trip_us) {
            Some(Some(us)) => format!("both ways, {:.1} ms", us as f64 / 1e3),
            Some(None) => "both ways".to_owned(),
            None if lan.machines.is_empty() => "nobody heard".to_owned(),
            None => format!("{} heard", lan.machines.len()),
        };
        let remedy = match lan.machines.is_empty() {
            true => "see `peerd doctor`",
            false => "",
        };
        let [interface, state, remedy] = [&lan.interface, state, remedy].map(str::to_owned);
        [interface, state, name, up(lan.up_ms), layers, remedy]
    });
    cables.chain(lans)
}

/// Time for which a link has been up.
fn up(ms: Option<u64>) -> String {
    let seconds = ms.map(|ms| ms / 1000);
    seconds.map_or(String::new(), |seconds| match seconds {
        0..600 => format!("{seconds} s"),
        600..36_000 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    })
}

fn games(status: &Status, bars: &Bars) -> Table<'static> {
    let ms = |us: f64| format!("{:.2}", us / 1e3);
    let rows = status.games.iter().map(|game| {
        let newest = bars.newest_of(game.pid);
        let says =
            |value: &dyn Fn(&LinkReport) -> String| game.report.as_ref().map(value).unwrap_or_default();
        [
            game.pid.to_string(),
            way(game),
            says(&|report| report.state.to_string()),
            says(&|report| ms(report.round_trip_us.p50)),
            says(&|report| ms(report.round_trip_us.p99)),
            says(&|report| report.offset_us.map(ms).unwrap_or_default()),
            says(&|report| ms(report.wait_us.p99)),
            says(&|report| report.timeouts.to_string()),
            newest.map_or(String::new(), |counts| counts.stalls.to_string()),
            newest.map_or(String::new(), |counts| counts.corrections.to_string()),
            says(&|report| speed(&report.speed)),
            says(&|report| report.exchanged().to_string()),
        ]
    });
    let header = "game|cable|state|rtt ms|rtt p99|offset ms|wait p99|timeouts|stalls/s|corr/s|speed|bytes";
    table(" games ".to_owned(), header, [Constraint::Fill(1); 12], rows)
}

/// Interface of the game's cable, or what its link goes over instead.
fn way(game: &GameStatus) -> String {
    match game.report.as_ref().map(|report| report.transport) {
        Some(Transport::Netplay) => "netplay".to_owned(),
        Some(Transport::Udp) | None => game.cable.clone().unwrap_or_default(),
    }
}

/// Speed in percent, and what holds the game up.
fn speed(speed: &Speed) -> String {
    let cause = speed.slow.map(|cause| format!(", slow {cause}"));
    format!("{} %{}", speed.percent, cause.unwrap_or_default())
}

#[cfg(test)]
mod tests;
