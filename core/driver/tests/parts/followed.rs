//! A link that follows a daemon, with the test in the place of that daemon.

use super::{addresses, until};
use gamelink_core::control::{self, LinkReport, ToDaemon};
use gamelink_driver::{Config, Link};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddrV4;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

/// A link that follows a daemon, and this test in the place of that daemon.
pub(crate) struct Followed {
    pub(crate) folder: PathBuf,
    pub(crate) link: Link,
    pub(crate) daemon: BufReader<UnixStream>,
}

impl Followed {
    pub(crate) fn new(name: &str) -> Followed {
        let folder = std::env::temp_dir().join(format!("gamelink-control-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let listener = UnixListener::bind(folder.join("control.sock")).unwrap();
        let link = Link::start(&Config {
            control: Some(folder.join("control.sock")),
            ..Config::default()
        })
        .unwrap();
        Followed {
            folder,
            link,
            daemon: BufReader::new(listener.accept().unwrap().0),
        }
    }

    /// Two that are linked by the first two of these addresses.
    pub(crate) fn pair(name: &str) -> (Followed, Followed, [SocketAddrV4; 4]) {
        let addresses = addresses();
        let [mut a, mut b] = ["a", "b"].map(|end| Followed::new(&format!("{name}-{end}")));
        a.peer_up(addresses[1], addresses[0]);
        b.peer_up(addresses[0], addresses[1]);
        until("linked through the daemons", || {
            a.link.is_linked() && b.link.is_linked()
        });
        (a, b, addresses)
    }

    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.daemon.get_mut(), "{line}").unwrap();
    }

    pub(crate) fn peer_up(&mut self, peer: SocketAddrV4, own: SocketAddrV4) {
        self.peer_up_on("usb0", peer, own);
    }

    pub(crate) fn peer_up_on(&mut self, cable: &str, peer: SocketAddrV4, own: SocketAddrV4) {
        let own = own.ip();
        self.say(&format!(
            r#"{{"type":"peer_up","cable":"{cable}","name":"den","address":"{peer}","bind":"{own}"}}"#
        ));
    }

    /// The same peer, and the title of its game.
    pub(crate) fn peer_plays(&mut self, title: &str, peer: SocketAddrV4, own: SocketAddrV4) {
        let own = own.ip();
        self.say(&format!(
            r#"{{"type":"peer_up","cable":"usb0","name":"den","title":"{title}","address":"{peer}","bind":"{own}"}}"#
        ));
    }

    /// A peer on a LAN, whose interface this is.
    pub(crate) fn peer_up_with_key(
        &mut self,
        interface: &str,
        peer: SocketAddrV4,
        own: SocketAddrV4,
        key: &str,
    ) {
        let own = own.ip();
        self.say(&format!(
            r#"{{"type":"peer_up","cable":"{interface}","name":"den","address":"{peer}","bind":"{own}","key":"{key}"}}"#
        ));
    }

    pub(crate) fn peer_down(&mut self, cause: &str) {
        self.peer_down_on("usb0", cause);
    }

    pub(crate) fn peer_down_on(&mut self, cable: &str, cause: &str) {
        self.say(&format!(
            r#"{{"type":"peer_down","cable":"{cable}","reason":"gone","cause":"{cause}"}}"#
        ));
    }

    /// Report that the link gives next.
    pub(crate) fn report(&mut self) -> LinkReport {
        loop {
            let mut line = vec![];
            assert!(
                self.daemon.read_until(b'\n', &mut line).unwrap() > 0,
                "the link hung up"
            );
            if let Some(ToDaemon::Report(report)) = control::decode(&line).unwrap() {
                return report;
            }
        }
    }

    pub(crate) fn is_on_cable(&mut self) -> bool {
        self.report().cable.as_deref() == Some("usb0")
    }

    pub(crate) fn links_and_losses(&self) -> (u64, u64) {
        let counters = self.link.report().counters;
        (counters.links, counters.losses)
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
