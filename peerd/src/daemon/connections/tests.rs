//! Real connections, and a clock of the test's own.

use super::*;
use crate::identity::IfIndex;
use gamelink_core::control::{self, LinkReport, LinkState, ToDaemon, Transport, VERSION};
use mio::Poll;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

const SECOND: Duration = Duration::from_secs(1);

struct Room {
    folder: PathBuf,
    poll: Poll,
    listener: UnixListener,
    clients: Connections,
    tokens: Tokens,
    now: LocalTime,
}

impl Room {
    fn new(name: &str) -> Room {
        let folder = std::env::temp_dir().join(format!("gamelink-clients-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Room {
            listener: UnixListener::bind(folder.join("control.sock")).unwrap(),
            folder,
            poll: Poll::new().unwrap(),
            clients: Connections::default(),
            tokens: Tokens(16),
            now: LocalTime(1_000_000_000),
        }
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.folder.join("control.sock")).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream
    }

    /// One turn; true if more may wait.
    fn accept(&mut self) -> bool {
        let registry = self.poll.registry();
        self.clients
            .accept(self.now, &self.listener, registry, &mut self.tokens)
    }

    /// A client that has said these, and the number by which it is known.
    fn client(&mut self, messages: &[ToDaemon]) -> (UnixStream, Token) {
        let mut stream = self.connect();
        self.accept();
        let token = Token(self.tokens.0);
        self.say(&mut stream, token, messages);
        (stream, token)
    }

    fn say(&mut self, stream: &mut UnixStream, token: Token, messages: &[ToDaemon]) {
        for message in messages {
            stream.write_all(&control::encode(message).unwrap()).unwrap();
        }
        self.clients.receive(self.now, token, &mut vec![]);
    }

