//! The memory watch: what the process holds, the limit it is given, and who has to wait because of it.
//!
//! The limit is the configured one or that of the control group, whichever is lower. It is kept by back-pressure and never by
//! throwing work away: above 80 % a warning, and rows in flight go to files sooner; above 90 % a job begins only when none is in
//! work; a process that stays above the limit all the same is stopped cleanly, before the kernel does it.

use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of a MiB.
pub const MIB: u64 = 1 << 20;

/// How long the limit may be passed while one job is in work: what it holds may be on its way out.
const OVER_MAX: Duration = Duration::from_secs(5);

/// The same while several jobs are in work, which end one after the other.
const OVER_MAX_OF_MANY: Duration = Duration::from_secs(30);

/// How long a waiting job may overlook that there is room again.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// From so many bytes on, a limit of a control group (version 1) means none.
const UNLIMITED: u64 = 1 << 60;

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

/// The most that was seen since a moment. Exact where the process was never larger before, else by samples.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct HighMark {
    high_before: u64,
    high: u64,
}

impl HighMark {
    /// From a look at the beginning on.
    pub fn since(resident: Resident) -> Self {
        Self { high_before: resident.high, high: resident.now }
    }

    /// Another look.
    pub fn saw(&mut self, resident: Resident) {
        let most = if resident.high > self.high_before { resident.high } else { resident.now };
        self.high = self.high.max(most);
    }

    /// Bytes; none when nobody ever looked.
    pub fn bytes(self) -> Option<u64> {
        (self.high > 0).then_some(self.high)
    }
}

/// A limit of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Bytes.
    pub bytes: u64,
    /// Who set it: `memory_limit_mb` or `cgroup`.
    pub from: &'static str,
}

impl Limit {
    /// The lower one of a configured limit (bytes, 0 for none) and that of the process's control group.
    #[must_use]
    pub fn of_process(configured: u64) -> Option<Self> {
        let membership = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Self::lower(configured, cgroup(Path::new("/sys/fs/cgroup"), &membership))
    }

    fn lower(configured: u64, cgroup: Option<u64>) -> Option<Self> {
        let configured = (configured > 0).then_some(Self { bytes: configured, from: "memory_limit_mb" });
        let cgroup = cgroup.map(|bytes| Self { bytes, from: "cgroup" });
        configured.into_iter().chain(cgroup).min_by_key(|limit| limit.bytes)
    }
}

/// The lowest limit of a control group and those above it, bytes; `membership` is the text of `/proc/self/cgroup`, cgroups(7).
/// Inside a container the path may be one of the machine's that is not there: then the mounted root counts.
fn cgroup(root: &Path, membership: &str) -> Option<u64> {
    let lowest = |mount: &Path, path: &str, file: &str| {
        let group = mount.join(path.trim_start_matches('/'));
        let above = group.ancestors().take_while(|dir| dir.starts_with(mount));
        above.filter_map(|dir| std::fs::read_to_string(dir.join(file)).ok()?.trim().parse::<u64>().ok()).min()
    };
    let limits = membership.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        match controllers {
            "" => lowest(root, path, "memory.max"),
            _ if controllers.split(',').any(|one| one == "memory") => lowest(&root.join("memory"), path, "memory.limit_in_bytes"),
            _ => None,
        }
    });
    limits.min().filter(|bytes| *bytes < UNLIMITED)
}

/// How near the limit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    /// Below 80 %, or no limit.
    None,
    /// Above 80 %: fewer rows in flight.
    Tight,
    /// Above 90 %: one job at a time.
    Full,
    /// Above the limit.
    Over,
}

/// Jobs in work, and since when there is too much memory in use.
#[derive(Debug, Default)]
struct Gate {
    in_work: usize,
    over_since: Option<Instant>,
}

/// The watch of one run.
#[derive(Debug)]
pub struct Memory {
    limit: Option<Limit>,
    now: AtomicU64,
    mark: Mutex<HighMark>,
    is_warned: AtomicBool,
    is_exceeded: AtomicBool,
    gate: Mutex<Gate>,
    changed: Condvar,
}

