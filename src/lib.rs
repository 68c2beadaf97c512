//! Copies a MySQL or MariaDB database into PostgreSQL and proves that both sides hold the same rows.
//!
//! The modules stand on floors; one imports only from lower floors (ARCHITECTURE.md, checked by `tests/it/tidy.rs`).

#![forbid(unsafe_code)]

pub mod error; // 0: the one error type and its policy table

pub mod cancel; // 1: running, draining, aborting
pub mod files; // 1: files of our own, written whole or not at all
pub mod name; // 1: identifiers and their quoting
pub mod usage; // 1: which methods are called

pub mod key; // 2: key values and half-open ranges
pub mod retry; // 2: backoff
pub mod value; // 2: cells and neutral column types

pub mod config; // 3: files < environment < flags

pub mod conn; // 4: pinned connections of both servers

pub mod catalog; // 5: what exists: tables, columns, keys, type rules, DDL
pub mod track; // 5: what happened: lock, state, ledger, status tables

pub mod context; // 6: the run's shared services
pub mod plan; // 6: pure decisions

pub mod encode; // 7: rows to COPY bytes

pub mod sink; // 8: where rows go
pub mod source; // 8: where rows come from

pub mod pipeline; // 9: worker pool, chunk job, finish
pub mod transform; // 9: dbt or SQL files after the load
pub mod verify; // 9: read-only comparison

pub mod report; // 11: a run as text and JSON

pub mod app; // 12: the commands, each from top to bottom

pub mod cli; // 13: clap arguments to typed commands; the only place that prints
