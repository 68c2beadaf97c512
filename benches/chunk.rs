//! One chunk between real servers, in three steps: reading alone, reading and encoding, and all the way into COPY.
//!
//! Takes the biggest table of the database in ETL_SYNC_SOURCE_URL and writes staging tables into the `etl_sync` schema of
//! ETL_SYNC_WAREHOUSE_URL, which it drops again. Without these addresses it says so and measures nothing.
#![allow(clippy::print_stderr)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use etl_sync::app::increments::Since;
use etl_sync::app::planning::{self, Inputs};
use etl_sync::cancel::Cancel;
use etl_sync::catalog;
use etl_sync::catalog::ddl::is_not_null;
use etl_sync::config::{self, Config, CopyFormat, Environment, Overrides, Verify};
use etl_sync::conn::mysql::MysqlConn;
use etl_sync::conn::watchdog::Watchdog;
use etl_sync::context::Context;
use etl_sync::encode::{Format, RowWriter, Target};
use etl_sync::error::{Error, Kind, Result};
use etl_sync::pipeline::chunk::{Worker, copy_chunk};
use etl_sync::pipeline::table::TableWork;
use etl_sync::pipeline::{Destination, Limits, Services};
use etl_sync::plan::chunks::ChunkGoal;
use etl_sync::plan::{Slice, TablePlan};
use etl_sync::retry::Retries;
use etl_sync::sink::postgres::{PostgresSink, leftovers};
use etl_sync::sink::{Load, Sink};
use etl_sync::source::Source;
use etl_sync::source::boundaries;
use etl_sync::source::guard::{Guard, Hold};
use etl_sync::source::mysql::MysqlSource;
use etl_sync::track::lock::{Claim, RunLock};
use etl_sync::track::writer::Tracker;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Large enough to be limited by rows and not by round trips, small enough for many repetitions.
const ROWS_PER_CHUNK: u64 = 20_000;

/// A target schema, and so a job, that no configuration of a person names.
const JOB: &str = "etl_sync_bench_chunk";

fn config() -> Result<Config> {
    let overrides = Overrides { warehouse_schema: Some(JOB.into()), ..Overrides::default() };
    config::load(&overrides, &Environment::of_process()).map_err(|problems| Error::new(Kind::Config, problems.to_string()))
}

fn chunk(c: &mut Criterion) {
    if ["ETL_SYNC_SOURCE_URL", "ETL_SYNC_WAREHOUSE_URL"].iter().any(|name| std::env::var_os(name).is_none()) {
        eprintln!("chunk: left out, because ETL_SYNC_SOURCE_URL and ETL_SYNC_WAREHOUSE_URL are not set");
        return;
    }
    if let Err(error) = measure(c) {
        eprintln!("chunk: {error}");
        std::process::exit(1);
    }
}

fn measure(c: &mut Criterion) -> Result<()> {
    let (config, cancel, watchdog) = (config()?, Cancel::new(), Watchdog::new());
    let context = Context::unique();
    let mut conn = MysqlConn::connect(&config.source)?;
    let plan = biggest_table(&config, &mut conn)?;
    conn.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", "opening the snapshot")?;
    let mut source = MysqlSource::new(conn, None);

    let run_id = uuid::Uuid::now_v7().to_string();
    let claim = Claim {
        schema: JOB,
        run_id: &run_id,
        source_identity: "bench",
        accept_new_source: true,
        resume_within: Duration::ZERO,
        resume: false,
    };
    let (lock, _) = RunLock::acquire(&config.warehouse, &watchdog, &claim, &cancel)?;
    let (tracker, _events) = Tracker::channel();
    let services = Services {
        source: &config.source,
        destination: Destination::Warehouse(&config.warehouse),
        run: lock.identity(),
        source_identity: "bench",
        ahead: 0,
        context: &context,
        cancel: &cancel,
        watchdog: &watchdog,
        tracker: &tracker,
        progress: &context.progress,
        throttle: None,
        limits: Limits {
            workers: 1,
            retries: Retries { count: 0, wait: Duration::ZERO },
            snapshot_lock_wait: Duration::from_secs(1),
            server_down_wait: Duration::ZERO,
            spool_bytes: planning::spool_bytes(&config),
            copy_format: CopyFormat::Binary,
            rejected_rows_max: 0,
            quarantine_raw: false,
            row_bytes_max: 64 << 20,
            transaction_wait: Duration::ZERO,
            verify: Verify::Counts,
            digests: true,
            deletes_percent_max: 100,
        },
    };
    let result = steps(c, &config, &services, &plan, &mut source);
    result.and(lock.release("success"))
}

