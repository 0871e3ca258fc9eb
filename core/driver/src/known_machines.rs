//! The machines that this one has met, as its daemon keeps them: asked once, before there is a link.

use gamelink_core::control::{self, FromDaemon, Lines, Role, ToDaemon, VERSION};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// Limit of the question: a daemon that runs answers in less than a hundredth of it.
const PATIENCE: Duration = Duration::from_millis(200);

/// Names of the machines that this one has met, by its daemon at this socket; none where that does not answer
/// at once.
#[must_use]
pub fn known_machines(control: &Path) -> Vec<String> {
    ask(control, Instant::now() + PATIENCE).unwrap_or_default()
}

fn ask(path: &Path, deadline: Instant) -> io::Result<Vec<String>> {
    // One that takes no client must hold up nobody, so the connection is made without waiting.
    let mut stream: UnixStream = OwnedFd::from(mio::net::UnixStream::connect(path)?).into();
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let hello = ToDaemon::Hello {
        version: VERSION,
        role: Role::Tool,
    };
    let question: Result<Vec<_>, _> = [hello, ToDaemon::Status].iter().map(control::encode).collect();
    stream.write_all(&question.map_err(io::Error::other)?.concat())?;
    let (mut lines, mut bytes, mut known) = (Lines::default(), [0; 4096], None);
    while known.is_none() {
        let rest = deadline.checked_duration_since(Instant::now());
        stream.set_read_timeout(Some(rest.ok_or(ErrorKind::TimedOut)?))?;
        let len = match stream.read(&mut bytes)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            len => len,
        };
        let take = |line: &[u8]| {
            if let Ok(Some(FromDaemon::Status(status))) = control::decode(line) {
                known = Some(status.known);
            }
        };
        let bytes = bytes.get(..len).unwrap_or_default();
        lines.handle_bytes(bytes, take).map_err(io::Error::other)?;
    }
    Ok(known.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use gamelink_core::control::Status;
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;
    use std::thread::JoinHandle;

    /// A daemon that answers one client with this, some bytes at a time.
    fn daemon(name: &str, answer: Vec<u8>, pause: Duration) -> (PathBuf, JoinHandle<()>) {
        let path = std::env::temp_dir().join(format!("gamelink-known-{}-{name}", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        let thread = std::thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            for piece in answer.chunks(100) {
                std::thread::sleep(pause);
                if stream.write_all(piece).is_err() {
                    return;
                }
            }
            // Until the client hangs up.
            let _ = stream.read_to_end(&mut vec![]);
        });
        (path, thread)
    }

    fn asked<T>(name: &str, answer: Vec<u8>, pause: Duration, ask: impl Fn(&Path) -> T) -> T {
        let (path, thread) = daemon(name, answer, pause);
        let asked = ask(&path);
        thread.join().unwrap();
        std::fs::remove_file(&path).unwrap();
        asked
    }

    #[test]
    fn the_names_are_those_of_the_status_and_none_of_a_daemon_that_does_not_answer() {
        let status = FromDaemon::Status(Status {
            known: vec!["den".into(), "ada".into()],
            ..Status::default()
        });
        let welcome = FromDaemon::Welcome {
            version: VERSION,
            daemon: "1".into(),
        };
        let answer = [welcome, status].map(|message| control::encode(&message).unwrap());
        let none: Vec<String> = vec![];
        // A busy machine may be slow.
        let patiently = |path: &Path| ask(path, Instant::now() + 100 * PATIENCE).unwrap();
        let known = asked("all", answer.concat(), Duration::ZERO, patiently);
        assert_eq!(known, ["den".to_owned(), "ada".to_owned()]);
        assert_eq!(known_machines(Path::new("/nowhere/control.sock")), none);
        for (name, answer, pause) in [
            ("mute", vec![], Duration::ZERO),
            ("slow", answer.concat(), Duration::from_millis(150)),
            ("long", vec![b'x'; 100_000], Duration::ZERO),
            ("other", b"{}\n[]\n".to_vec(), Duration::ZERO),
        ] {
            let start = Instant::now();
            assert_eq!(asked(name, answer, pause, known_machines), none, "{name}");
            assert!(start.elapsed() < 20 * PATIENCE, "{name}: {:?}", start.elapsed());
        }
    }
}
