//! Namespaces, cables, daemons and their clients for the tests.
#![allow(dead_code, reason = "each test program uses its own part of this")]

pub(crate) mod client;
mod network;

pub(crate) use client::Client;
use client::plays_on;
pub(crate) use gamelink_core::control::CableState;
pub(crate) use gamelink_core::control::FromDaemon as Message;
use gamelink_core::control::{self, CableStatus, Playing, Role, Status, ToDaemon, VERSION};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::cell::Cell;
use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// MAC that an old usbnet gives to every device of two identical images.
pub(crate) const SAME_MAC: &str = "02:11:22:33:44:55";

const PATIENCE: Duration = Duration::from_secs(12);

/// Runs a shell line that must succeed; gives what it printed.
pub(crate) fn sh(line: &str) -> String {
    let output = run(line);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "`{line}` failed: {errors} (needs iproute2 and nftables)"
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn run(line: &str) -> Output {
    Command::new("sh").args(["-c", line]).output().expect("sh runs")
}

pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        sleep(Duration::from_millis(20));
    }
}

/// Two or three machines; everything goes when this does.
pub(crate) struct Lab {
    namespaces: Vec<String>,
    folder: PathBuf,
    daemons: AtomicU32,
    /// A process in the first machine that keeps a /run and whatever else of its own.
    room: Option<Child>,
    is_unprivileged: Cell<bool>,
}

impl Lab {
    /// Machines without a cable.
    pub(crate) fn empty(name: &str) -> Lab {
        Lab::with(name, 2)
    }

    fn with(name: &str, machines: usize) -> Lab {
        let id = std::process::id();
        let folder = std::env::temp_dir().join(format!("gamelink-lab-{id}-{name}"));
        fs::create_dir_all(&folder).unwrap();
        let namespaces: Vec<String> = (0..machines).map(|n| format!("gl{id}{name}{n}")).collect();
        for ns in &namespaces {
            sh(&format!("ip netns add {ns} && ip -n {ns} link set lo up"));
        }
        Lab {
            namespaces,
            folder,
            daemons: AtomicU32::new(0),
            room: None,
            is_unprivileged: Cell::new(false),
        }
    }

    /// Two machines with a cable.
    pub(crate) fn pair(name: &str) -> Lab {
        let lab = Lab::empty(name);
        lab.plug("usb0");
        lab
    }

    /// Machines on a hub, which shows a carrier whatever the others do.
    pub(crate) fn hub(name: &str, machines: usize) -> Lab {
        let mut lab = Lab::with(name, machines);
        let hub = format!("gl{}{name}h", std::process::id());
        sh(&format!(
            "ip netns add {hub} && ip -n {hub} link add hub type bridge && ip -n {hub} link set hub up"
        ));
        for (n, ns) in lab.namespaces.iter().enumerate() {
            sh(&format!(
                "ip -n {hub} link add port{n} type veth peer name usb0 netns {ns} && ip -n {hub} link set port{n} master hub up"
            ));
        }
        lab.namespaces.push(hub);
        lab
    }

    pub(crate) fn namespace(&self, end: usize) -> &str {
        &self.namespaces[end]
    }

    /// Gives the first machine an empty /run, and a copy of each of these folders, which it may change.
    pub(crate) fn furnish(&mut self, copies: &[&str]) {
        let mut script = "mount -t tmpfs tmpfs /run".to_owned();
        for (n, of) in copies.iter().enumerate() {
            script += &format!(
                " && mkdir /run/copy{n} && cp -a {of}/. /run/copy{n} && mount --bind /run/copy{n} {of}"
            );
        }
        let ready = self.folder.join("furnished");
        script += &format!(" && touch {} && exec sleep 600", ready.display());
        let room = Command::new("ip")
            .args(["netns", "exec", &self.namespaces[0]])
            .args(["unshare", "-m", "--propagation", "private", "sh", "-c", &script])
            .spawn()
            .expect("ip runs");
        self.room = Some(room);
        eventually("a room of its own", || ready.exists());
    }

    /// A program in a machine.
    pub(crate) fn program(&self, end: usize, program: &str) -> Command {
        let mut command;
        match &self.room {
            Some(room) if end == 0 => {
                command = Command::new("nsenter");
                command.args(["-m", "-n", "-t", &room.id().to_string(), "--", program]);
            }
            _ => {
                command = Command::new("ip");
                command.args(["netns", "exec", &self.namespaces[end], program]);
            }
        }
        command
    }

