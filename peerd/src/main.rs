//! The `peerd` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    gamelink_peerd::main()
}
