//! A pipeline of one's own: from a JSON export file into a CSV file, with resume after a kill.
//!
//! ```text
//! cargo run --example own_pipeline                         # a sample is made first
//! cargo run --example own_pipeline -- export.jsonl out.csv # one JSON object per line
//! ```
//!
//! Kill it and start it again: it goes on, and every row is in the file exactly once. With `OWN_PIPELINE_SLOW_MS` it waits so many
//! milliseconds after each chunk, so that there is time to kill it.

#![allow(clippy::print_stdout, clippy::print_stderr)] // an example talks to whoever runs it

use etl_sync::context::Context;
use etl_sync::context::checkpoint::{Checkpoints, fingerprint};
use etl_sync::context::pipeline::{Chunk, Extractor, Loader, Options, Pipeline, Transformer};
use etl_sync::error::{Doing, Error, Kind, Result};
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Rows of the sample.
const SAMPLE_ROWS: u32 = 20_000;

/// Reads an export, one JSON object per line. Its position is a place in the file.
struct Export {
    path: PathBuf,
    lines: Option<BufReader<File>>,
    at: u64,
}

impl Extractor for Export {
    type Item = String;

    fn begin(&mut self, position: Option<&Value>) -> Result<()> {
        let doing = || format!("opening {}", self.path.display());
        let mut file = File::open(&self.path).doing(Kind::File, doing)?;
        self.at = position.and_then(Value::as_u64).unwrap_or(0);
        file.seek(SeekFrom::Start(self.at)).doing(Kind::File, doing)?;
        self.lines = Some(BufReader::new(file));
        Ok(())
    }

    fn extract(&mut self, most: usize) -> Result<Option<Chunk<String>>> {
        let Some(lines) = &mut self.lines else { return Ok(None) };
        let mut items = Vec::with_capacity(most);
        while items.len() < most {
            let mut line = String::new();
            let bytes = lines.read_line(&mut line).doing(Kind::File, || format!("reading {}", self.path.display()))?;
            if bytes == 0 {
                break;
            }
            self.at += bytes as u64;
            items.push(line);
        }
        Ok((!items.is_empty()).then(|| Chunk { items, position: json!(self.at) }))
    }
}

/// A patient's line of the CSV file. Those without a name are left out.
struct Patient;

impl Transformer for Patient {
    type In = String;
    type Out = [String; 3];

    fn transform(&self, line: String) -> Result<Option<[String; 3]>> {
        // The error says what was wrong and never repeats the line.
        let row: Value = serde_json::from_str(&line).map_err(|_| Error::new(Kind::Data, "a line that is no JSON object"))?;
        let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
        let id = row.get("id").and_then(Value::as_u64).ok_or_else(|| Error::new(Kind::Data, "a row without an id"))?;
        let name = text("name");
        Ok((!name.is_empty()).then(|| [id.to_string(), name.to_uppercase(), text("city")]))
    }
}

/// Writes the CSV file. Its mark is the length of what is safely in it.
struct CsvFile {
    path: PathBuf,
    file: Option<File>,
    wait: Duration,
}

impl Loader for CsvFile {
    type Item = [String; 3];

    fn begin(&mut self, mark: Option<&Value>) -> Result<()> {
        let doing = || format!("opening {}", self.path.display());
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(&self.path).doing(Kind::File, doing)?;
        // What is beyond the mark was not committed, and comes again.
        file.set_len(mark.and_then(Value::as_u64).unwrap_or(0)).doing(Kind::File, doing)?;
        file.seek(SeekFrom::End(0)).doing(Kind::File, doing)?;
        self.file = Some(file);
        Ok(())
    }

    fn load(&mut self, rows: Vec<[String; 3]>) -> Result<()> {
        let doing = || format!("writing {}", self.path.display());
        let mut block = csv::Writer::from_writer(Vec::new());
        for row in rows {
            block.write_record(&row).doing(Kind::File, doing)?;
        }
        let block = block.into_inner().map_err(|error| error.into_error()).doing(Kind::File, doing)?;
        let file = self.file.as_mut().ok_or_else(|| Error::new(Kind::Internal, "the file is not open"))?;
        file.write_all(&block).doing(Kind::File, doing)
    }

    fn commit(&mut self) -> Result<Value> {
        let doing = || format!("writing {}", self.path.display());
        let file = self.file.as_mut().ok_or_else(|| Error::new(Kind::Internal, "the file is not open"))?;
        file.sync_data().doing(Kind::File, doing)?;
        std::thread::sleep(self.wait);
        Ok(json!(file.stream_position().doing(Kind::File, doing)?))
    }
}

/// A small export, for whoever has none at hand. Every hundredth patient has no name.
fn write_sample(path: &Path) -> Result<()> {
    let row = |id: u32| {
        let name = if id.is_multiple_of(100) { String::new() } else { format!("Patient {id}") };
        let city = if id.is_multiple_of(2) { "Aarhus" } else { "Córdoba" };
        json!({ "id": id, "name": name, "city": city }).to_string() + "\n"
    };
    let text: String = (1..=SAMPLE_ROWS).map(row).collect();
    std::fs::write(path, text).doing(Kind::File, || format!("writing {}", path.display()))
}

fn run() -> Result<bool> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let export = arguments.next().unwrap_or_else(|| "own_pipeline.jsonl".into());
    let out = arguments.next().unwrap_or_else(|| export.with_extension("csv"));
    if !export.exists() {
        write_sample(&export)?;
    }
    let wait = std::env::var("OWN_PIPELINE_SLOW_MS").ok().and_then(|text| text.parse().ok()).unwrap_or(0);

    // A checkpoint counts for these two files only, and for a day.
    let of = fingerprint([export.as_os_str().as_encoded_bytes(), out.as_os_str().as_encoded_bytes()]);
    let checkpoints = Checkpoints::at(out.with_extension("checkpoint.json"), of, Duration::from_secs(24 * 3600));
    let context = Arc::new(Context::unique().with_memory_limit(256 << 20).with_checkpoints(checkpoints));

    let extractor = Export { path: export, lines: None, at: 0 };
    let loader = CsvFile { path: out, file: None, wait: Duration::from_millis(wait) };
    let handle = Pipeline::new(extractor, Patient, loader, Options::default()).spawn(&context)?;
    while !handle.is_finished() {
        std::thread::sleep(Duration::from_millis(20));
        eprint!("\r{} rows", handle.progress().rows);
    }
    let summary = handle.join();
    eprintln!("\r{} rows in {:.1} s, resumed: {}", summary.rows, summary.seconds, summary.resumed);
    for phase in &summary.phases {
        println!("{:<10} {:<10} {:>8} rows", phase.name, format!("{:?}", phase.state).to_lowercase(), phase.rows);
    }
    if let Some(error) = &summary.error {
        eprintln!("{}: {}\n  → {}", error.phase, error.what, error.hint);
    }
    Ok(summary.success)
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}\n  → {}", error.what_to_do());
            ExitCode::FAILURE
        }
    }
}
