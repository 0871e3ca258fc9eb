//! `peerd monitor`: a live view of the links.

use super::Failure;
use super::status_query::Client;
use crate::escape;
use gamelink_core::bridge::Speed;
use gamelink_core::control::{GameStatus, LinkReport, Status, Transport};
use ratatui::crossterm::event::{self, Event, KeyCode};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Modifier, Style};
use ratatui::widgets::{Block, Paragraph, Row, Sparkline, Table};
use ratatui::{DefaultTerminal, Frame};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Interval of status requests.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Bars kept: more than a terminal has columns.
const HISTORY: usize = 512;

/// Bytes exchanged, a bar for each second's reports. A game reports once a second; the status is requested
/// more often.
#[derive(Debug, Default)]
struct Bars {
    bars: VecDeque<u64>,
    /// Reports seen of each process, and its bytes by then.
    seen: BTreeMap<i32, (u64, u64)>,
    /// Processes with a report in the newest bar.
    in_newest: BTreeSet<i32>,
}

impl Bars {
    fn handle_status(&mut self, status: &Status) {
        let mut seen = BTreeMap::new();
        for game in &status.games {
            let Some(report) = &game.report else { continue };
            let now = (game.reports, report.exchanged());
            seen.insert(game.pid, now);
            // Bytes before the first status belong to no bar.
            let Some((reports, exchanged)) = self.seen.get(&game.pid) else {
                continue;
            };
            if game.reports != *reports {
                self.add(game.pid, now.1.saturating_sub(*exchanged));
            }
        }
        self.seen = seen;
    }

    fn add(&mut self, pid: i32, bytes: u64) {
        if self.bars.is_empty() || self.in_newest.contains(&pid) {
            self.in_newest.clear();
            self.bars.push_back(0);
            if self.bars.len() > HISTORY {
                self.bars.pop_front();
            }
        }
        self.in_newest.insert(pid);
        if let Some(newest) = self.bars.back_mut() {
            *newest = newest.saturating_add(bytes);
        }
    }

    /// The newest bars, aligned to the right.
    fn newest(&self, width: usize) -> Vec<u64> {
        let empty = width.saturating_sub(self.bars.len());
        let bars = self.bars.iter().skip(self.bars.len().saturating_sub(width));
        std::iter::repeat_n(0, empty).chain(bars.copied()).collect()
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

fn draw(frame: &mut Frame<'_>, status: &Status, bars: &Bars) {
    let rows = |count: usize| Constraint::Length(u16::try_from(count.max(1)).unwrap_or(8) + 3);
    let [top, middle, bottom, foot] = Layout::vertical([
        rows(links(status).count()),
        rows(status.games.len()),
        Constraint::Min(5),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(cables(status), top);
    frame.render_widget(games(status), middle);
    let width = usize::from(bottom.width.saturating_sub(2));
    let line = Sparkline::default()
        .data(bars.newest(width))
        .block(Block::bordered().title(" bytes exchanged each second "));
    frame.render_widget(line, bottom);
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
        let up = cable.up_ms.map(|ms| format!("{} s", ms / 1000));
        [
            cable.device.interface.clone(),
            cable.state.to_string(),
            peer.map(|peer| peer.name.clone()).unwrap_or_default(),
            up.unwrap_or_default(),
            layers.to_owned(),
            cable.diagnostics.first().cloned().unwrap_or_default(),
        ]
    });
    let lans = status.lans.iter().map(|lan| {
        let partner = lan.machines.iter().find(|machine| machine.is_linked);
        let state = if partner.is_some() { "linked" } else { "searching" };
        let heard = format!("LAN, {} heard", lan.machines.len());
        let name = partner.map(|machine| machine.name.clone()).unwrap_or_default();
        let [interface, state] = [&lan.interface, state].map(str::to_owned);
        [interface, state, name, String::new(), heard, String::new()]
    });
    cables.chain(lans)
}

fn games(status: &Status) -> Table<'static> {
    let ms = |us: f64| format!("{:.2}", us / 1e3);
    let rows = status.games.iter().map(|game| {
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
            says(&|report| report.stalls.to_string()),
            says(&|report| speed(&report.speed)),
            says(&|report| report.exchanged().to_string()),
        ]
    });
    let header = "game|cable|state|rtt ms|rtt p99|offset ms|wait p99|timeouts|stalls|speed|bytes";
    table(" games ".to_owned(), header, [Constraint::Fill(1); 11], rows)
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
mod tests {
    use super::*;
    use gamelink_core::bridge::Slowness;

    #[test]
    fn a_slow_game_says_why() {
        let mut of = Speed {
            percent: 48,
            slow: Some(Slowness::Machine),
            ..Speed::default()
        };
        assert_eq!(speed(&of), "48 %, slow machine");
        (of.percent, of.slow) = (100, None);
        assert_eq!(speed(&of), "100 %");
    }

    fn status(games: &[(i32, u64, u64)]) -> Status {
        let game = |&(pid, reports, taken): &(i32, u64, u64)| GameStatus {
            pid,
            reports,
            report: Some(LinkReport {
                taken,
                ..LinkReport::default()
            }),
            ..GameStatus::default()
        };
        Status {
            games: games.iter().map(game).collect(),
            ..Status::default()
        }
    }

    #[test]
    fn each_report_is_one_bar_and_the_past_is_none() {
        let mut bars = Bars::default();
        for (reports, taken) in [
            (9, 5000),
            (9, 5000),
            (10, 5060),
            (10, 5060),
            (11, 5130),
            (12, 5130),
        ] {
            bars.handle_status(&status(&[(7, reports, taken)]));
        }
        assert_eq!(bars.newest(5), [0, 0, 60, 70, 0]);
        assert_eq!(bars.newest(2), [70, 0]);
    }

    #[test]
    fn games_that_report_in_the_same_second_share_a_bar() {
        let mut bars = Bars::default();
        for looks in [
            [(7, 1, 0), (8, 5, 0)],
            [(7, 2, 10), (8, 5, 0)],
            [(7, 2, 10), (8, 6, 3)],
            [(7, 3, 20), (8, 7, 6)],
        ] {
            bars.handle_status(&status(&looks));
        }
        assert_eq!(bars.newest(2), [13, 13]);
    }

    #[test]
    fn a_game_that_starts_anew_or_lies_breaks_no_bar() {
        let mut bars = Bars::default();
        for (reports, taken) in [(1, 100), (2, 5), (3, u64::MAX), (4, 0)] {
            bars.handle_status(&status(&[(7, reports, taken), (8, reports, u64::MAX)]));
        }
        assert_eq!(bars.newest(3), [0, u64::MAX - 5, 0]);
    }
}
