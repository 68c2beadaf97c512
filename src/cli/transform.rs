//! `transform` and `dbt`: signals and deadlines around them, their documents, their exit code.

use super::args::{DbtCommand, Global, TransformArgs, WorkArgs};
use super::output::Output;
use super::{failed, settings, signals, with_config};
use crate::app;
use crate::app::transform::{After, Asked};
use crate::cancel::Cancel;
use crate::report;

impl WorkArgs {
    /// What is transformed after the load.
    #[must_use]
    pub const fn after(&self) -> After {
        match (self.transform_all, self.transform) {
            (true, _) => After::All,
            (false, true) => After::Changed,
            (false, false) => After::Nothing,
        }
    }
}

/// Transforms what was loaded.
pub fn transform(global: &Global, args: TransformArgs, output: Output) -> u8 {
    let asked = match args.changed {
        Some(tables) if tables.is_empty() => Asked::LastRun,
        Some(tables) => Asked::Tables(tables),
        None => Asked::All,
    };
    with_config(global, output, |config, watchdog| {
        let cancel = Cancel::new();
        let give_up = move |error: &_, _| {
            failed(output, error);
        };
        signals::watch((&cancel, watchdog), signals::GRACE, "the transformation is ended", give_up)?;
        let document = app::transform::transform(config, &asked, &cancel, watchdog)?;
        output.document(&document, || report::transform::text(&document));
        Ok(document.exit_code)
    })
}

/// Writes files for a dbt project.
pub fn dbt(global: &Global, command: &DbtCommand, output: Output) -> u8 {
    let written = |report: &report::transform::WrittenReport| output.document(report, || report.shown());
    match command {
        DbtCommand::Sources { out } => with_config(global, output, |config, watchdog| {
            written(&app::transform::sources(config, out.as_deref(), watchdog)?);
            Ok(0)
        }),
        // It needs no server.
        DbtCommand::Models { out } => match settings::load(global).and_then(|config| app::transform::models(&config, out)) {
            Ok(report) => {
                written(&report);
                0
            }
            Err(error) => failed(output, &error),
        },
    }
}