impl Memory {
    /// A watch with this limit; without one nobody ever waits.
    #[must_use]
    pub fn new(limit: Option<Limit>) -> Self {
        let resident = Resident::of_process().unwrap_or_default();
        Self {
            limit,
            now: AtomicU64::new(resident.now),
            mark: Mutex::new(HighMark::since(resident)),
            is_warned: AtomicBool::new(false),
            is_exceeded: AtomicBool::new(false),
            gate: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// The limit in force.
    #[must_use]
    pub const fn limit(&self) -> Option<Limit> {
        self.limit
    }

    /// The most that the process held since the watch began, bytes; none where the kernel does not tell.
    #[must_use]
    pub fn high(&self) -> Option<u64> {
        let mut mark = self.mark.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(resident) = Resident::of_process() {
            mark.saw(resident);
        }
        mark.bytes()
    }

    /// Takes a look of the watching thread into account. True when the process is to be stopped because of it.
    pub(super) fn saw(&self, resident: Resident, at: Instant) -> bool {
        self.now.store(resident.now, Ordering::Relaxed);
        self.mark.lock().unwrap_or_else(PoisonError::into_inner).saw(resident);
        let Some(limit) = self.limit else { return false };
        let pressure = self.pressure();
        if pressure >= Pressure::Tight && !self.is_warned.swap(true, Ordering::Relaxed) {
            let (now, most) = (resident.now / MIB, limit.bytes / MIB);
            log::warn!("{now} MiB of memory are in use, more than 80 % of the limit of {most} MiB ({})", limit.from);
        }
        let mut gate = self.gate();
        if pressure < Pressure::Over {
            gate.over_since = None;
            return false;
        }
        let since = *gate.over_since.get_or_insert(at);
        let most = if gate.in_work > 1 { OVER_MAX_OF_MANY } else { OVER_MAX };
        let is_exceeded = at.saturating_duration_since(since) >= most;
        is_exceeded && !self.is_exceeded.swap(true, Ordering::SeqCst)
    }

    /// How near the limit is, by the last look.
    #[must_use]
    pub fn pressure(&self) -> Pressure {
        let Some(limit) = self.limit else { return Pressure::None };
        let now = u128::from(self.now.load(Ordering::Relaxed)) * 100;
        let limit = u128::from(limit.bytes);
        match now {
            now if now > limit * 100 => Pressure::Over,
            now if now > limit * 90 => Pressure::Full,
            now if now > limit * 80 => Pressure::Tight,
            _ => Pressure::None,
        }
    }

    /// So many bytes, or a sixteenth of them while memory is tight: for buffers that can go to a file instead.
    #[must_use]
    pub fn buffer(&self, bytes: usize) -> usize {
        if self.pressure() >= Pressure::Tight { bytes / 16 } else { bytes }
    }

    /// # Errors
    /// [`Kind::Memory`] when the process stayed above the limit although hardly anything was in work.
    pub fn check(&self) -> Result<()> {
        if !self.is_exceeded.load(Ordering::Relaxed) {
            return Ok(());
        }
        let limit = self.limit.map_or((0, "none"), |limit| (limit.bytes / MIB, limit.from));
        let text =
            format!("more memory is in use than the limit of {} MiB ({}) allows, with hardly anything in work", limit.0, limit.1);
        Err(Error::new(Kind::Memory, text))
    }

    /// Waits until a job may begin: at once below 90 % of the limit, else when no other is in work. Since the last one is always
    /// let in, the wait ends with the jobs in work.
    ///
    /// # Errors
    /// [`Kind::Stopped`] when the run is stopping; as [`Memory::check`].
    pub fn admit(&self, cancel: &Cancel) -> Result<Permit<'_>> {
        let mut gate = self.gate();
        while gate.in_work > 0 && self.pressure() >= Pressure::Full {
            cancel.check()?;
            gate = self.changed.wait_timeout(gate, LOOK_EVERY).unwrap_or_else(PoisonError::into_inner).0;
        }
        self.check()?;
        gate.in_work += 1;
        Ok(Permit(self))
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new(None)
    }
}

/// A job in work.
#[derive(Debug)]
pub struct Permit<'a>(&'a Memory);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.gate().in_work -= 1;
        self.0.changed.notify_all();
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

    #[test]
    fn the_lowest_limit_of_the_group_and_those_above_counts() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("a.slice/b.service/memory.max", "max\n");
        assert_eq!(cgroup(dir.path(), "0::/a.slice/b.service\n"), None);
        write("a.slice/memory.max", "268435456\n");
        assert_eq!(cgroup(dir.path(), "0::/a.slice/b.service\n"), Some(256 * MIB));
        write("memory/docker/x/memory.limit_in_bytes", "134217728\n");
        write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(cgroup(dir.path(), "4:cpu:/\n3:hugetlb,memory:/docker/x\n"), Some(128 * MIB));
        assert_eq!(cgroup(dir.path(), "3:memory:/elsewhere\n"), None, "the root of version 1 says 2^63 for none");
        // A container that sees the machine's path and its own mount.
        write("memory.max", "1048576\n");
        assert_eq!(cgroup(dir.path(), "0::/system.slice/docker-1.scope\n"), Some(MIB));
        assert_eq!(cgroup(dir.path(), ""), None);
    }

    #[test]
    fn the_lower_limit_is_in_force() {
        assert_eq!(Limit::lower(0, None), None);
        assert_eq!(Limit::lower(5, None).unwrap().from, "memory_limit_mb");
        assert_eq!(Limit::lower(5, Some(4)), Some(Limit { bytes: 4, from: "cgroup" }));
        assert_eq!(Limit::lower(3, Some(4)).unwrap().bytes, 3);
        assert_eq!(Limit::lower(0, Some(4)).unwrap().bytes, 4);
    }

    fn of(limit: u64) -> Memory {
        Memory::new(Some(Limit { bytes: limit, from: "memory_limit_mb" }))
    }

    fn holds(bytes: u64) -> Resident {
        Resident { now: bytes, high: bytes }
    }

    #[test]
    fn the_high_mark_of_a_phase_leaves_out_what_was_before_it() {
        let mut mark = HighMark::since(Resident { now: 10, high: 50 });
        mark.saw(Resident { now: 30, high: 50 });
        mark.saw(Resident { now: 20, high: 50 });
        assert_eq!(mark.bytes(), Some(30));
        // Larger than ever: the kernel's mark knows it to the byte, between two looks, too.
        mark.saw(Resident { now: 20, high: 90 });
        assert_eq!(mark.bytes(), Some(90));
    }

    #[test]
    fn above_ninety_percent_one_job_is_in_work_and_the_others_wait_for_it() {
        let (memory, cancel) = (of(1000), Cancel::new());
        for (now, pressure) in [
            (800, Pressure::None),
            (801, Pressure::Tight),
            (900, Pressure::Tight),
            (901, Pressure::Full),
            (1000, Pressure::Full),
            (1001, Pressure::Over),
        ] {
            assert!(!memory.saw(holds(now), Instant::now()));
            assert_eq!(memory.pressure(), pressure, "{now}");
        }
        memory.saw(holds(950), Instant::now());
        assert_eq!(memory.buffer(1600), 100);
        let first = memory.admit(&cancel).unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| memory.admit(&cancel).map(|_| Instant::now()));
            std::thread::sleep(Duration::from_millis(20));
            let freed = Instant::now();
            assert!(!second.is_finished(), "a second job began in full memory");
            drop(first);
            assert!(second.join().unwrap().unwrap() >= freed);
        });
        let _first = memory.admit(&cancel).unwrap();
        memory.saw(holds(700), Instant::now());
        let _second = memory.admit(&cancel).unwrap();
        memory.saw(holds(950), Instant::now());
        cancel.ask(0);
        assert_eq!(memory.admit(&cancel).unwrap_err().kind(), Kind::Stopped);
    }

    #[test]
    fn the_limit_may_be_passed_for_a_while_and_then_ends_the_run_once() {
        let (memory, cancel, start) = (of(1000), Cancel::new(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(!memory.saw(holds(1001), start));
        assert!(!memory.saw(holds(1001), after(4)));
        assert!(!memory.saw(holds(1000), after(5)), "it fell below again");
        assert!(!memory.saw(holds(1001), after(6)));
        memory.check().unwrap();
        assert!(memory.saw(holds(1001), after(11)));
        assert!(!memory.saw(holds(1001), after(12)), "told once");
        let error = memory.admit(&cancel).unwrap_err();
        assert!(error.kind() == Kind::Memory && error.what_to_do().contains("memory_limit_mb"), "{error}");

        let memory = of(1000);
        memory.saw(holds(500), start);
        let _jobs = [memory.admit(&cancel).unwrap(), memory.admit(&cancel).unwrap()];
        assert!(!memory.saw(holds(1001), start) && !memory.saw(holds(1001), after(29)));
        assert!(memory.saw(holds(1001), after(30)));
    }
}
