//! Who holds the run lock, and whether that is alive: of the lock itself and the heartbeat of the run that took it.

use super::plan::length;
use super::status::LastRun;
use serde::Serialize;

/// A run renews its heartbeat every 5 s; after three that are missing it hangs, or its machine does.
const STALE_AFTER_S: f64 = 15.0;

/// The run lock.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunLock {
    /// `free`; `alive`; `stale`: held, but the last heartbeat is more than 15 s old; `other`: held by a command that is no run
    /// (`tracking init`), for moments.
    pub state: &'static str,
    /// The run that holds it.
    pub run_id: Option<String>,
    /// Where it works.
    pub host: Option<String>,
    /// Process id there.
    pub pid: Option<i32>,
    /// RFC 3339, UTC.
    pub since: Option<String>,
    /// Since its last heartbeat.
    pub heartbeat_age_seconds: Option<f64>,
}

impl RunLock {
    /// Of the last run; nobody ever held it where there was none.
    #[must_use]
    pub fn of(last: Option<&LastRun>) -> Self {
        let nobody = |state| Self { state, run_id: None, host: None, pid: None, since: None, heartbeat_age_seconds: None };
        let Some(run) = last.filter(|run| run.lock_held) else { return nobody("free") };
        if run.ended_at.is_some() {
            return nobody("other");
        }
        Self {
            state: if run.heartbeat_age_seconds > STALE_AFTER_S { "stale" } else { "alive" },
            run_id: Some(run.run_id.clone()),
            host: Some(run.host.clone()),
            pid: Some(run.pid),
            since: Some(run.started_at.clone()),
            heartbeat_age_seconds: Some(run.heartbeat_age_seconds),
        }
    }

    /// One line.
    #[must_use]
    pub fn text(&self) -> String {
        let host = self.host.as_deref().filter(|host| !host.is_empty()).unwrap_or("an unnamed host");
        let age = length(self.heartbeat_age_seconds.unwrap_or_default());
        let held = format!(
            "held by run {}, process {} on {host}, since {}, last heartbeat {age} ago",
            self.run_id.as_deref().unwrap_or_default(),
            self.pid.unwrap_or_default(),
            self.since.as_deref().unwrap_or_default()
        );
        match self.state {
            "free" => "free".into(),
            "other" => "held for a moment by a command that is no run".into(),
            "alive" => format!("{held}: alive"),
            _ => format!("{held}: stale, it hangs or its machine does; once its sessions are ended the next run takes over"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heartbeat_tells_who_is_alive() {
        let run = |lock_held, ended: bool, age| LastRun {
            run_id: "r".into(),
            state: "running".into(),
            started_at: "2026-11-22T01:00:00Z".into(),
            ended_at: ended.then(|| "2026-11-22T02:00:00Z".into()),
            lock_held,
            host: "db1".into(),
            pid: 7,
            heartbeat_age_seconds: age,
            source: String::new(),
        };
        for (last, state, words) in [
            (None, "free", "free"),
            (Some(run(false, false, 900.0)), "free", "free"),
            (Some(run(true, true, 900.0)), "other", "no run"),
            (Some(run(true, false, 4.0)), "alive", "process 7 on db1, since 2026-11-22T01:00:00Z"),
            (Some(run(true, false, 15.5)), "stale", "takes over"),
        ] {
            let lock = RunLock::of(last.as_ref());
            assert_eq!(lock.state, state, "{last:?}");
            assert!(lock.text().contains(words), "{}", lock.text());
            assert_eq!(lock.pid.is_some(), matches!(state, "alive" | "stale"));
        }
    }
}
