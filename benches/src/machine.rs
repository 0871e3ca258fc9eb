//! Description of this machine: figures mean nothing without.

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use std::fs;
use std::process::Command;

/// Description of a machine.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Processor, as the kernel calls it.
    pub processor: String,
    /// Processors that this process may use.
    pub processors: usize,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// The kernel.
    pub kernel: String,
    /// The machine is a virtual one, as far as the kernel knows.
    pub is_virtual: bool,
    /// The players, the relay and the bare sockets went before all ordinary programs.
    pub is_real_time: bool,
    /// Load of the last minute, as the run began.
    pub load: f64,
}

impl Machine {
    /// Describes this machine as it is now.
    #[must_use]
    pub fn here() -> Machine {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let (cpu, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
        let after_colon = |text: &str, key: &str| -> Option<String> {
            let line = text.lines().find(|line| line.starts_with(key))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let number =
            |text: Option<String>| text.and_then(|text| text.split_whitespace().next()?.parse().ok());
        Machine {
            processor: after_colon(&cpu, "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: number(after_colon(&memory, "MemTotal")).unwrap_or(0) / 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            is_virtual: after_colon(&cpu, "flags").is_some_and(|flags| flags.contains("hypervisor")),
            // proc(5): the policy is the 41st field; the second one may hold blanks and ends with a bracket.
            is_real_time: read("/proc/thread-self/stat")
                .rsplit_once(')')
                .and_then(|(_, rest)| rest.split_whitespace().nth(38))
                .is_some_and(|policy| policy == "1" || policy == "2"),
            load: read("/proc/loadavg")
                .split_whitespace()
                .next()
                .and_then(|load| load.parse().ok())
                .unwrap_or(0.0),
        }
    }

    /// The least that a picture must say.
    #[must_use]
    pub fn short(&self) -> String {
        format!(
            "{}, {} processors{}",
            self.processor,
            self.processors,
            if self.is_real_time {
                ", real-time priority"
            } else {
                ""
            }
        )
    }

    /// One line for people.
    #[must_use]
    pub fn line(&self) -> String {
        format!(
            "{}{}, {} processors, {} MiB, Linux {}, load {:.1} as it began{}",
            self.processor,
            if self.is_virtual { " (virtual)" } else { "" },
            self.processors,
            self.memory_mib,
            self.kernel,
            self.load,
            if self.is_real_time {
                ", all that is measured at real-time priority"
            } else {
                ""
            }
        )
    }
}

/// Lets this thread, and all threads and processes that it starts, go before all ordinary programs.
///
/// # Errors
/// When that is not permitted.
pub fn go_before_others() -> Result<()> {
    let output = Command::new("chrt")
        .args(["--rr", "--pid", "1", &std::process::id().to_string()])
        .output()
        .context("cannot run chrt: install util-linux")?;
    if !output.status.success() {
        bail!(
            "real-time priority is refused: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}