    fn pass(&mut self, time: Duration) -> bool {
        self.now = self.now.after(time);
        self.clients.handle_timeout(self.now)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn up(interface: &str) -> FromDaemon {
    FromDaemon::PeerUp {
        cable: interface.into(),
        name: "den".into(),
        address: "127.0.0.1:1".into(),
        bind: None,
        key: None,
        machine: None,
        title: String::new(),
    }
}

fn hello(role: Role) -> ToDaemon {
    ToDaemon::Hello {
        version: VERSION,
        role,
    }
}

fn report() -> ToDaemon {
    ToDaemon::Report(LinkReport {
        state: LinkState::Linked,
        ..LinkReport::default()
    })
}

#[test]
fn a_flood_is_taken_a_few_at_a_time() {
    let mut room = Room::new("flood");
    let crowd: Vec<_> = (0..20).map(|_| room.connect()).collect();
    for taken in [8, 16] {
        assert!(room.accept());
        assert_eq!(room.clients.len() as u64 + room.clients.refused, taken);
    }
    assert!(!room.accept());
    assert_eq!(room.clients.len() as u64 + room.clients.refused, 20);
    drop(crowd);
}

#[test]
fn a_client_that_says_nothing_leaves_its_place() {
    let mut room = Room::new("silent");
    let (_mute, _) = room.client(&[]);
    let (_tool, _) = room.client(&[hello(Role::Tool)]);
    let (mut game, token) = room.client(&[hello(Role::Game)]);
    assert!(!room.pass(6 * SECOND));
    assert_eq!(room.clients.len(), 2, "the one that did not say what it is");
    for _ in 0..60 {
        room.say(&mut game, token, &[report()]);
        assert!(!room.pass(SECOND), "no game has gone");
    }
    assert_eq!(room.clients.len(), 1, "the tool that asked nothing");
    assert!(room.clients.poll_timeout().is_some());
    assert!(room.pass(61 * SECOND), "a game has gone");
    assert_eq!(room.clients.len(), 0);
}

#[test]
fn a_cable_is_given_to_one_game_and_back() {
    let mut room = Room::new("cable");
    let cable = LinkId::Cable(IfIndex(7));
    let up = up("usb0");
    let (mut first, _) = room.client(&[hello(Role::Game)]);
    room.clients.assign(&[(cable, up.clone())], None);
    let (_second, _) = room.client(&[hello(Role::Game)]);
    room.now = room.now.after(SECOND);
    room.clients.assign(&[(cable, up)], None);
    let games: Vec<_> = room.clients.games().map(|game| game.link).collect();
    assert_eq!(games, [Some(cable), None], "of one user the first keeps it");
    let mut said = [0; 4096];
    let len = first.read(&mut said).unwrap();
    let said = String::from_utf8_lossy(&said[..len]).into_owned();
    assert!(said.contains("peer_up") && !said.contains("peer_down"), "{said}");
}

#[test]
fn a_game_that_does_not_read_is_gone_and_the_next_one_served() {
    let mut room = Room::new("deaf");
    let (_game, token) = room.client(&[hello(Role::Game)]);
    let (_next, _) = room.client(&[hello(Role::Game)]);
    let refused = FromDaemon::Refused {
        reason: "x".repeat(8000),
    };
    assert!(!room.pass(Duration::ZERO));
    for _ in 0..1000 {
        room.clients.send(token, &refused);
    }
    assert_eq!(
        room.clients.poll_timeout(),
        Some(LocalTime(1_000_000_000)),
        "at once"
    );
    assert!(
        room.pass(Duration::ZERO),
        "a game has gone: its link is another's"
    );
    assert_eq!(room.clients.len(), 1);
}

#[test]
fn a_report_of_an_interface_that_cannot_be_is_not_kept() {
    let mut room = Room::new("name");
    let report = ToDaemon::Report(LinkReport {
        cable: Some("0".repeat(4000)),
        machine: Some("0".repeat(4000)),
        ..LinkReport::default()
    });
    let (_game, _) = room.client(&[hello(Role::Game), report]);
    let kept: Vec<_> = room
        .clients
        .games()
        .filter_map(|game| game.report.as_ref())
        .collect();
    assert_eq!(kept.len(), 1);
    assert_eq!((&kept[0].cable, &kept[0].machine), (&None, &None));
}

#[test]
fn only_the_game_of_the_user_at_the_screen_says_whom_the_machine_trusts() {
    let mut room = Room::new("trust");
    let lan = LinkId::Lan(IfIndex(7));
    let wish = Playing {
        partner: Some("den".into()),
        is_open: true,
        code: Some("4711".into()),
        ..Playing::default()
    };
    let (_game, token) = room.client(&[hello(Role::Game), ToDaemon::Playing(wish.clone())]);
    let mut playing = |uid, player| {
        room.clients.clients.get_mut(&token).unwrap().credentials.uid = uid;
        room.clients.offered(lan, player).unwrap().playing
    };
    // Root's, the player's, and anybody's where nobody is known to be at the screen, as on a handheld.
    for (uid, player) in [(0, Some(1000)), (1000, Some(1000)), (1001, None)] {
        assert_eq!(playing(uid, player), wish, "{uid} {player:?}");
    }
    assert_eq!(playing(1001, Some(1000)), Playing::default());
}

#[test]
fn a_game_in_netplay_is_offered_on_no_lan_and_can_be_given_a_cable() {
    let mut room = Room::new("netplay");
    let (lan, cable) = (LinkId::Lan(IfIndex(7)), LinkId::Cable(IfIndex(8)));
    let report = |transport| {
        ToDaemon::Report(LinkReport {
            transport,
            ..LinkReport::default()
        })
    };
    let (mut stream, token) = room.client(&[hello(Role::Game), report(Transport::Netplay)]);
    assert_eq!(room.clients.offered(lan, None), None);
    assert!(room.clients.title(cable, None).is_some());
    room.clients.assign(&[(lan, up("wlan0"))], None);
    assert!(!room.clients.has(lan), "not given away either");
    room.say(&mut stream, token, &[report(Transport::Udp)]);
    assert!(room.clients.offered(lan, None).is_some());
    room.clients.assign(&[(lan, up("wlan0"))], None);
    assert!(room.clients.has(lan));
    // It holds the link, and joins netplay.
    room.say(&mut stream, token, &[report(Transport::Netplay)]);
    assert_eq!(room.clients.offered(lan, None), None);
    let (_other, _) = room.client(&[hello(Role::Game)]);
    assert_eq!(room.clients.offered(lan, None), None, "the link is still its");
}

#[test]
fn a_game_that_is_linked_without_the_daemons_is_offered_to_its_partner_alone() {
    let mut room = Room::new("held");
    let lan = LinkId::Lan(IfIndex(7));
    let linked = |machine: Option<&str>| {
        ToDaemon::Report(LinkReport {
            state: LinkState::Linked,
            cable: Some("wlan0".into()),
            machine: machine.map(str::to_owned),
            ..LinkReport::default()
        })
    };
    // It was linked before this daemon was started.
    let (mut stream, token) = room.client(&[hello(Role::Game), linked(Some("2a"))]);
    let now = room.now;
    let names = BTreeMap::from([(lan, Name::new("wlan0"))]);
    room.clients.adopt(now, &names, None);
    let held_with = |room: &Room| room.clients.offered(lan, None).map(|of| of.held_with);
    assert_eq!(held_with(&room), Some(Some(42)));
    // One of an older version does not say with whom.
    room.say(&mut stream, token, &[linked(None)]);
    assert_eq!(held_with(&room), None, "nobody may choose it");
    // The two daemons have found each other again, and lose each other once more.
    let mut up = up("wlan0");
    if let FromDaemon::PeerUp { machine, .. } = &mut up {
        *machine = Some("2b".into());
    }
    room.clients.assign(&[(lan, up)], None);
    assert_eq!(held_with(&room), Some(None));
    room.clients.take_back(lan, Name::new("wlan0"), Loss::LeftLan);
    assert_eq!(held_with(&room), Some(Some(43)));
    // The two games have lost each other too.
    room.say(&mut stream, token, &[report()]);
    assert_eq!(held_with(&room), Some(None), "anybody's");
}
