//! The integration tests in one binary: the program against real servers, and the rules of the source tree.
//!
//! `scripts/test.sh` starts the servers and runs them. Each test has its own databases, so tests run side by side.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, clippy::print_stdout)]

mod attempts; // the history of attempts, and the alarm that is made of it
mod audit; // drift that no count shows
mod bad_input; // what people and servers do wrong, one test each
mod browser; // a headless Chromium, for page
mod cases; // every folder of tests/cases
mod catalog; // the catalog reader against real servers
mod changes; // tables that change while they are read
mod check_data; // what `check --data` counts is what a run does
mod checkpoints; // phases and memory in the result, and a kill in each phase
mod clocks; // watermarks against clocks and zones
mod content; // both sides by content
mod crash; // kills under a live application
mod dbt; // the step after the load with dbt itself, over a small project
mod ddl; // `ddl` is what a first load makes
mod definitions; // what cannot be built is listed
mod differential; // the same rows in two ways
mod discover; // incremental columns into tables.yml
mod drift; // columns and tables that change between runs
mod evidence; // tables that are left out because nothing moved
mod faults; // servers that stall and die, a program that is killed
mod fuzz; // mutated inputs for every parser, and what is written and read back
mod hazards; // known hazards of watermarks, one test each
mod hosts; // the servers of the environment, and a private set that may be killed
mod increments; // loads by watermark, and what the counts find beyond it
mod interrupted; // kill -9 at every step, lost connections, readers meanwhile
mod large; // one row of two million
mod listener; // who is told of runs
mod loaded_at; // the time when a row was written
mod machines; // the published result, the last line, metrics, pings, the window, the lock in status
mod memory; // rows of 60 MB under a limit, and what happens above it
mod methods; // which methods runs call, and what is kept of it
mod nightly; // the batch script
mod notes; // lines for the closing summary
mod own_pipeline; // the library example, killed and gone on with
mod page; // the HTML report in a browser, and what `status` tells of lag
mod program; // the program as a process
mod properties; // generated values through both formats, asked back in another form
mod quoting; // any name on both servers
mod random; // numbers from a seed
mod replica; // the hop in between: what it holds, what it hands over, what it refuses
mod reuse; // chunks of an interrupted run that are kept
mod rights; // roles with the least rights, and who may see what
mod run_log; // the run log of the engine
mod run_tracker; // the run tracker of the library
mod sandbox; // a test's own databases and folder
mod scenarios; // the list of known faults, each with its test
mod servers; // both sides of a test of one module
mod source_text; // Rust source with comments or strings blanked out, for tidy
mod stale; // rows that vanished below the watermark, by every strategy
mod stopping; // signals and deadlines: clean within 10 s, whatever a run waits for
mod stranger; // a listener in a server's place, for tls
mod strategies; // the marks of each strategy
mod tables_file; // a tables.yml of the original form
mod throttle; // a busy source goes first
mod tidy; // the rules of the source tree
mod tls; // certificates, plain servers, and every kind of password
mod tracking; // records of the status tables, and that they decide nothing
mod transform; // the step after the load, with a program in dbt's place
mod turns; // tables compared part by part, and what takes a column's trust away
mod types; // every value case, by value and through COPY
mod unchanged; // what a night without changes costs the warehouse
mod verify; // `verify` and `audit` find what was changed by hand, and nothing else
mod why; // one row on both sides, by any key
mod writer; // the live application
mod year; // nights of a living database, equal after each
