//! Counters as numbers, and what lies between two looks at them.

use super::{METHODS, Shape};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

/// What was spent on calls of one shape.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Calls.
    pub calls: u64,
    /// Calls that returned an error or panicked.
    pub failures: u64,
    /// Their time together, nanoseconds.
    pub nanos: u64,
    /// The longest, nanoseconds.
    pub nanos_max: u64,
    /// Rows they were about, where that is told.
    pub rows: u64,
}

/// What was counted of a method.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// First call, microseconds since 1970; 0 without calls.
    pub first: u64,
    /// Last call, microseconds since 1970; 0 without calls.
    pub last: u64,
    /// Threads that called it, at most 64.
    pub threads: u32,
    /// By shape; shapes without calls are left out.
    pub shapes: BTreeMap<Shape, Spent>,
}

impl Counts {
    /// Of all shapes.
    #[must_use]
    pub fn total(&self) -> Spent {
        self.shapes.values().fold(Spent::default(), |sum, one| Spent {
            calls: sum.calls + one.calls,
            failures: sum.failures + one.failures,
            nanos: sum.nanos.saturating_add(one.nanos),
            nanos_max: sum.nanos_max.max(one.nanos_max),
            rows: sum.rows + one.rows,
        })
    }
}

/// All counters at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// By id; every registered method is there.
    pub methods: BTreeMap<&'static str, Counts>,
}

impl Snapshot {
    /// The counters as they are.
    #[must_use]
    pub fn now() -> Self {
        let methods = METHODS.iter().map(|method| {
            let shapes = Shape::all().zip(&method.cells).filter(|(_, cells)| cells.calls.load(Relaxed) > 0);
            let shapes = shapes.map(|(shape, cells)| {
                let spent = Spent {
                    calls: cells.calls.load(Relaxed),
                    failures: cells.failures.load(Relaxed),
                    nanos: cells.nanos.load(Relaxed),
                    nanos_max: cells.nanos_max.load(Relaxed),
                    rows: cells.rows.load(Relaxed),
                };
                (shape, spent)
            });
            let counts = Counts {
                first: method.first.load(Relaxed),
                last: method.last.load(Relaxed),
                threads: method.threads.load(Relaxed).count_ones(),
                shapes: shapes.collect(),
            };
            (method.id, counts)
        });
        Self { methods: methods.collect() }
    }

    /// The counters before a run. What cannot be subtracted begins anew: first and last seen, threads, longest time. Runs of one
    /// process that overlap count each other's calls.
    #[must_use]
    pub fn begin() -> Self {
        for method in METHODS {
            method.first.store(0, Relaxed);
            method.last.store(0, Relaxed);
            method.threads.store(0, Relaxed);
            method.cells.iter().for_each(|cells| cells.nanos_max.store(0, Relaxed));
        }
        Self::now()
    }

    /// What was counted since `before`, by id; methods without calls are left out.
    #[must_use]
    pub fn since(&self, before: &Self) -> BTreeMap<&'static str, Counts> {
        let mut out = BTreeMap::new();
        for (id, now) in &self.methods {
            let old = before.methods.get(id);
            let shapes = now.shapes.iter().map(|(shape, now)| {
                let old = old.and_then(|old| old.shapes.get(shape)).copied().unwrap_or_default();
                let spent = Spent {
                    calls: now.calls.saturating_sub(old.calls),
                    failures: now.failures.saturating_sub(old.failures),
                    nanos: now.nanos.saturating_sub(old.nanos),
                    nanos_max: now.nanos_max,
                    rows: now.rows.saturating_sub(old.rows),
                };
                (*shape, spent)
            });
            let shapes: BTreeMap<_, _> = shapes.filter(|(_, spent)| spent.calls > 0).collect();
            if !shapes.is_empty() {
                out.insert(*id, Counts { shapes, ..*now });
            }
        }
        out
    }
}
