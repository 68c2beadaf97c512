//! `notify`: what a script around runs has to tell, such as a `check` or a `verify` that failed, in the way of a run's end.

use super::args::{Global, NotifyArgs};
use super::output::Output;
use super::with_config;
use crate::app::notify;
use crate::error::{Error, Kind};
use crate::report::{ErrorReport, RunReport, now};

/// Tells it and returns the exit code: that of the telling.
pub fn notify(global: &Global, args: &NotifyArgs, output: Output) -> u8 {
    with_config(global, output, |config, _| {
        let mut report = RunReport::empty(uuid::Uuid::now_v7().to_string());
        report.exit_code = args.exit_code;
        report.status = if args.exit_code == 0 { "success".into() } else { "failed".into() };
        report.ended_at = now();
        (report.source, report.warehouse) = (config.source.to_string(), config.warehouse.to_string());
        report.schema.clone_from(&config.warehouse_schema);
        report.error = (args.exit_code != 0).then(|| ErrorReport::from(&Error::new(Kind::Stopped, args.why.as_str())));
        match notify::ended(&config.outlets, &report, false).first() {
            None => Ok(0),
            Some(why) => Err(Error::new(Kind::Unreachable, why.as_str())),
        }
    })
}
