//! Limits on the size of the status.

use gamelink_core::control::{MAX_LINE, Status};

/// Drops entries until the status fits: LANs first, then idle games, then cables.
pub(super) fn cut_short(mut status: Status) -> Status {
    let fits = |status: &Status| serde_json::to_vec(status).is_ok_and(|line| line.len() < MAX_LINE - 256);
    // Games without a link go first: any user may connect any number.
    status.games.sort_by_key(|game| game.cable.is_none());
    while !fits(&status)
        && (status.lans.pop().is_some() || status.games.pop().is_some() || status.cables.pop().is_some())
    {
        status.is_cut_short = true;
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use gamelink_core::control::{CableStatus, GameStatus, LanStatus};

    #[test]
    fn games_that_only_wait_are_cut_before_those_that_play() {
        let game = |pid: i32, cable: Option<&str>| GameStatus {
            pid,
            cable: cable.map(str::to_owned),
            command: Some("x".repeat(600)),
            ..GameStatus::default()
        };
        let mut games: Vec<GameStatus> = (0..60).map(|pid| game(pid, None)).collect();
        games.insert(30, game(1000, Some("usb0")));
        let status = cut_short(Status {
            lans: vec![LanStatus::default()],
            games,
            cables: vec![CableStatus::default()],
            ..Status::default()
        });
        assert!(serde_json::to_vec(&status).unwrap().len() < MAX_LINE);
        assert!(status.is_cut_short);
        assert_eq!(status.games[0].pid, 1000);
        assert!(status.games.len() > 15);
        assert_eq!((status.cables.len(), status.lans.len()), (1, 0));
    }
}
