//! What is fed, each through a public function: files and variables through `config::load`, the rest directly.

use etl_sync::app::grants;
use etl_sync::catalog::{cast, convert};
use etl_sync::config::{self, Config, Environment, Overrides, Problems};
use etl_sync::encode::{EncodeError, Fate, Format, NullToken, RowWriter, Target as Column, show, spelled};
use etl_sync::transform::{lineage::Lineage, results, split};
use etl_sync::usage::{Document, METHODS, Record, Run, Unreadable};
use etl_sync::value::{Cell, ColumnType, DateTime, Time};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// What takes inputs, one after the other.
pub type Feed = Box<dyn FnMut(&[u8])>;

/// One parser.
pub struct Target {
    /// Folder of its corpus.
    pub name: &'static str,
    /// Pieces of its grammar.
    pub words: &'static [&'static str],
    pub make: fn() -> Feed,
}

pub const ALL: &[Target] = &[
    Target {
        name: "pipeline",
        words: &[
            "connections:",
            "general:",
            "policies:",
            "url:",
            "source:",
            "&a ",
            "*a",
            "<<: *a",
            "!tag",
            "? ",
            "|\n  ",
            "${HOME:-",
            "$${",
            "---\n",
        ],
        make: || file_of_load("config/pipeline.yml"),
    },
    Target {
        name: "tables",
        words: &[
            "tables:",
            "include:",
            "columns:",
            "column_rules:",
            "to:",
            "\"*\"",
            "{a,b}",
            "[!a-z]",
            "[z-a]",
            "**",
            "<<: *a",
            "chunk_rows:",
            "key:",
        ],
        make: || file_of_load("config/tables.yml"),
    },
    Target {
        name: "dotenv",
        words: &["export ", "ETL_SYNC_PARALLEL=", "$HOME", "\\$", "#"],
        make: || file_of_load("config/.env"),
    },
    Target {
        name: "mycnf",
        words: &["[client]", "password=", "!include", "\\s", ";", "port="],
        make: || file_of_load("home/.my.cnf"),
    },
    Target { name: "pgpass", words: &["*:", "\\:", "localhost", "5432", "#"], make: || file_of_load("home/.pgpass") },
    Target {
        name: "url",
        words: &[
            "mysql://",
            "postgresql://",
            "@",
            "%2F",
            "%",
            "?",
            "&",
            "=",
            "[::1]",
            "sslmode=",
            "host=",
            "xn--",
            "\u{ad}",
            "\u{3002}",
        ],
        make: url,
    },
    Target {
        name: "types",
        words: &["unsigned", "zerofill", "varchar", "(", ")", "(10,2)", "4294967296", "enum", "\u{130}"],
        make: type_names,
    },
    Target { name: "grants", words: &["GRANT ", " ON ", " TO ", " WITH ", "PROXY", "FUNCTION ", "`", "*.*"], make: grant_lines },
    Target { name: "cells", words: &["\\u0000", "\\ud83d", "-", ".", "e", "::", "\\x"], make: cells },
    Target {
        name: "spelled",
        words: &["\\x", "+00", "T", "-", ".", ":", "e", "NaN", "inf", "urn:uuid:", "::", "true", "0000-00-00"],
        make: keys,
    },
    Target {
        name: "usage",
        words: &["\"runs\":", "[{", "}]", "18446744073709551615", "-1", "null", "\"run_id\":"],
        make: documents,
    },
    Target {
        name: "dbt",
        words: &[
            "\"status\": ",
            "\"results\": [",
            "v6.json",
            "\"depends_on\"",
            "null",
            "{",
            "]",
            "model.p.",
            "2026-11-22T04:00:00Z",
        ],
        make: dbt_documents,
    },
    Target {
        name: "sql",
        words: &["'", "$$", "$a$", "--", "/*", "*/", ";", "\"", "E'\\", "begin atomic ", "create function ", "case ", "end", "("],
        make: sql_texts,
    },
];

/// A folder for the files of `config::load`, removed at the end.
pub struct Around {
    folder: tempfile::TempDir,
    /// The environment of a person with both URLs set.
    pub env: Environment,
}

