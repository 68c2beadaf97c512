//! How much memory the process holds, as the kernel counts it.

/// One look at the process's memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resident {
    /// Bytes in memory now (`VmRSS`).
    pub now: u64,
    /// The most that it ever was (`VmHWM`), bytes.
    pub high: u64,
}

impl Resident {
    /// Asks the kernel; none where there is no `/proc`.
    #[must_use]
    pub fn of_process() -> Option<Self> {
        Self::read(&std::fs::read_to_string("/proc/self/status").ok()?)
    }

    /// Reads the text of `/proc/self/status`, see proc(5): both lines are in kB of 1,024 bytes.
    fn read(status: &str) -> Option<Self> {
        let kilobytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
        };
        Some(Self { now: kilobytes("VmRSS:")?, high: kilobytes("VmHWM:")? })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn both_lines_are_read_and_a_missing_one_is_none() {
        let text = "Name:\tetl-sync\nVmHWM:\t   52000 kB\nVmRSS:\t   48000 kB\n";
        assert_eq!(Resident::read(text), Some(Resident { now: 48_000 << 10, high: 52_000 << 10 }));
        assert_eq!(Resident::read("VmRSS:\t1 kB\n"), None);
        assert_eq!(Resident::read("VmHWM: x kB\nVmRSS: 1 kB\n"), None);
        let seen = Resident::of_process().unwrap();
        assert!(seen.high >= seen.now && seen.now > 1 << 20);
    }
}
