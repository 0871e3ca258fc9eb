//! Attempts of another user of the same machine to harm a player: at worst he is served last.
//!
//! Needs root, `ip` (iproute2) and `setpriv` (util-linux).

mod lab;

use gamelink_core::control::{self, LinkReport, LinkState, Role, ToDaemon, VERSION};
use lab::{CableState, Daemon, Lab, eventually};
use std::fs;
use std::io::{Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

/// This test program as nobody in the first machine; ends when this does.
struct Stranger {
    child: Child,
    stdin: Option<ChildStdin>,
    /// Kept open: the stranger may still have something to say.
    _stdout: ChildStdout,
}

impl Stranger {
    /// Starts one and waits until it has done what `deed` says.
    fn start(lab: &Lab, folder: &std::path::Path, deed: &str, daemon: Option<&Daemon>) -> Stranger {
        // The user nobody must be able to read the program.
        let program = folder.join("stranger");
        if !program.exists() {
            fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
            for path in [folder, &program] {
                fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        let mut child = lab
            .program(0, "setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&program)
            .args(["--exact", "a_stranger", "--ignored", "--nocapture"])
            .env("STRANGER_DEED", deed)
            .env("STRANGER_CONTROL", daemon.map_or("/".as_ref(), Daemon::socket))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("setpriv runs");
        let mut seen = String::new();
        let mut output = child.stdout.take().unwrap();
        while !seen.contains("DONE") {
            let mut bytes = [0; 256];
            let len = output.read(&mut bytes).unwrap();
            assert!(len > 0, "the stranger failed: {seen}");
            seen += &String::from_utf8_lossy(&bytes[..len]);
        }
        Stranger {
            stdin: child.stdin.take(),
            child,
            _stdout: output,
        }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

/// Run by [`Stranger::start`] as another user.
#[test]
#[ignore = "runs in a process of its own, started by the other tests"]
fn a_stranger() {
    let control = std::env::var_os("STRANGER_CONTROL").unwrap();
    let hello = |role| {
        let hello = ToDaemon::Hello {
            version: VERSION,
            role,
        };
        control::encode(&hello).unwrap()
    };
    let connect = |role| {
        let mut stream = UnixStream::connect(&control).ok()?;
        stream.write_all(&hello(role)).ok()?;
        Some(stream)
    };
    let _kept: (Vec<UnixListener>, Vec<UnixStream>) = match std::env::var("STRANGER_DEED").unwrap().as_str() {
        "claims" => {
            let bind = |n| {
                let name = SocketAddr::from_abstract_name(format!("gamelink-cable-{n}")).unwrap();
                UnixListener::bind_addr(&name).unwrap()
            };
            ((1..128).map(bind).collect(), vec![])
        }
        "crowd" => (vec![], (0..40).filter_map(|_| connect(Role::Tool)).collect()),
        "game" => {
            let mut stream = connect(Role::Game).unwrap();
            let report = ToDaemon::Report(LinkReport {
                state: LinkState::Linked,
                cable: Some("usb0".into()),
                ..LinkReport::default()
            });
            stream.write_all(&control::encode(&report).unwrap()).unwrap();
            (vec![], vec![stream])
        }
        "flood" => {
            println!("DONE");
            let start = Instant::now();
            while start.elapsed() < Duration::from_secs(3) {
                let _ = connect(Role::Game);
            }
            (vec![], vec![])
        }
        deed => panic!("{deed}"),
    };
    println!("DONE");
    let _ = std::io::stdin().read(&mut [0]);
}

fn folder(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("gamelink-stranger-{}-{name}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
#[ignore = "needs root"]
fn a_stranger_with_the_names_of_all_claims_keeps_no_cable_from_being_served() {
    let lab = Lab::pair("claims");
    let folder = folder("claims");
    let _stranger = Stranger::start(&lab, &folder, "claims", None);
    let (a, b) = (lab.daemon(0, &[]), lab.daemon(1, &[]));
    let mut game = a.game();
    let _other = b.game();
    game.peer_up();
    assert!(a.log().contains("of user=65534"), "{}", a.log());
    fs::remove_dir_all(folder).unwrap();
}

#[test]
#[ignore = "needs root"]
fn a_stranger_with_many_connections_leaves_places_for_others() {
    let lab = Lab::pair("crowd");
    let folder = folder("crowd");
    let a = lab.daemon(0, &[]);
    let _stranger = Stranger::start(&lab, &folder, "crowd", Some(&a));
    eventually("its connections are judged", || a.status().clients_refused >= 34);
    // Clients that asked before may not have been seen to go yet.
    eventually("six places and this one", || a.status().clients == 7);
    let (code, words) = lab.tool(0, &a, &["status"]);
    assert_eq!(code, 4, "nothing is linked, but it is said: {words}");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
#[ignore = "needs root"]
fn a_strangers_game_that_was_first_gives_way_to_the_players() {
    let lab = Lab::pair("first");
    let folder = folder("first");
    let (a, b) = (lab.daemon(0, &[]), lab.daemon(1, &[]));
    let _other = b.game();
    let _stranger = Stranger::start(&lab, &folder, "game", Some(&a));
    eventually("the stranger has the cable", || {
        let mut games = a.status().games.into_iter();
        games.any(|game| game.uid == 65534 && game.cable.as_deref() == Some("usb0"))
    });
    let mut game = a.game();
    assert_eq!(game.peer_up().cable, "usb0");
    let (_, words) = lab.tool(0, &a, &["status"]);
    assert!(
        words.contains("(stranger, user 65534): on no cable yet"),
        "{words}"
    );
    assert!(words.contains("user 0): on usb0"), "{words}");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
#[ignore = "needs root"]
fn a_flood_of_connections_takes_no_link_down() {
    let lab = Lab::pair("flood");
    let folder = folder("flood");
    let (a, b) = (lab.daemon(0, &[]), lab.daemon(1, &[]));
    let (mut game_a, mut game_b) = (a.game(), b.game());
    game_a.peer_up();
    game_b.peer_up();
    let strangers = [(); 3].map(|()| Stranger::start(&lab, &folder, "flood", Some(&a)));
    let start = Instant::now();
    let mut answers = 0;
    while start.elapsed() < Duration::from_secs(3) {
        assert_eq!(a.states(), [CableState::Linked]);
        answers += 1;
    }
    drop(strangers);
    assert!(answers > 10, "{answers} answers in three seconds");
    assert_eq!(
        (a.states(), b.states()),
        (vec![CableState::Linked], vec![CableState::Linked])
    );
    assert_eq!((a.cable().links, b.cable().links), (1, 1));
    fs::remove_dir_all(folder).unwrap();
}