impl Around {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for sub in ["config", "home", "cwd"] {
            std::fs::create_dir(folder.path().join(sub)).unwrap();
        }
        let mut env = Environment {
            home: Some(folder.path().join("home")),
            cwd: folder.path().join("cwd"),
            cores: 2,
            ..Environment::default()
        };
        for (name, value) in [("ETL_SYNC_SOURCE_URL", "mysql://u@h/d"), ("ETL_SYNC_WAREHOUSE_URL", "postgresql://u@h/d")] {
            env.vars.insert(name.into(), value.into());
        }
        Self { folder, env }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file that its owner alone can read.
    pub fn write(&self, name: &str, content: &[u8]) {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub fn load(&self) -> Result<Config, Problems> {
        let overrides = Overrides { config_dir: Some(self.path("config")), ..Overrides::default() };
        config::load(&overrides, &self.env)
    }
}

/// A result can be shown, and what is shown has a bound.
fn shown(result: Result<Config, Problems>, input: &[u8]) {
    match result {
        Ok(config) => {
            // Rules by glob are taken apart for every table.
            drop(format!("{:?}", config.tables.rule("a_table")));
            assert!(format!("{config:?}").len() < 20_000 + 40 * input.len());
        }
        Err(problems) => assert!(problems.to_string().len() < 20_000 + 400 * input.len(), "{} bytes", problems.to_string().len()),
    }
}

fn file_of_load(name: &'static str) -> Feed {
    let around = Around::new();
    Box::new(move |input| {
        around.write(name, input);
        shown(around.load(), input);
    })
}

fn url() -> Feed {
    let mut around = Around::new();
    Box::new(move |input| {
        let text = String::from_utf8_lossy(input).replace('\0', "");
        for name in ["ETL_SYNC_SOURCE_URL", "ETL_SYNC_WAREHOUSE_URL"] {
            around.env.vars.insert(name.into(), text.clone());
        }
        shown(around.load(), input);
    })
}

fn type_names() -> Feed {
    Box::new(|input| {
        let text = String::from_utf8_lossy(input);
        for line in text.lines() {
            let ty = convert::parse(line);
            if let Some(ty) = ty {
                assert_eq!(convert::parse(&ty.to_string()), Some(ty), "{line:?}");
            }
            let word: String = line.chars().take_while(char::is_ascii_alphanumeric).collect();
            for (word, json) in [(word.as_str(), false), (line, true)] {
                let declared = cast::Declared::parse(word, line, json);
                assert_eq!(cast::cast(&declared), cast::cast(&cast::Declared::parse(&word.to_ascii_uppercase(), line, json)));
                if let Some((own, _)) = cast::cast(&declared) {
                    assert!(own.to_string().len() < 40, "{line:?}");
                }
                assert!(ty.and_then(|to| convert::conversion(&declared, to)).is_none_or(|name| !name.is_empty()));
            }
        }
    })
}

/// Whatever a file of method usage says, a run can be added, and it is read back as it was written.
fn documents() -> Feed {
    Box::new(|input| {
        let parsed = Document::parse(&String::from_utf8_lossy(input));
        let Ok(mut document) = parsed else { return assert_ne!(parsed, Err(Unreadable::Newer(0))) };
        let counted =
            METHODS.iter().map(|method| (method.id.to_owned(), Record { call_count: 3, ..Record::default() })).collect();
        document.add(Run { run_id: "2026-11-22T04:27:50.123456Z".into(), token: "x".into(), counted, ..Run::default() });
        let text = serde_json::to_string(&document).unwrap();
        assert_eq!(Document::parse(&text), Ok(document));
    })
}

fn grant_lines() -> Feed {
    Box::new(|input| {
        for line in String::from_utf8_lossy(input).lines() {
            if let Some(grant) = grants::parse(line) {
                assert!(!grant.rights.is_empty() && format!("{grant:?}").len() < 300 + 20 * line.len(), "{line:?}");
            }
        }
    })
}

/// Documents that dbt left.
fn dbt_documents() -> Feed {
    Box::new(|input| {
        if let Ok(Some(nodes)) = results::parse(input, 0) {
            assert!(nodes.iter().all(|node| node.message.as_ref().is_none_or(|text| text.chars().count() <= 501)));
        }
        if let Ok(lineage) = Lineage::parse(input) {
            assert!(lineage.tables_of("raw", ["model.p.a"]).len() == 1);
        }
    })
}

/// SQL files: what is cut is in the text, in order.
fn sql_texts() -> Feed {
    Box::new(|input| {
        let text = String::from_utf8_lossy(input);
        let mut rest: &str = &text;
        for statement in split::statements(&text) {
            let at = rest.find(statement.text).unwrap_or_else(|| panic!("{statement:?} is not in {text:?}"));
            rest = &rest[at + statement.text.len()..];
            assert!(!statement.text.is_empty() && statement.line <= text.lines().count().max(1) + 1, "{statement:?}");
        }
    })
}

const TYPES: [ColumnType; 25] = [
    ColumnType::Int16,
    ColumnType::Int32,
    ColumnType::Int64,
    ColumnType::UInt64,
    ColumnType::Float32,
    ColumnType::Float64,
    ColumnType::Decimal { precision: 10, scale: 3 },
    ColumnType::Decimal { precision: 2, scale: 5 },
    ColumnType::Varchar { chars: 5 },
    ColumnType::Text,
    ColumnType::Bytes,
    ColumnType::Bit { bits: 13 },
    ColumnType::Boolean,
    ColumnType::Date,
    ColumnType::Timestamp { digits: 2 },
    ColumnType::TimestampTz { digits: 6 },
    ColumnType::Interval { digits: 3 },
    ColumnType::TimeOfDay { digits: 0 },
    ColumnType::Jsonb,
    ColumnType::Json,
    ColumnType::Geometry,
    ColumnType::Inet,
    ColumnType::Uuid,
    ColumnType::UuidBytes,
    ColumnType::Vector,
];

/// Keys as people write them, for columns of every type: what is taken is shown in a spelling that is taken for the same value.
fn keys() -> Feed {
    Box::new(|input| {
        for line in String::from_utf8_lossy(input).lines() {
            let json = serde_json::from_str(line).unwrap_or(Value::Null);
            for (ty, spelled) in TYPES.into_iter().flat_map(|ty| [(ty, Value::from(line)), (ty, json.clone())]) {
                let Some(image) = spelled::image(ty, &spelled) else { continue };
                assert!(image.len() <= 100 + 8 * line.len(), "{ty}: {line:?}");
                // No key has a column of these.
                if matches!(ty, ColumnType::Geometry | ColumnType::Vector) {
                    continue;
                }
                let shown = show::part(ty, Some(&image));
                // NaN has many images, and the source has none of them.
                assert!(shown == "NaN" || spelled::image(ty, &shown) == Some(image), "{ty}: {line:?} is shown as {shown}");
            }
        }
    })
}

/// Cells of every kind for columns of every type: both formats must say the same of them.
fn cells() -> Feed {
    Box::new(|input| {
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(input).for_each(|(to, from)| *to = *from);
        let [a, b, c, d, e, f, g, h, ..] = bytes;
        let number = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let micro = u32::from_le_bytes([a, b, c, d]);
        let all = [
            Cell::Bytes(input),
            Cell::Int(i64::from_le_bytes(number.to_le_bytes())),
            Cell::UInt(number),
            Cell::Float(f32::from_bits(micro)),
            Cell::Double(f64::from_bits(number)),
            Cell::DateTime(DateTime { year: u16::from_le_bytes([a, b]), month: c, day: d, hour: e, minute: f, second: g, micro }),
            Cell::Time(Time {
                negative: a > 127,
                hours: micro,
                minutes: e,
                seconds: f,
                micros: u32::from_le_bytes([e, f, g, h]),
            }),
        ];
        for ty in TYPES {
            for cell in all {
                let fates = [Format::Csv(NullToken::random()), Format::Binary].map(|format| {
                    let mut writer = RowWriter::new(&format, vec![Column::new(ty, false)], Vec::new());
                    let fate = writer.row(&[cell]);
                    assert!(writer.sink().len() <= 100 + 8 * input.len());
                    match fate {
                        Ok(Fate::Rejected { fault, .. }) => fault.word().to_owned(),
                        Ok(Fate::Written) => "written".to_owned(),
                        Err(error @ EncodeError::Unfit { .. }) => error.to_string(),
                        Err(error) => panic!("{ty}: {error}"),
                    }
                });
                assert_eq!(fates[0], fates[1], "{ty}: csv and binary differ, {cell:?}");
            }
        }
    })
}
