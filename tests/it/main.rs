//! One integration binary.

mod catalog;
mod servers;
mod types;
