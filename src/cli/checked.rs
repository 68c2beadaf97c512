//! Options that the command line takes and that would have no effect with the others are refused.

use super::args::{Cli, Command, Depth, RepairArgs, RunArgs, VerifyArgs, WorkArgs};
use crate::app::transform::After;
use crate::config::Verify;
use clap::CommandFactory;
use clap::error::ErrorKind;

impl Cli {
    /// Refuses options that would be ignored.
    ///
    /// # Errors
    /// Which option, and what it wants or where it belongs.
    pub fn checked(self) -> Result<Self, clap::Error> {
        let ignored = match &self.command {
            Some(Command::Verify(args)) => misplaced(args),
            Some(Command::Run(RunArgs { work, dry_run: true })) if work.after() != After::Nothing => {
                Some("--transform means nothing with --dry-run, which writes nothing".to_owned())
            }
            Some(Command::Run(RunArgs { work: WorkArgs { until, accept_deletes, around, .. }, dry_run: true }))
            | Some(Command::Repair(RepairArgs { until, accept_deletes, around, dry_run: true, .. })) => first([
                ("--until", until.is_some()),
                ("--accept-deletes", *accept_deletes),
                ("--window", around.window.is_some()),
                ("--json-line", around.json_line.is_some()),
                ("--metrics-file", around.metrics_file.is_some()),
            ])
            .map(|option| format!("{option} means nothing with --dry-run, which writes nothing")),
            Some(Command::Replicate(args)) => without_warehouse(args),
            _ => None,
        };
        match ignored {
            Some(text) => Err(Self::command().error(ErrorKind::ArgumentConflict, text)),
            None => Ok(self),
        }
    }
}

fn first<const N: usize>(asked: [(&'static str, bool); N]) -> Option<&'static str> {
    asked.into_iter().find(|(_, is_there)| *is_there).map(|(name, _)| name)
}

/// The first option that means nothing at this depth, and the depth it is for.
fn misplaced(args: &VerifyArgs) -> Option<String> {
    let asked = [
        ("--side", args.side.is_some(), Depth::Ledger, "ledger"),
        ("--sample", args.sample.is_some(), Depth::Rows, "rows"),
        ("--since", args.since.is_some(), Depth::Rows, "rows"),
        ("--rows", args.rows.is_some(), Depth::Rows, "rows"),
        ("--values", args.values, Depth::Rows, "rows"),
    ];
    let is_misplaced = |(_, is_there, depth, _): &(_, bool, Depth, _)| *is_there && args.depth != *depth;
    asked.into_iter().find(is_misplaced).map(|(name, _, _, depth)| format!("{name} needs --depth {depth}"))
}

/// The first hop counts both sides, and neither compares by content nor leaves tables out on evidence.
fn without_warehouse(args: &WorkArgs) -> Option<String> {
    let option = first([
        ("--audit", args.what.audit.is_some()),
        ("--verify evidence", args.what.verify == Some(Verify::Evidence)),
        ("--transform", args.after() != After::Nothing),
    ])?;
    Some(format!("{option} is for loads into the warehouse, and `replicate` is none; `run` and `load` take it"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::Parser;

    fn parsed(args: &str) -> Result<(), String> {
        Cli::try_parse_from(args.split(' ')).and_then(Cli::checked).map(drop).map_err(|e| e.to_string())
    }

    #[test]
    fn options_of_another_depth_are_refused() {
        for (args, depth) in [
            ("--rows 5", "rows"),
            ("--values", "rows"),
            ("--since 7d", "rows"),
            ("--depth ledger --since 2026-11-01", "rows"),
            ("--sample 10", "rows"),
            ("--depth ledger --sample 10", "rows"),
            ("--side source", "ledger"),
            ("--depth rows --side both", "ledger"),
        ] {
            let error = parsed(&format!("etl-sync verify {args}")).unwrap_err();
            assert!(error.contains(&format!("needs --depth {depth}")), "{args}: {error}");
        }
        for args in ["", " --depth rows --rows 0 --sample 1 --values", " --depth ledger --side source", " --tables t"] {
            assert_eq!(parsed(&format!("etl-sync verify{args}")), Ok(()), "{args}");
        }
        assert!(parsed("etl-sync verify --depth rows --rows 10001").is_err());
    }

    #[test]
    fn options_without_effect_are_refused() {
        for (args, words) in [
            ("run --dry-run --until 05:00", "--until means nothing with --dry-run"),
            ("run --accept-deletes --dry-run", "--accept-deletes means nothing with --dry-run"),
            ("run --dry-run --window 21:00-06:00", "--window means nothing with --dry-run"),
            ("repair --dry-run --json-line x", "--json-line means nothing with --dry-run"),
            ("repair --dry-run --until 2h", "--until means nothing with --dry-run"),
            ("repair --dry-run --accept-deletes", "--accept-deletes means nothing with --dry-run"),
            ("run --dry-run --transform", "--transform means nothing with --dry-run"),
            ("replicate --transform-all", "--transform is for loads into the warehouse"),
            ("replicate --audit all", "--audit is for loads into the warehouse"),
            ("replicate --verify evidence", "--verify evidence is for loads into the warehouse"),
        ] {
            let error = parsed(&format!("etl-sync {args}")).unwrap_err();
            assert!(error.contains(words), "{args}: {error}");
        }
        for args in [
            "run --dry-run --category tiny --audit off --verify evidence --full",
            "run --until 2h --accept-deletes --transform",
            "repair --until 2h --accept-deletes",
            "repair --dry-run --tables t",
            "replicate --verify off --until 2h --accept-deletes",
            "load --audit all --verify evidence",
            "plan --category large --audit 1/7",
        ] {
            assert_eq!(parsed(&format!("etl-sync {args}")), Ok(()), "{args}");
        }
    }
}
