//! `peerd pair` and `peerd forget`: which machines this one knows.

use super::Failure;
use super::status_query::Client;
use crate::escape::visible;
use gamelink_core::control::{Code, PairingStatus, ToDaemon};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Interval of looks at the state.
const LOOK_INTERVAL: Duration = Duration::from_millis(300);
/// Time for which a code is shown.
const SHOWN_FOR: Duration = Duration::from_secs(120);
/// Time in which a code is tried.
const TRIED_FOR: Duration = Duration::from_secs(8);

/// Shows a code for the machine of this name until it was entered there, or tries the one that it shows.
pub(crate) fn run(control: &Path, name: &str, code: Option<&str>) -> Result<ExitCode, Failure> {
    if code.is_some_and(|code| Code::parse(code).is_none()) {
        return Err("a code is the four digits that the other machine shows"
            .to_owned()
            .into());
    }
    let mut client = Client::connect(control)?;
    client.request(&ToDaemon::Pair {
        name: name.to_owned(),
        code: code.map(str::to_owned),
    })?;
    let limit = if code.is_some() { TRIED_FOR } else { SHOWN_FOR };
    let started = Instant::now();
    let mut told = None;
    while started.elapsed() < limit {
        let status = client.status()?;
        let (me, lans) = (status.name, status.lans);
        let machines = lans.iter().flat_map(|lan| &lan.machines);
        if machines.clone().any(|of| of.name == name && of.is_paired) {
            println!("{} and this machine have a key now", visible(name));
            return Ok(ExitCode::SUCCESS);
        }
        for lan in lans {
            match lan.pairing {
                PairingStatus::ShowsCode { code, was_wrong, .. } if told.as_ref() != Some(&code) => {
                    if was_wrong && told.is_some() {
                        println!("that was wrong; the code is another one now");
                    }
                    println!("code: {code}");
                    println!(
                        "enter it on {0}: `peerd pair {1} --code {2}`, or under Core Options, Link cable, Code",
                        visible(name),
                        visible(&me),
                        code.replace(' ', "")
                    );
                    told = Some(code);
                }
                PairingStatus::WantsCode { was_wrong: true, .. } if code.is_some() => {
                    return Err(
                        "the code is wrong, and used up: the other machine shows another one"
                            .to_owned()
                            .into(),
                    );
                }
                PairingStatus::Unanswered { .. } => return Err(format!("{name} does not answer").into()),
                PairingStatus::TooMany { .. } => {
                    return Err("too many codes were wrong: try again in a minute"
                        .to_owned()
                        .into());
                }
                _ => {}
            }
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
    Err(format!("{name} has not entered the code").into())
}

/// Forgets the key of the machine of this name.
pub(crate) fn forget(control: &Path, name: &str) -> Result<ExitCode, Failure> {
    let request = ToDaemon::Forget {
        name: name.to_owned(),
    };
    println!("{}", Client::connect(control)?.request(&request)?);
    Ok(ExitCode::SUCCESS)
}
