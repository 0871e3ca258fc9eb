//! Partners of the game on a LAN: the player's wishes, what the daemon says of the machines there, and what
//! of it is shown.

pub(crate) mod messages;

use crate::messages::Severity;
use gamelink_driver::{Acquaintance, Cartridge, LanStatus, Link, MachineStatus, PairingStatus, Playing};
use std::collections::BTreeSet;
use std::ffi::CString;

/// Time after which a code that waits to be entered is shown again, in looks: a message stands for some
/// seconds.
const REMINDER: u32 = 16;

/// The player's choices in the options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wishes {
    /// Name of the machine to play with; `None` for any.
    pub(crate) partner: Option<String>,
    /// Machines count that this one has not met.
    pub(crate) is_open: bool,
    /// The two halves of a code, where chosen.
    pub(crate) code: [Option<String>; 2],
}

/// News since the last look.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// To be shown.
    pub(crate) messages: Vec<(Severity, String)>,
    /// The machines to list in the options, where they are others.
    pub(crate) names: Option<Vec<CString>>,
    /// The code that was chosen is used up.
    pub(crate) is_code_used: bool,
}

/// Wishes and machines of one game.
#[derive(Debug, Default)]
pub(crate) struct Partners {
    cartridge: Cartridge,
    /// `None` until the options were read for the first time.
    wishes: Option<Wishes>,
    /// The code that is being tried.
    code: Option<String>,
    lan: LanStatus,
    /// All names that were heard; one that is gone may be wished for.
    names: BTreeSet<String>,
    /// Texts that the player was shown about machines that are kept apart.
    told: BTreeSet<String>,
    looks: u32,
}

impl Partners {
    /// Takes the cartridge of which the link knows already.
    pub(crate) fn set_cartridge(&mut self, cartridge: Cartridge) {
        self.cartridge = cartridge;
    }

    /// Takes the options as they are now.
    pub(crate) fn handle_options(&mut self, wishes: Wishes, link: &Link) {
        if self.take_wishes(wishes) {
            self.tell(link);
        }
    }

    /// True where the daemon is to be told.
    fn take_wishes(&mut self, wishes: Wishes) -> bool {
        let before = self.wishes.replace(wishes);
        let Some(wishes) = &self.wishes else { return false };
        // What stands in the options from another day is no code of today.
        let Some(before) = before else { return true };
        let is_tried = before.code[1] != wishes.code[1];
        if let ([Some(first), Some(second)], true) = (&wishes.code, is_tried) {
            self.code = Some(format!("{first}{second}"));
        }
        before != *wishes
    }

    fn tell(&self, link: &Link) {
        let wishes = self.wishes.clone().unwrap_or_default();
        link.set_playing(Playing {
            cartridge: self.cartridge.clone(),
            partner: wishes.partner,
            is_open: wishes.is_open,
            code: self.code.clone(),
        });
    }

    /// True where the link is with a machine that this one has not met.
    pub(crate) fn is_stranger(&self, name: &str) -> bool {
        let mut machines = self.lan.machines.iter();
        machines.any(|of| of.is_linked && of.name == name && !of.is_paired)
    }

    /// Looks at what the daemon has said since the last look, twice a second.
    pub(crate) fn look(&mut self, link: &Link) -> News {
        let lan = link.take_lan();
        let news = self.handle_lan(lan);
        if news.is_code_used {
            self.tell(link);
        }
        news
    }

    fn handle_lan(&mut self, lan: Option<LanStatus>) -> News {
        let mut news = News::default();
        self.looks = self.looks.wrapping_add(1);
        let is_waiting = matches!(
            self.lan.pairing,
            PairingStatus::ShowsCode { .. } | PairingStatus::WantsCode { .. }
        );
        if is_waiting && self.looks >= REMINDER {
            self.looks = 0;
            news.messages.extend(messages::pairing(&self.lan.pairing));
        }
        let Some(lan) = lan else { return news };
        if self.lan.pairing != lan.pairing {
            self.looks = 0;
            news.messages.extend(messages::pairing(&lan.pairing));
            let is_over = !matches!(lan.pairing, PairingStatus::Trying { .. });
            news.is_code_used = is_over && self.code.take().is_some();
        }
        if let Some(name) = lan
            .waits_for
            .as_ref()
            .filter(|of| self.lan.waits_for.as_ref() != Some(of))
        {
            news.messages.push(messages::waits_for(name));
        }
        self.tell_apart(&lan, &mut news);
        let before = self.names.len();
        self.names.extend(lan.machines.iter().map(|of| of.name.clone()));
        if self.names.len() > before {
            let names = self
                .names
                .iter()
                .filter_map(|name| CString::new(name.as_str()).ok());
            news.names = Some(names.collect());
        }
        self.lan = lan;
        news
    }