    /// Runs a shell line in a machine; what it printed, if it succeeded.
    pub(crate) fn try_sh(&self, end: usize, line: &str) -> Option<String> {
        let output = self
            .program(end, "sh")
            .args(["-c", line])
            .output()
            .expect("it runs");
        let words = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success().then_some(words)
    }

    /// Runs a line that must succeed.
    #[track_caller]
    pub(crate) fn sh(&self, end: usize, line: &str) -> String {
        self.try_sh(end, line)
            .unwrap_or_else(|| panic!("`{line}` failed"))
    }

    pub(crate) fn plug(&self, name: &str) {
        let [a, b] = &self.namespaces[..] else {
            panic!("a pair")
        };
        sh(&format!(
            "ip -n {a} link add {name} address {SAME_MAC} type veth peer name {name} netns {b} address {SAME_MAC}"
        ));
    }

    pub(crate) fn unplug(&self, name: &str) {
        sh(&format!("ip -n {} link del {name}", self.namespaces[0]));
    }

    /// Starts daemons as nobody from now on, with the two rights that they need.
    pub(crate) fn drop_privileges(&self) {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&self.folder, fs::Permissions::from_mode(0o777)).unwrap();
        self.is_unprivileged.set(true);
    }

    pub(crate) fn mac(&self, end: usize, name: &str) -> String {
        let json = sh(&format!("ip -n {} -j link show {name}", self.namespaces[end]));
        let links: Value = serde_json::from_str(&json).unwrap();
        links[0]["address"].as_str().unwrap().to_owned()
    }

    pub(crate) fn addresses(&self, end: usize, name: &str) -> String {
        sh(&format!("ip -n {} addr show {name}", self.namespaces[end]))
    }

    pub(crate) fn neighbours(&self, end: usize) -> String {
        sh(&format!("ip -n {} neigh", self.namespaces[end]))
    }

    /// Starts a daemon; for `usb0` unless the arguments name interfaces.
    pub(crate) fn daemon(&self, end: usize, arguments: &[&str]) -> Daemon {
        let mut all = arguments.to_vec();
        if !arguments.contains(&"--interface") {
            all.extend(["--interface", "usb0"]);
        }
        self.start(end, &format!("{end}"), &all)
    }

    /// Starts a daemon that finds cables by itself.
    pub(crate) fn searching_daemon(&self, end: usize, arguments: &[&str]) -> Daemon {
        self.start(end, &format!("{end}"), arguments)
    }

    /// Starts another one in the same machine.
    pub(crate) fn second_daemon(&self, end: usize) -> Daemon {
        self.start(end, &format!("{end}-second"), &["--interface", "usb0"])
    }

    fn start(&self, end: usize, name: &str, arguments: &[&str]) -> Daemon {
        let number = self.daemons.fetch_add(1, Ordering::Relaxed);
        let socket = self.folder.join(format!("{name}.sock"));
        let log = self.folder.join(format!("{name}-{number}.log"));
        let mut command = match self.is_unprivileged.get() {
            true => {
                let mut command = self.program(end, "setpriv");
                command
                    .args([
                        "--reuid=65534",
                        "--regid=65534",
                        "--clear-groups",
                        "--no-new-privs",
                    ])
                    .args([
                        "--inh-caps=+net_admin,+net_raw",
                        "--ambient-caps=+net_admin,+net_raw",
                    ])
                    .arg(env!("CARGO_BIN_EXE_peerd"));
                command
            }
            false => self.program(end, env!("CARGO_BIN_EXE_peerd")),
        };
        command
            .arg("run")
            .args(["--name", &format!("player-{end}"), "--control"])
            .arg(&socket)
            .arg("--state")
            .arg(self.folder.join(format!("{end}-state")))
            .args(arguments)
            .stderr(File::create(&log).unwrap());
        let child = command.spawn().expect("ip runs");
        let daemon = Daemon { child, socket, log };
        eventually("the daemon answers", || daemon.try_status().is_some());
        daemon
    }

    /// One of the tools in a machine.
    pub(crate) fn tool_command(&self, end: usize, daemon: &Daemon, arguments: &[&str]) -> Command {
        let mut command = self.program(end, env!("CARGO_BIN_EXE_peerd"));
        command.args(arguments).arg("--control").arg(&daemon.socket);
        command
    }

    /// Runs one of the tools in a machine; its exit code and what it printed.
    pub(crate) fn tool(&self, end: usize, daemon: &Daemon, arguments: &[&str]) -> (i32, String) {
        let mut command = self.tool_command(end, daemon, arguments);
        let output = command.output().expect("ip runs");
        (
            output.status.code().unwrap_or(-1),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Some(mut room) = self.room.take() {
            // With everything that was started in it and stayed: by its number, as it is in our own
            // namespace.
            for pid in sh(&format!("ip netns pids {}", self.namespaces[0])).lines() {
                run(&format!("kill {pid}"));
            }
            let _ = room.wait();
        }
        for ns in &self.namespaces {
            run(&format!("ip netns del {ns}"));
        }
        if std::thread::panicking() {
            eprintln!("logs are kept in {}", self.folder.display());
        } else {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// A running daemon; killed when this goes.
pub(crate) struct Daemon {
    child: Child,
    socket: PathBuf,
    log: PathBuf,
}

impl Daemon {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn raw(&self, bytes: &[u8]) -> Client {
        let stream = UnixStream::connect(&self.socket).expect("the daemon listens");
        let mut client = Client::new(stream);
        client.write(bytes);
        client
    }

    fn client(&self, role: Role) -> Option<Client> {
        let mut client = Client::new(UnixStream::connect(&self.socket).ok()?);
        client.send(&ToDaemon::Hello {
            version: VERSION,
            role,
        })?;
        matches!(client.receive()?, Message::Welcome { .. }).then_some(client)
    }

    /// Connects as a game.
    pub(crate) fn game(&self) -> Client {
        self.client(Role::Game).expect("the daemon welcomes a game")
    }

    /// Connects as a game that says what it plays, in one write as our core does.
    pub(crate) fn game_of(&self, playing: &Playing) -> Client {
        let hello = ToDaemon::Hello {
            version: VERSION,
            role: Role::Game,
        };
        let lines = [hello, ToDaemon::Playing(playing.clone())].map(|line| control::encode(&line).unwrap());
        let mut game = self.raw(&lines.concat());
        assert!(matches!(game.next(), Message::Welcome { .. }));
        game
    }

    /// Connects as a game that is linked over a cable already, as an earlier daemon named it.
    pub(crate) fn game_that_plays(&self, cable: &str) -> Client {
        let mut game = self.raw(
            &[
                control::encode(&ToDaemon::Hello {
                    version: VERSION,
                    role: Role::Game,
                })
                .unwrap(),
                control::encode(&plays_on(cable)).unwrap(),
            ]
            .concat(),
        );
        assert!(matches!(game.next(), Message::Welcome { .. }));
        game
    }

    pub(crate) fn try_game(&self) -> Option<Client> {
        self.client(Role::Game)
    }

    fn try_status(&self) -> Option<Status> {
        let mut client = self.client(Role::Tool)?;
        client.send(&ToDaemon::Status)?;
        match client.receive()? {
            Message::Status(status) => Some(status),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn status(&self) -> Status {
        self.try_status().expect("the daemon gives its status")
    }

    /// Status of the first cable.
    pub(crate) fn cable(&self) -> CableStatus {
        self.status().cables.into_iter().next().expect("a cable")
    }

    pub(crate) fn states(&self) -> Vec<CableState> {
        self.status().cables.iter().map(|cable| cable.state).collect()
    }

    pub(crate) fn diagnostics(&self) -> Vec<String> {
        self.status()
            .cables
            .into_iter()
            .flat_map(|cable| cable.diagnostics)
            .collect()
    }

    /// Tells if UDP of the peer is heard here, and ours there.
    pub(crate) fn udp(&self) -> (bool, bool) {
        let udp = self
            .status()
            .cables
            .first()
            .map(|cable| cable.udp)
            .unwrap_or_default();
        (udp.heard_here, udp.heard_there == Some(true))
    }

    fn signal(&self, signal: Signal) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    /// Stops it, as a machine that stands still does.
    pub(crate) fn stop(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub(crate) fn go_on(&self) {
        self.signal(Signal::SIGCONT);
    }

    pub(crate) fn terminate(&mut self) {
        self.signal(Signal::SIGTERM);
        assert!(self.child.wait().unwrap().success());
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for the daemon to stop by itself; tells if it did so in time, and well.
    pub(crate) fn wait(&mut self, patience: Duration) -> bool {
        let start = Instant::now();
        while start.elapsed() < patience {
            if let Ok(Some(status)) = self.child.try_wait() {
                return status.success();
            }
            sleep(Duration::from_millis(20));
        }
        false
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}