/// The plan of the biggest table, cut into chunks of one size.
fn biggest_table(config: &Config, conn: &mut MysqlConn) -> Result<TablePlan> {
    let catalog = catalog::mysql::read(&mut conn.conn, &config.source.database)?;
    let inputs = Inputs {
        audit: etl_sync::app::audit::Wanted {
            audit: etl_sync::config::Audit::Off,
            is_repair: false,
            distrusted: &BTreeMap::new(),
        },
        config,
        catalog,
        targets: &BTreeMap::new(),
        tables: &[],
        category: None,
        states: &BTreeMap::new(),
        resumes: None,
        since: Since { now: 0, ahead: 0, zone: 0, source_identity: "bench", full: true },
        copies: None,
        look: None,
        left: &BTreeMap::new(),
    };
    let mut tables = planning::plan(conn, inputs)?.tables;
    tables.sort_by_key(|table| table.source.bytes_estimated);
    let Some(mut table) = tables.pop() else { return Err(Error::new(Kind::Config, "the source has no table to copy")) };
    let goal = ChunkGoal { rows: table.source.rows_estimated, rows_per_chunk: ROWS_PER_CHUNK };
    table.chunks = boundaries::ranges(conn, &table, goal)?;
    Ok(table)
}

fn steps(c: &mut Criterion, config: &Config, services: &Services<'_>, plan: &TablePlan, source: &mut MysqlSource) -> Result<()> {
    let Some(range) = plan.chunks.first() else { return Err(Error::new(Kind::Internal, "a plan without chunks")) };
    let range = &Slice::Range(range.clone());
    let rows = source.read(plan, range, &mut |_| Ok(()))?;
    let mut sink = PostgresSink::new(&config.warehouse, &services.run.run_id, services.watchdog);
    let mut failed = None;
    let mut group = c.benchmark_group(format!("chunk of {}, {} columns", plan.name(), plan.source.columns.len()));
    group.sample_size(20).throughput(Throughput::Elements(rows));
    let id = |step| BenchmarkId::new(step, rows);
    group.bench_function(id("read"), |b| {
        b.iter_custom(|count| timed(count, &mut failed, || spent(|| source.read(plan, range, &mut |_| Ok(())))));
    });
    group.bench_function(id("read, encode"), |b| {
        b.iter_custom(|count| timed(count, &mut failed, || spent(|| encoded(plan, source))));
    });
    group.bench_function(id("read, encode, COPY"), |b| {
        b.iter_custom(|count| timed(count, &mut failed, || copied(services, plan, source, &mut sink)));
    });
    group.finish();
    failed.map_or(Ok(()), Err)
}

/// The sum of `count` times; after an error nothing is run any more.
fn timed(count: u64, failed: &mut Option<Error>, mut once: impl FnMut() -> Result<Duration>) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..count {
        if failed.is_some() {
            break;
        }
        match once() {
            Ok(spent) => total += spent,
            Err(error) => *failed = Some(error),
        }
    }
    // The measurer divides by what it gets.
    total.max(Duration::from_nanos(1))
}

fn spent<T>(work: impl FnOnce() -> Result<T>) -> Result<Duration> {
    let begin = Instant::now();
    work().map(|_| begin.elapsed())
}

fn encoded(plan: &TablePlan, source: &mut MysqlSource) -> Result<u64> {
    let Some(range) = plan.chunks.first() else { return Ok(0) };
    let nothing = BTreeSet::new();
    let columns = plan.source.columns.iter().enumerate().map(|(i, c)| Target::of(c, is_not_null(i, c, &nothing))).collect();
    let mut out = RowWriter::new(&Format::Binary, columns, io::sink());
    source.read(plan, &Slice::Range(range.clone()), &mut |row| Ok(out.row(row.cells).map(drop)?))
}

/// The job as a worker does it; the staging table is made before and dropped after, outside the measured time.
fn copied(services: &Services<'_>, plan: &TablePlan, source: &mut MysqlSource, sink: &mut PostgresSink) -> Result<Duration> {
    let load = Load {
        plan,
        existing: None,
        run: services.run,
        round: 0,
        staging: leftovers::staging_name(services.run, 0, 0),
        snapshot: "shared",
        position: None,
        source_identity: services.source_identity,
        fingerprint: plan.fingerprint(),
        clock: None,
        traces: None,
        deletes_percent_max: 100,
        nullable: Mutex::default(),
        is_taken_over: AtomicBool::new(false),
    };
    sink.prepare(&load)?;
    let table = TableWork::new(load, Hold::new(Guard::connect(services.source, services.watchdog)?), 0);
    let time = spent(|| copy_chunk(services, &table, 0, &mut Worker { source, sink, throttled: false }))?;
    sink.discard(&table.load, false)?;
    Ok(time)
}

criterion_group!(benches, chunk);
criterion_main!(benches);
