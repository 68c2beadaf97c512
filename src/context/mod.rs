//! The run's shared services. For now: progress.

pub mod progress; // counters that everybody may read while the run goes on
