//! Builds what tables have beside their rows, when a run is asked to: after the data, in parallel, each statement by
//! itself. A definition that cannot be built is told and fails nothing.

use crate::cancel::Cancel;
use crate::catalog::definitions::{self, Statement, Target, Translated, Wanted, What};
use crate::catalog::{SourceTable, names};
use crate::config::{Config, Deletes, Indexes};
use crate::conn::mysql::MysqlConn;
use crate::conn::watchdog::Watchdog;
use crate::error::{Error, Kind, Result};
use crate::name::TableName;
use crate::report::DefinitionReport;
use crate::sink::postgres::PostgresSink;
use crate::sink::postgres::definitions::Released;
use crate::track::RunIdentity;
use crate::usage;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

/// What the settings ask for.
#[must_use]
pub fn wanted(config: &Config) -> Wanted {
    let settings = &config.settings;
    Wanted {
        unique_indexes: settings.indexes != Indexes::None,
        other_indexes: settings.indexes == Indexes::All,
        foreign_keys: settings.foreign_keys,
        sequences: settings.sequences,
        defaults: settings.defaults,
    }
}

/// The definitions of a run, read and translated before data moves.
#[derive(Debug, Default)]
pub struct Definitions {
    translated: Translated,
    released: Vec<Released>,
}

impl Definitions {
    /// Reads what is wanted of the given tables, and takes foreign keys of ours away that would stand in the way.
    ///
    /// # Errors
    /// The classified error of a server.
    pub fn prepare(
        config: &Config,
        source: &mut MysqlConn,
        tables: &[(SourceTable, TableName)],
        sink: &mut PostgresSink,
        run: &RunIdentity,
        existing: bool,
    ) -> Result<Self> {
        let wanted = wanted(config);
        let translated = if wanted.any() {
            let found = definitions::read(source, &config.source.database, wanted)?;
            let marks = |table: &SourceTable| config.tables.rule(&table.name.table).deletes == Deletes::Mark;
            let target = |(source, target)| Target { source, target, marks: marks(source) };
            let targets: Vec<Target<'_>> = tables.iter().map(|(source, place)| target((source, place))).collect();
            definitions::translate(&found, &targets, wanted)
        } else {
            Translated::default()
        };
        // Also when foreign keys are not wanted any more: those of earlier runs would still stand in the way.
        let names: Vec<TableName> = tables.iter().map(|(_, target)| target.clone()).collect();
        let released = if existing { sink.release_foreign_keys(run, &names)? } else { Vec::new() };
        Ok(Self { translated, released })
    }

    /// Builds what the target does not have; indexes first, because foreign keys rest on them.
    pub fn build(&self, config: &Config, run: &RunIdentity, watchdog: &Watchdog, cancel: &Cancel) -> Vec<DefinitionReport> {
        let _call = usage::DEFINITIONS.enter(usage::Shape::NONE);
        let mut out: Vec<DefinitionReport> = self
            .translated
            .impossible
            .iter()
            .map(|one| DefinitionReport {
                table: one.table.clone(),
                kind: one.what.word(),
                name: one.name.clone(),
                status: "not_possible",
                reason: Some(one.why.clone()),
            })
            .collect();
        let impossible = |name: &str| {
            let keys = self.translated.impossible.iter().filter(|one| one.what == What::ForeignKey);
            keys.map(|key| names::table(&key.name)).any(|key| key == name)
        };
        let put_back: Vec<Statement> = self.released.iter().filter(|one| !impossible(&one.name)).map(again).collect();
        let of = |what: What| self.translated.statements.iter().filter(move |one| one.what == what).cloned();
        let builder = Builder { config, run, watchdog, cancel };
        let rest = of(What::Sequence).chain(of(What::Default)).collect();
        out.extend(builder.all(&of(What::Index).collect::<Vec<_>>()));
        // What was there and is there again is nothing to tell.
        out.extend(builder.all(&put_back).into_iter().filter(|one| one.status == "failed"));
        for batch in [of(What::ForeignKey).collect::<Vec<_>>(), rest] {
            out.extend(builder.all(&batch));
        }
        out
    }
}

/// A foreign key that was there before the run: its name tells whether it is there already.
fn again(released: &Released) -> Statement {
    Statement {
        table: String::new(),
        what: What::ForeignKey,
        name: released.name.clone(),
        exists: "SELECT 1 WHERE false".into(),
        sql: released.sql.clone(),
        refresh: None,
    }
}

struct Builder<'a> {
    config: &'a Config,
    run: &'a RunIdentity,
    watchdog: &'a Watchdog,
    cancel: &'a Cancel,
}

impl Builder<'_> {
    fn all(&self, statements: &[Statement]) -> Vec<DefinitionReport> {
        if statements.is_empty() {
            return Vec::new();
        }
        // Foreign keys lock both of their tables, so several at once would wait for each other.
        let is_key = statements.iter().any(|one| one.what == What::ForeignKey);
        let workers = if is_key { 1 } else { self.config.settings.parallel };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(workers).build();
        let sink = || PostgresSink::new(&self.config.warehouse, &self.run.run_id, self.watchdog);
        let told = |statement: &Statement, sink: &mut PostgresSink| report(statement, self.one(statement, sink));
        match pool {
            Ok(pool) => pool.install(|| statements.par_iter().map_init(sink, |sink, statement| told(statement, sink)).collect()),
            Err(error) => {
                log::warn!("starting the threads for definitions: {error}; they are built one after the other");
                let mut sink = sink();
                statements.iter().map(|statement| told(statement, &mut sink)).collect()
            }
        }
    }

    /// True when it was built, false when it was there.
    fn one(&self, statement: &Statement, sink: &mut PostgresSink) -> Result<bool> {
        if self.cancel.is_stopping() {
            return Err(Error::new(Kind::Stopped, "the run was asked to stop"));
        }
        let doing = format!("building {} {} of table {}", statement.what.word(), statement.name, statement.table);
        let there = sink.holds(&statement.exists, &doing)?;
        match (there, &statement.refresh) {
            (false, _) => sink.define(self.run, &statement.sql, &doing)?,
            (true, Some(refresh)) => sink.define(self.run, refresh, &doing)?,
            (true, None) => {}
        }
        Ok(!there)
    }
}

fn report(statement: &Statement, done: Result<bool>) -> DefinitionReport {
    let (status, reason) = match done {
        Ok(true) => ("built", None),
        Ok(false) => ("existing", None),
        Err(error) => ("failed", Some(error.to_string())),
    };
    DefinitionReport { table: statement.table.clone(), kind: statement.what.word(), name: statement.name.clone(), status, reason }
}
