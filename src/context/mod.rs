//! The run's shared services. For now: progress and memory.

pub mod memory; // what the process holds
pub mod progress; // counters that everybody may read while the run goes on
pub mod timeline; // what each worker did and when
