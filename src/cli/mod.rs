//! The command line: arguments become typed commands, results become text or JSON and an exit code.
//!
//! The only place that prints, catches signals or ends the process. It decides nothing about data.

mod args; // names, help texts, ranges
mod around; // what stands around a run, for machines
mod check_data; // what is around `check --data`
mod checked; // options that would be ignored
mod discover; // what is around `discover`
mod logging; // logs on standard error
mod methods; // which methods runs call
mod notify; // what scripts around runs have to tell
mod output; // the only place that prints
mod page; // what is around `report`
mod progress; // bar or log lines
mod record; // the result of a run, written once
mod run; // what is around a sync
mod runs; // the run log
mod settings; // flags to configuration
mod signals; // first drains, second aborts
mod since; // --since
mod status; // `status`, once or again and again
mod transform; // what is around `transform` and `dbt`
mod until; // --until
mod usage; // a wrong command line or configuration
mod verify; // what is around `verify` and `audit`

use crate::app;
use crate::app::sync::Hops;
use crate::config::Config;
use crate::conn::watchdog::Watchdog;
use crate::error::{Doing, Error, Kind, Result};
use crate::report::methods::store::Counting;
use crate::report::{self, ErrorReport, Failure};
use args::{CheckArgs, Cli, Command, Global, PlanArgs, RepairArgs, RunArgs, SchemaFile, TrackingCommand, WorkArgs};
use clap::{CommandFactory, FromArgMatches};
use indicatif::MultiProgress;
use output::Output;
use std::path::Path;
use std::process::ExitCode;

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    // An argument that is not UTF-8 is clap's to refuse; here it only must not be lost as a place.
    let args: Vec<String> = std::env::args_os().map(|arg| arg.into_string().unwrap_or_default()).collect();
    let parsed = Cli::command()
        .color(usage::color(&args))
        .try_get_matches()
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .and_then(Cli::checked);
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return refused(&args, &error),
    };
    let bars = logging::start(&cli.global);
    let output = Output { json: cli.global.json, chain: cli.global.verbose > 0 };
    let global = cli.global;
    let code = match cli.command.unwrap_or_else(|| Command::Run(RunArgs::default())) {
        Command::Run(run) if run.dry_run => plan(&global, &run.work.what, output),
        Command::Run(run) => sync(&global, Hops::All, (&run.work, false), output, &bars),
        Command::Replicate(run) => sync(&global, Hops::Replicate, (&run, false), output, &bars),
        Command::Load(run) => sync(&global, Hops::Load, (&run, false), output, &bars),
        Command::Plan(args) => plan(&global, &args, output),
        Command::Discover(args) => discover::discover(&global, args, output),
        Command::Ddl(args) => with_config(&global, output, |config, _| {
            let report = app::ddl::ddl(config, &args.tables)?;
            output.document(&report, || report::ddl::text(&report));
            Ok(report.exit_code)
        }),
        Command::Check(args) => check(&global, &args, output),
        Command::Runs(args) => runs::runs(&global, args, output),
        Command::Status(args) => status::status(&global, &args, output),
        Command::Report(args) => page::page(&global, &args, output),
        Command::Verify(args) => verify::verify(&global, &args, output),
        Command::Audit(args) => verify::audit(&global, &args.tables, output),
        Command::Why(args) => with_config(&global, output, |config, watchdog| {
            let asked = app::why::Asked { table: &args.table, key: &args.key, values: args.values };
            let report = app::why::why(config, asked, watchdog)?;
            output.document(&report, || report::why::text(&report));
            Ok(report.exit_code)
        }),
        Command::Repair(args) if args.dry_run => verify::differences(&global, &args.tables, output),
        Command::Repair(args) => {
            let RepairArgs { tables, accept_deletes, until, around, .. } = args;
            let what = PlanArgs { tables, ..PlanArgs::default() };
            let work = WorkArgs { what, accept_deletes, until, around, ..WorkArgs::default() };
            sync(&global, Hops::All, (&work, true), output, &bars)
        }
        Command::Notify(args) => notify::notify(&global, &args, output),
        Command::Tracking { command: TrackingCommand::Init } => with_config(&global, output, |config, watchdog| {
            let report = app::tracking::init(config, watchdog)?;
            output.document(&report, || report::tracking::text(&report));
            Ok(0)
        }),
        Command::Methods(args) => methods::methods(&global, &args, output),
        Command::Transform(args) => transform::transform(&global, args, output),
        Command::Dbt { command } => transform::dbt(&global, &command, output),
        Command::Schema { file } => schema(file),
        Command::Completions { shell } => completions(shell),
        Command::Man { dir } => man(&dir, output),
    };
    ExitCode::from(code)
}