    /// Tells once of each machine what keeps it from being linked, where the player named none and nobody
    /// else is there.
    fn tell_apart(&mut self, lan: &LanStatus, news: &mut News) {
        let has_named = self
            .wishes
            .as_ref()
            .is_some_and(|wishes| wishes.partner.is_some());
        let is_linked = lan.machines.iter().any(|of| of.is_linked);
        if has_named || is_linked || lan.pairing != PairingStatus::Idle {
            return;
        }
        let is_free = |of: &&MachineStatus| of.has_game && !of.is_taken;
        let is_trusted = |of: &MachineStatus| lan.acquaintance(of) != Acquaintance::Strangers;
        for machine in lan.machines.iter().filter(is_free) {
            let message = match (machine.is_same_game, is_trusted(machine)) {
                (true, true) => continue,
                (true, false) => messages::stranger(&machine.name, &machine.title),
                (false, _) => messages::other_game(&machine.name, &machine.title),
            };
            if self.told.len() < messages::MAX_TOLD && self.told.insert(message.1.clone()) {
                news.messages.push(message);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(name: &str, is_same_game: bool, is_paired: bool) -> MachineStatus {
        MachineStatus {
            name: name.into(),
            has_game: true,
            title: "TETRIS".into(),
            is_same_game,
            is_paired,
            ..MachineStatus::default()
        }
    }

    fn lan(machines: Vec<MachineStatus>) -> LanStatus {
        LanStatus {
            machines,
            ..LanStatus::default()
        }
    }

    fn wishes(code: [Option<&str>; 2]) -> Wishes {
        Wishes {
            code: code.map(|half| half.map(str::to_owned)),
            ..Wishes::default()
        }
    }

    #[test]
    fn the_second_half_tries_a_code_and_nothing_else_does() {
        let mut partners = Partners::default();
        // Of another day.
        partners.take_wishes(wishes([Some("11"), Some("22")]));
        assert_eq!(partners.code, None);
        partners.take_wishes(wishes([Some("47"), Some("22")]));
        assert_eq!(partners.code, None, "the second half is still to come");
        assert!(partners.take_wishes(wishes([Some("47"), Some("11")])));
        assert_eq!(partners.code.as_deref(), Some("4711"));
        let trying = |pairing| LanStatus {
            pairing,
            ..LanStatus::default()
        };
        let name = || "den".to_owned();
        let news = partners.handle_lan(Some(trying(PairingStatus::Trying { name: name() })));
        assert!(!news.is_code_used && partners.code.is_some());
        let news = partners.handle_lan(Some(trying(PairingStatus::Paired { name: name() })));
        assert!(news.is_code_used && partners.code.is_none());
        assert!(!partners.take_wishes(wishes([Some("47"), Some("11")])));
    }

    #[test]
    fn new_machines_are_listed_and_what_keeps_them_apart_is_told_once() {
        let mut partners = Partners::default();
        let machines = || {
            vec![
                machine("ada", true, true),
                machine("ben", true, false),
                machine("cy", false, true),
            ]
        };
        let news = partners.handle_lan(Some(lan(machines())));
        assert_eq!(
            news.names.unwrap(),
            [c"ada", c"ben", c"cy"].map(ToOwned::to_owned)
        );
        let told: Vec<_> = news.messages.into_iter().map(|(_, text)| text).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("ben") && told[1].contains("cy"), "{told:?}");
        let news = partners.handle_lan(Some(lan(machines())));
        assert_eq!((news.names, news.messages), (None, vec![]));
        assert_eq!(partners.handle_lan(None), News::default());
    }

    #[test]
    fn a_code_is_shown_again_while_it_waits() {
        let mut partners = Partners::default();
        let shows = LanStatus {
            pairing: PairingStatus::ShowsCode {
                name: "den".into(),
                code: "47 11".into(),
                was_wrong: false,
            },
            ..LanStatus::default()
        };
        let mut shown = 0;
        for n in 0..REMINDER * 3 {
            let lan = (n == 0).then(|| shows.clone());
            let messages = partners.handle_lan(lan).messages;
            shown += messages.iter().filter(|(_, text)| text.contains("47 11")).count();
        }
        assert_eq!(shown, 3);
    }
}
