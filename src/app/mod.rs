//! The commands, each told from top to bottom. They return data; printing is the command line's.

mod asking; // one question per table, asked by several connections
pub mod audit; // which tables are compared by content, and how much of them
pub mod capacity; // connections a run needs against what the servers give
pub mod check; // connections, TLS, sessions, privileges, limits
pub mod check_data; // the values that a run would not take as they are
mod check_source; // the MySQL side of it
mod check_warehouse; // the PostgreSQL side of it
pub mod ddl; // the target's DDL and the rules behind it
pub mod definitions; // indexes, foreign keys, defaults and sequences, when asked for
pub mod discover; // incremental columns of the live source, into tables.yml
pub mod grants; // MySQL's SHOW GRANTS as data
pub mod increments; // from a stored watermark to the rows that a run reads
pub mod memory; // what a run is expected to hold, against what it may
pub mod methods; // questions to what was counted of the program's methods
pub mod notify; // others are told of a run: ping, webhook, file of metrics
mod phases; // the phases of a run, and how they end
pub mod planning; // from two catalogs and the configuration to a plan
pub mod preview; // what a run would do
mod replicate; // the first hop of a run through a replica
mod results; // what became of tables, as the report tells it
mod row_key; // the key of one row, in the SQL of either server
mod run_log; // how a run ends in the run log
pub mod runs; // the run log for people
pub mod space; // disk space of a warehouse on this machine
pub mod status; // what the last runs left
pub mod sync; // the main job: a run from start to end
mod telling; // columns for people: types, rules, policies, names
pub mod traces; // what both sides show without a table being read
pub mod tracking; // records of the status tables, without a load
pub mod transform; // the step after the load
mod typing; // types and policies of columns
pub mod unfinished; // the context of a run, and what an unfinished one has left
pub mod verify; // whether both sides hold the same rows
pub mod why; // one row on both sides, column by column
