//! What machine this is: figures mean nothing without.

use serde::Serialize;
use std::fs;

/// What machine this is.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Its processor, as the kernel calls it.
    pub processor: String,
    /// Processors that this process may use.
    pub processors: usize,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// The kernel.
    pub kernel: String,
    /// Whether it is a virtual machine, as far as the kernel knows.
    pub is_virtual: bool,
    /// Load of the last minute, as the run began.
    pub load: f64,
}

impl Machine {
    /// This one, now.
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
            load: read("/proc/loadavg")
                .split_whitespace()
                .next()
                .and_then(|load| load.parse().ok())
                .unwrap_or(0.0),
        }
    }

    /// One line for people.
    #[must_use]
    pub fn line(&self) -> String {
        format!(
            "{}{}, {} processors, {} MiB, Linux {}, load {:.1} as it began",
            self.processor,
            if self.is_virtual { " (virtual)" } else { "" },
            self.processors,
            self.memory_mib,
            self.kernel,
            self.load
        )
    }
}
