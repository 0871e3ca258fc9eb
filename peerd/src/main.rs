//! The Gamelink daemon.

fn main() {}