/// Help and version go to standard output and are no error; everything else is usage.
fn refused(args: &[String], error: &clap::Error) -> ExitCode {
    if error.print().is_err() {
        log::trace!("standard error is closed");
    }
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    usage::record_refusal(args, error);
    ExitCode::from(2)
}

fn sync(global: &Global, hops: Hops, args: (&WorkArgs, bool), output: Output, bars: &MultiProgress) -> u8 {
    match settings::load(global) {
        Ok(config) => run::run(&config, hops, args, global, output, bars),
        Err(error) => {
            usage::record_problems((global, &args.0.around), output, &error);
            error.kind().policy().exit
        }
    }
}

fn plan(global: &Global, args: &PlanArgs, output: Output) -> u8 {
    let options = args.options();
    with_config(global, output, |config, watchdog| {
        // It touches nothing, method usage included.
        crate::usage::set_level(crate::usage::Level::Off);
        let report = app::preview::preview(config, &options, watchdog)?;
        output.document(&report, || report::plan::text(&report));
        Ok(report.exit_code)
    })
}

fn check(global: &Global, args: &CheckArgs, output: Output) -> u8 {
    if args.data {
        return check_data::check(global, &args.tables, output);
    }
    with_config(global, output, |config, watchdog| {
        if args.in_window
            && let Err(error) = around::AroundArgs::default().closes(config)
        {
            failed(output, &error);
            return Ok(run::STOPPED);
        }
        let report = app::check::check(config, watchdog);
        output.document(&report, || report::check::text(&report));
        Ok(report.exit_code)
    })
}

/// A command that reads and answers: its waits are bounded, and its error is the document.
fn with_config(global: &Global, output: Output, work: impl FnOnce(&Config, &Watchdog) -> Result<u8>) -> u8 {
    let worked = settings::load(global).and_then(|config| {
        let watchdog = Watchdog::new();
        let give_up = move |what: &str, length: std::time::Duration| {
            let error = Error::new(Kind::Timeout, format!("no answer for {} s: {what}", length.as_secs()));
            std::process::exit(failed(output, &error).into());
        };
        drop(watchdog.start(give_up)?);
        let counting = Counting::begin(&config.method_usage, &uuid::Uuid::now_v7().to_string());
        let code = work(&config, &watchdog);
        watchdog.stop();
        counting.keep();
        code
    });
    worked.unwrap_or_else(|error| failed(output, &error))
}

fn failed(output: Output, error: &Error) -> u8 {
    let code = error.kind().policy().exit;
    if output.json {
        output.document(&Failure::new(error, code), String::new);
    }
    output.error(&ErrorReport::from(error));
    code
}

fn schema(file: SchemaFile) -> u8 {
    output::raw(&match file {
        SchemaFile::Pipeline => crate::config::schema::pipeline(),
        SchemaFile::Tables => crate::config::schema::tables(),
        SchemaFile::Config => crate::config::schema::config(),
        SchemaFile::Result => report::schema::result(),
    });
    0
}

fn completions(shell: clap_complete::Shell) -> u8 {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "etl-sync", &mut out);
    match String::from_utf8(out) {
        Ok(text) => {
            output::raw(&text);
            0
        }
        Err(_) => Kind::Internal.policy().exit,
    }
}

fn man(dir: &Path, output: Output) -> u8 {
    let doing = || format!("writing the man pages to {}", dir.display());
    let written = std::fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(Cli::command(), dir));
    match written.doing(Kind::File, doing) {
        Ok(()) => 0,
        Err(error) => failed(output, &error),
    }
}
