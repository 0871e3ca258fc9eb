//! Precedence of clients by user: every user of this machine may connect, and most are not playing.

use gamelink_core::time::LocalTime;

/// Clients at once: more than a machine has players, and a bound on the cost of strangers.
const MAX_CLIENTS: usize = 32;
/// Clients of one user: three games with a relay or a tool each.
const MAX_PER_USER: usize = 6;
/// Further clients of root, whose status request must be answered when all places are taken.
const MAX_FOR_ROOT: usize = 32;

/// True if there is room for a client of this user beside the `others`.
pub(super) fn has_room(uid: u32, others: impl Iterator<Item = u32> + Clone) -> bool {
    let own = others.clone().filter(|other| *other == uid).count();
    match uid {
        0 => own < MAX_FOR_ROOT,
        _ => own < MAX_PER_USER && others.filter(|other| *other != 0).count() < MAX_CLIENTS,
    }
}

/// Rank of a game: the player's own goes first, of equals the newest, which was just started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// The game of root, or of the user at the screen.
    pub(super) is_players: bool,
    /// When it connected.
    pub(super) since: LocalTime,
    pub(super) is_linked: bool,
    pub(super) uid: u32,
}

impl Rank {
    /// True if a waiting game takes the link of another one.
    ///
    /// Never from the same user: a player's second game waits for a second cable. From a stranger's game, and
    /// from one that has a peer and is not linked, which may only block the cable.
    pub(super) fn displaces(self, holder: Rank) -> bool {
        let is_worth_more = self.is_players && !holder.is_players;
        let is_idle = self.is_players == holder.is_players && !holder.is_linked && self.since > holder.since;
        self.uid != holder.uid && (is_worth_more || is_idle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(uid: u32, is_players: bool, since: u64) -> Rank {
        Rank {
            is_players,
            since: LocalTime(since),
            is_linked: false,
            uid,
        }
    }

    #[test]
    fn one_user_cannot_take_all_places() {
        let mut uids = vec![];
        while has_room(1000, uids.iter().copied()) {
            uids.push(1000);
        }
        assert_eq!(uids.len(), MAX_PER_USER);
        assert!(has_room(1001, uids.iter().copied()));
    }

    #[test]
    fn root_is_served_when_others_have_all_places() {
        let mut uids: Vec<u32> = (0..).map(|n| 1000 + n / 6).take(MAX_CLIENTS).collect();
        assert!(!has_room(2000, uids.iter().copied()));
        while has_room(0, uids.iter().copied()) {
            uids.push(0);
        }
        assert_eq!(uids.len(), MAX_CLIENTS + MAX_FOR_ROOT);
    }

    #[test]
    fn the_players_game_goes_before_a_strangers_whoever_came_first() {
        let (stranger, player) = (rank(65_534, false, 1), rank(1000, true, 2));
        assert!(player > stranger && player.displaces(stranger));
        let late = rank(65_534, false, 3);
        assert!(player > late && !late.displaces(player));
        let linked = Rank {
            is_linked: true,
            ..stranger
        };
        assert!(player.displaces(linked));
    }

    #[test]
    fn of_users_that_are_alike_the_newest_goes_first_unless_the_other_plays() {
        let (first, second) = (rank(1000, false, 1), rank(1001, false, 2));
        assert!(second > first && second.displaces(first) && !first.displaces(second));
        let linked = Rank {
            is_linked: true,
            ..first
        };
        assert!(!second.displaces(linked));
    }

    #[test]
    fn a_players_second_game_leaves_the_first_its_cable() {
        assert!(!rank(1000, true, 2).displaces(rank(1000, true, 1)));
    }
}
