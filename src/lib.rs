//! Copies a MySQL or MariaDB database into PostgreSQL and proves that both sides hold the same rows.
//!
//! The modules stand on floors; one imports only from lower floors (ARCHITECTURE.md, checked by `tests/it/tidy.rs`).

#![forbid(unsafe_code)]

pub mod error; // 0: the one error type and its policy table
pub mod name; // 2: identifiers and their quoting
pub mod value; // 2: cells and neutral column types

pub mod config; // 3: files < environment < flags
