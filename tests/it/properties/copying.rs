//! Batches of generated values through COPY, and what PostgreSQL says of them.

use crate::servers::{Servers, cell};
use etl_sync::config::{Policies, Policy};
use etl_sync::encode::{EncodeError, Fate, Format, NullToken, RowWriter, Target};
use etl_sync::name::quote_postgres;
use etl_sync::value::{Cell, ColumnType, Fault};
use mysql::Value;
use proptest::strategy::{BoxedStrategy, Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::io::Write;

/// A value as a source gives it, and what must become of it.
#[derive(Debug, Clone)]
pub struct Sample {
    pub value: Value,
    pub expect: Expect,
}

/// What must become of a value.
#[derive(Debug, Clone)]
pub enum Expect {
    /// PostgreSQL, asked the question of the kind, answers this.
    Answer(String),
    /// It is what PostgreSQL makes of this text, handed to it as a parameter; a fault when PostgreSQL refuses that.
    Json(String),
    /// It has no place in the type.
    Fault(Fault),
    /// PostgreSQL refuses it, for a NUL or for something else.
    Refused,
}

impl Expect {
    /// Whether it must be refused with this fault.
    fn is(&self, found: Fault) -> bool {
        match self {
            Self::Fault(fault) => *fault == found,
            Self::Refused => matches!(found, Fault::Nul | Fault::OutOfRange),
            Self::Answer(_) | Self::Json(_) => false,
        }
    }

    pub fn is_faulty(&self) -> bool {
        matches!(self, Self::Fault(_) | Self::Refused)
    }
}

impl Sample {
    pub fn new(value: Value, expect: Result<String, Fault>) -> Self {
        Self { value, expect: expect.map_or_else(Expect::Fault, Expect::Answer) }
    }
}

/// A type, its values, and the question that PostgreSQL is asked about column `c`.
#[derive(Debug, Clone)]
pub struct Kind {
    pub ty: ColumnType,
    pub ask: &'static str,
    pub samples: BoxedStrategy<Sample>,
    /// One of so many that share the number of values.
    pub share: usize,
}

impl Kind {
    pub fn new(ty: ColumnType, ask: &'static str, samples: impl Strategy<Value = Sample> + 'static) -> Self {
        Self { ty, ask, samples: samples.boxed(), share: 1 }
    }

    pub fn sharing(self, share: usize) -> Self {
        Self { share, ..self }
    }
}

/// What became of the rows of a COPY: the answers, row by row and column by column, and the fates.
pub struct Copied {
    pub fates: Vec<Fate>,
    pub answers: Vec<Vec<Option<String>>>,
    /// Cells that became NULL by policy.
    pub nulled: u64,
}

pub struct Campaign {
    pub servers: Servers,
    runner: TestRunner,
    values: u64,
}

/// PostgreSQL's own answer for documents; NULL for what it refuses. Texts come as bytes, so that nothing else decides.
const AS_JSON: &str = "CREATE FUNCTION {schema}.as_json(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN RETURN t::jsonb::text; EXCEPTION WHEN data_exception OR program_limit_exceeded THEN RETURN NULL; END $$";

/// Every fault follows one policy.
fn policies(policy: Policy) -> Policies {
    Policies { zero_dates: policy, nul_bytes: policy, invalid_utf8: policy, out_of_range: policy, ..Policies::default() }
}

impl Campaign {
    pub fn start(mut servers: Servers, seed: u64) -> Self {
        servers.warehouse.batch_execute(&AS_JSON.replace("{schema}", &servers.name)).unwrap();
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
        Self { servers, runner, values: 0 }
    }

    pub fn values(&self) -> u64 {
        self.values
    }

    pub fn add(&mut self, cells: usize) {
        self.values += u64::try_from(cells).unwrap();
    }

    /// Some values of a kind.
    pub fn samples(&mut self, kind: &Kind, count: usize) -> Vec<Sample> {
        let trees = self.trees(kind, count);
        self.resolved(trees.iter().map(|tree| tree.current()).collect())
    }

    fn trees(&mut self, kind: &Kind, count: usize) -> Vec<Box<dyn ValueTree<Value = Sample>>> {
        (0..count).map(|_| kind.samples.new_tree(&mut self.runner).unwrap()).collect()
    }

    /// Asks PostgreSQL where it has to be asked.
    fn resolved(&mut self, mut samples: Vec<Sample>) -> Vec<Sample> {
        let is_json = |sample: &Sample| matches!(sample.expect, Expect::Json(_));
        if !samples.iter().any(is_json) {
            return samples;
        }
        let texts: Vec<&str> =
            samples.iter().filter_map(|s| if let Expect::Json(text) = &s.expect { Some(text.as_str()) } else { None }).collect();
        let sql =
            format!("SELECT {}.as_json(t) FROM unnest($1::text[]) WITH ORDINALITY AS u(t, n) ORDER BY n", self.servers.name);
        let found = self.servers.warehouse.query(&sql, &[&texts]).unwrap();
        for (sample, row) in samples.iter_mut().filter(|sample| is_json(sample)).zip(&found) {
            sample.expect = row.get::<_, Option<String>>(0).map_or(Expect::Refused, Expect::Answer);
        }
        samples
    }

    /// Copies values of a kind in every way. One that is wrong is simplified and shown.
    pub fn check(&mut self, kind: &Kind, count: usize) {
        let mut trees = self.trees(kind, count);
        let samples = self.resolved(trees.iter().map(|tree| tree.current()).collect());
        self.add(samples.len());
        let Err(whole) = self.try_all(kind, &samples) else { return };
        for (tree, sample) in trees.iter_mut().zip(&samples) {
            if let Err(alone) = self.try_all(kind, std::slice::from_ref(sample)) {
                let (sample, why) = self.simplified(kind, tree.as_mut(), (sample.clone(), alone));
                panic!("{}: {why}\n{sample:?}", kind.ty);
            }
        }
        panic!("{}: every value is right alone, together they are not: {whole}", kind.ty);
    }

    fn simplified(
        &mut self,
        kind: &Kind,
        tree: &mut dyn ValueTree<Value = Sample>,
        mut worst: (Sample, String),
    ) -> (Sample, String) {
        let mut going = tree.simplify();
        for _ in 0..300 {
            if !going {
                break;
            }
            let sample = self.resolved(vec![tree.current()]).remove(0);
            going = match self.try_all(kind, std::slice::from_ref(&sample)) {
                Err(why) => {
                    worst = (sample, why);
                    tree.simplify()
                }
                Ok(()) => tree.complicate(),
            };
        }
        worst
    }

    /// csv alone in its row, csv beside another column, binary; each with faults rejected and with faults as NULL.
    fn try_all(&mut self, kind: &Kind, samples: &[Sample]) -> Result<(), String> {
        for (word, format, copies) in [
            ("csv", Format::Csv(NullToken::random()), 1),
            ("csv twice", Format::Csv(NullToken::random()), 2),
            ("binary", Format::Binary, 1),
        ] {
            for policy in [Policy::Reject, Policy::Null] {
                let kinds = vec![kind; copies];
                let rows: Vec<Vec<Cell<'_>>> = samples.iter().map(|sample| vec![cell(&sample.value); copies]).collect();
                let expects: Vec<Vec<Option<&Expect>>> = samples.iter().map(|s| vec![Some(&s.expect); copies]).collect();
                let copied = self.copy(&kinds, &rows, &format, policy);
                copied
                    .and_then(|copied| compare(&expects, &copied, policy))
                    .map_err(|why| format!("{word}, policy {policy}: {why}"))?;
            }
        }
        Ok(())
    }

    /// Rows through one COPY, and the answers of every column.
    pub fn copy(&mut self, kinds: &[&Kind], rows: &[Vec<Cell<'_>>], format: &Format, policy: Policy) -> Result<Copied, String> {
        let target = format!("{}.t", self.servers.name);
        let names: Vec<String> = (0..kinds.len()).map(|n| format!("c {n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let quoted: Vec<String> = names.iter().map(|name| quote_postgres(name)).collect();
        let columns: Vec<String> = quoted.iter().zip(kinds).map(|(name, kind)| format!("{name} {}, ", kind.ty)).collect();
        let client = &mut self.servers.warehouse;
        let create = format!("DROP TABLE IF EXISTS {target}; CREATE UNLOGGED TABLE {target} ({}n bigserial)", columns.concat());
        client.batch_execute(&create).map_err(|error| format!("{create}: {error:?}"))?;
        let targets = kinds.iter().map(|kind| Target { policies: policies(policy), ..Target::new(kind.ty, false) }).collect();
        let sql = format!("COPY {target} ({}) FROM STDIN {}", quoted.join(", "), format.copy_options(&names));
        let (fates, nulled, bytes) = encode(format, targets, rows).map_err(|error| error.to_string())?;
        let mut sink = client.copy_in(sql.as_str()).map_err(|error| format!("{sql}: {error:?}"))?;
        sink.write_all(&bytes).map_err(|error| error.to_string())?;
        let count = sink.finish().map_err(|error| format!("PostgreSQL refused the COPY: {error:?}"))?;
        let written = fates.iter().filter(|fate| **fate == Fate::Written).count();
        if count != u64::try_from(written).unwrap() {
            return Err(format!("{written} rows written, PostgreSQL counts {count}"));
        }
        let asks = quoted.iter().zip(kinds).map(|(name, kind)| format!("({})::text", kind.ask.replace("{c}", name)));
        let select = format!("SELECT {} FROM {target} ORDER BY n", asks.collect::<Vec<_>>().join(", "));
        let found = client.query(select.as_str(), &[]).map_err(|error| format!("{select}: {error:?}"))?;
        let answers = found.iter().map(|row| (0..kinds.len()).map(|at| row.get(at)).collect()).collect();
        Ok(Copied { fates, answers, nulled })
    }
}

/// The bytes of a whole COPY, what became of each row, and how many cells a policy made NULL.
fn encode(format: &Format, targets: Vec<Target>, rows: &[Vec<Cell<'_>>]) -> Result<(Vec<Fate>, u64, Vec<u8>), EncodeError> {
    let mut writer = RowWriter::new(format, targets, format.prologue().to_vec());
    let fates = rows.iter().map(|row| writer.row(row)).collect::<Result<_, _>>()?;
    writer.flush()?;
    let mut bytes = writer.sink().clone();
    bytes.extend_from_slice(format.epilogue());
    Ok((fates, writer.tally().iter().map(|(_, _, _, count)| count).sum(), bytes))
}

/// Whether the rows arrived as they must; no expectation stands for NULL.
pub fn compare(expects: &[Vec<Option<&Expect>>], copied: &Copied, policy: Policy) -> Result<(), String> {
    let faulty = |expect: &Option<&Expect>| expect.is_some_and(Expect::is_faulty);
    let (mut answers, mut nulled) = (copied.answers.iter(), 0);
    for (number, (row, fate)) in expects.iter().zip(&copied.fates).enumerate() {
        let first = row.iter().position(faulty).filter(|_| policy == Policy::Reject);
        let right = match (first, *fate) {
            (None, Fate::Written) => true,
            (Some(first), Fate::Rejected { column, fault }) => column == first && row[column].is_some_and(|e| e.is(fault)),
            _ => false,
        };
        if !right {
            return Err(format!("row {number}: {fate:?}, first fault expected in column {first:?}"));
        }
        if first.is_some() {
            continue;
        }
        let Some(found) = answers.next() else { return Err(format!("row {number} is missing")) };
        nulled += u64::try_from(row.iter().filter(|expect| faulty(expect)).count()).unwrap();
        let expected: Vec<Option<&str>> =
            row.iter().map(|expect| if let Some(Expect::Answer(text)) = expect { Some(text.as_str()) } else { None }).collect();
        if found.iter().map(Option::as_deref).ne(expected.iter().copied()) {
            return Err(format!("row {number}:\n   found {found:?}\nexpected {expected:?}"));
        }
    }
    if nulled != copied.nulled {
        return Err(format!("{} cells counted as nulled, expected {nulled}", copied.nulled));
    }
    answers.next().map_or(Ok(()), |row| Err(format!("a row too many: {row:?}")))
}
