//! Connections to both servers: connect, pin the session, read it back. Every connection of the program comes from here.

pub mod classify; // server error codes → kinds; the only place that knows them
pub mod ending; // statements are ended from outside when a run has to stop
pub mod http; // one request to who wants to hear of a run
mod login; // the log-in at source and replica
pub mod mysql; // source and replica
pub mod postgres; // warehouse
pub mod sessions; // who is connected to the source, and what they wait for
pub mod tls; // rustls set-up shared by both drivers
pub mod watchdog; // deadlines of waits that the postgres driver cannot bound
