//! `peerd monitor` where it cannot draw.

use std::io::Write as _;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

#[test]
fn without_a_terminal_it_says_so() {
    let path = std::env::temp_dir().join(format!("gamelink-monitor-{}.sock", std::process::id()));
    let listener = UnixListener::bind(&path).unwrap();
    let daemon = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let welcome = b"{\"type\":\"welcome\",\"version\":1,\"daemon\":\"9.8.7\"}\n";
        stream.write_all(welcome).unwrap();
        stream
    });
    // A session of its own has no terminal, whatever this test was started from.
    let output = Command::new("setsid")
        .args(["--wait", env!("CARGO_BIN_EXE_peerd"), "monitor", "--control"])
        .arg(&path)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    drop(daemon.join());
    std::fs::remove_file(path).unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(
        words.starts_with("peerd: cannot draw on this terminal: ") && words.lines().count() == 1,
        "{words}"
    );
    assert!(output.stdout.is_empty());
}
