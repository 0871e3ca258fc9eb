//! `peerd monitor`: the link, live.

use super::EXIT_NO_DAEMON;
use super::client::{Client, Status};
use gamelink_core::control::Role;
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Modifier, Style};
use ratatui::widgets::{Block, Paragraph, Row, Sparkline, Table};
use std::collections::VecDeque;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Between two looks.
const EVERY: Duration = Duration::from_millis(500);
/// Looks that the sparkline shows.
const HISTORY: usize = 240;

/// Shows until `q` or Escape.
pub(crate) fn run(control: &Path) -> ExitCode {
    let mut client = match Client::connect(control, Role::Tool) {
        Ok(client) => client,
        Err(error) => {
            eprintln!("peerd: {error}");
            return ExitCode::from(EXIT_NO_DAEMON);
        }
    };
    let mut terminal = ratatui::init();
    let mut waits = VecDeque::from(vec![0; HISTORY]);
    let mut last = 0;
    let result = loop {
        let status = match client.status() {
            Ok(value) => Status::parse(&value),
            Err(error) => break Err(error.to_string()),
        };
        let now: u64 = status
            .games
            .iter()
            .filter_map(|game| game.report.as_ref())
            .map(|r| r.taken + r.peer_taken)
            .sum();
        waits.pop_front();
        waits.push_back(now.saturating_sub(last));
        last = now;
        if let Err(error) = terminal.draw(|frame| draw(frame, &status, &waits)) {
            break Err(error.to_string());
        }
        match event::poll(EVERY).and_then(|is_ready| is_ready.then(event::read).transpose()) {
            Ok(Some(Event::Key(key))) if matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) => {
                break Ok(());
            }
            Ok(_) => {}
            Err(error) => break Err(error.to_string()),
        }
    };
    ratatui::restore();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peerd: {error}");
            ExitCode::from(EXIT_NO_DAEMON)
        }
    }
}

fn draw(frame: &mut Frame<'_>, status: &Status, exchanged: &VecDeque<u64>) {
    let cables = u16::try_from(status.cables.len().max(1)).unwrap_or(8);
    let games = u16::try_from(status.games.len().max(1)).unwrap_or(8);
    let [top, middle, bottom, foot] = Layout::vertical([
        Constraint::Length(cables + 3),
        Constraint::Length(games + 3),
        Constraint::Min(5),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let rows = status.cables.iter().map(|cable| {
        let peer = cable.peer.as_ref();
        let udp = cable.udp;
        let layers = match (udp.heard_here, udp.heard_there.unwrap_or(false)) {
            _ if peer.is_none() => "",
            (true, true) => "both ways",
            (true, false) => "not there: firewall?",
            (false, true) => "not here: firewall?",
            (false, false) => "neither way: firewall?",
        };
        Row::new([
            cable.interface.clone(),
            cable.state.clone(),
            peer.map(|peer| peer.name.clone()).unwrap_or_default(),
            cable
                .up_ms
                .map(|ms| format!("{} s", ms / 1000))
                .unwrap_or_default(),
            layers.to_owned(),
            cable.troubles.first().cloned().unwrap_or_default(),
        ])
    });
    let widths = [
        Constraint::Length(15),
        Constraint::Length(10),
        Constraint::Length(16),
        Constraint::Length(9),
        Constraint::Length(22),
        Constraint::Fill(1),
    ];
    let title = format!(" peerd {} on {} ", status.daemon, status.name);
    let table = Table::new(rows, widths)
        .header(Row::new(["cable", "state", "peer", "for", "UDP", "trouble"]).style(bold))
        .block(Block::bordered().title(title));
    frame.render_widget(table, top);
    let rows = status.games.iter().map(|game| {
        let report = game.report.clone().unwrap_or_default();
        let ms = |us: f64| format!("{:.2}", us / 1e3);
        Row::new([
            game.pid.to_string(),
            game.cable.clone().unwrap_or_default(),
            report.state,
            ms(report.round_trip_us.p50),
            ms(report.round_trip_us.p99),
            report.offset_us.map(ms).unwrap_or_default(),
            ms(report.wait_us.p99),
            report.timeouts.to_string(),
            (report.taken + report.peer_taken).to_string(),
        ])
    });
    let header = [
        "game",
        "cable",
        "state",
        "rtt ms",
        "rtt p99",
        "offset ms",
        "stall p99",
        "timeouts",
        "bytes",
    ];
    let table = Table::new(rows, [Constraint::Fill(1); 9])
        .header(Row::new(header).style(bold))
        .block(Block::bordered().title(" games "));
    frame.render_widget(table, middle);
    let width = usize::from(bottom.width.saturating_sub(2));
    let data: Vec<u64> = exchanged
        .iter()
        .skip(exchanged.len().saturating_sub(width))
        .copied()
        .collect();
    let line = Sparkline::default()
        .data(data)
        .block(Block::bordered().title(" bytes exchanged each half second "));
    frame.render_widget(line, bottom);
    frame.render_widget(Paragraph::new("q: leave"), foot);
}
