//! Files for a dbt project: `sources.yml` of the loaded tables, and models with tests over the status tables.
//!
//! They are written in forms that every dbt since 1.0 reads without a word of deprecation: freshness beside the tables, and
//! tests that take no arguments. A file is only written over when etl-sync has written it.

use super::tables::Loaded;
use crate::config::Transform;
use crate::error::{Doing, Error, Kind, Result};
use crate::track::schema::{LOAD_STATUS, TRANSFORM_STATUS};
use std::io::Write;
use std::path::{Path, PathBuf};
use twox_hash::XxHash3_128;

/// First line of a file that etl-sync wrote.
const HEAD: [&str; 2] = ["# Written by etl-sync", "-- Written by etl-sync"];

/// The model over both status tables, with the name of the source put in.
const SUMMARY: &str = include_str!("stg_etl_tracking_summary.sql");

/// Its tests.
const TESTS: &str = include_str!("etl_tracking.yml");

/// A table's name in the dbt project: its own where that is plain. Else what dbt's selections would take apart becomes `_`,
/// and a hash keeps it apart from others.
#[must_use]
pub fn dbt_name(table: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !table.is_empty() && table.chars().all(plain) {
        return table.to_owned();
    }
    let words: String = table.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    format!("{words}_{:08x}", XxHash3_128::oneshot(table.as_bytes()) >> 96)
}

/// `sources.yml` of these tables and of the status tables.
#[must_use]
pub fn sources(config: &Transform, schema: &str, tables: &[Loaded]) -> String {
    let mut out = format!(
        "{} (`etl-sync dbt sources`), which writes it anew as a whole.\n\
         # `_loaded_at` is the time at which this version of a row was written to the warehouse.\n\
         version: 2\n\
         sources:\n\
         \x20 - name: {}\n\
         \x20   schema: {}\n\
         \x20   loaded_at_field: _loaded_at\n\
         \x20   freshness:\n\
         \x20     warn_after: {{count: {}, period: hour}}\n\
         \x20     error_after: {{count: {}, period: hour}}\n\
         \x20   tables:\n",
        HEAD[0],
        quoted(&config.source_name),
        quoted(schema),
        config.freshness_warn_h,
        config.freshness_error_h
    );
    for table in tables {
        out.push_str(&entry(&table.name, (!table.has_loaded_at).then_some("It has no column _loaded_at of etl-sync's.")));
    }
    for table in [LOAD_STATUS, TRANSFORM_STATUS] {
        if !tables.iter().any(|other| other.name == table) {
            out.push_str(&entry(table, Some("A row per table: what is late there, the model stg_etl_tracking_summary tells.")));
        }
    }
    out
}

/// One table; one that has no freshness says why.
fn entry(table: &str, no_freshness: Option<&str>) -> String {
    let name = dbt_name(table);
    let mut out = format!("      - name: {}\n", quoted(&name));
    if name != table {
        // dbt puts quotes around it and does not double those inside.
        out.push_str(&format!("        identifier: {}\n", quoted(&table.replace('"', "\"\""))));
    }
    if table.chars().any(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')) {
        out.push_str("        quoting: {identifier: true}\n");
    }
    if let Some(why) = no_freshness {
        out.push_str(&format!("        # {why}\n        freshness: null\n"));
    }
    out
}

/// The files of `dbt models`, by name.
#[must_use]
pub fn models(config: &Transform) -> Vec<(&'static str, String)> {
    // It stands in a Jinja string.
    let source = config.source_name.replace('\\', "\\\\").replace('\'', "\\'");
    let filled = |text: &str| text.replace("{source_name}", &source);
    vec![("stg_etl_tracking_summary.sql", filled(SUMMARY)), ("etl_tracking.yml", filled(TESTS))]
}

/// Text as a double-quoted scalar, which JSON's strings are.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Writes a file whole, and over one of ours only.
///
/// # Errors
/// [`Kind::Config`] when somebody else's file is there, [`Kind::File`] when it cannot be written.
pub fn save(path: &Path, text: &str) -> Result<()> {
    let doing = || format!("writing {}", path.display());
    match std::fs::read_to_string(path) {
        Ok(old) if !HEAD.iter().any(|head| old.starts_with(head)) => {
            let text = format!("{} is there already and was not written by etl-sync", path.display());
            return Err(Error::new(Kind::Config, text).hint("write to another file, or move this one away"));
        }
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).doing(Kind::File, doing),
    }
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir).doing(Kind::File, doing)?;
    let mut file = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(dir)
        .doing(Kind::File, doing)?;
    file.write_all(text.as_bytes()).doing(Kind::File, doing)?;
    file.persist(path).map_err(|error| error.error).doing(Kind::File, doing).map(drop)
}

/// Writes the models' files into a directory.
///
/// # Errors
/// As [`save`]; then none of those behind it is written.
pub fn save_models(config: &Transform, dir: &Path) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    for (name, text) in models(config) {
        let path = dir.join(name);
        save(&path, &text)?;
        written.push(path);
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_that_selections_would_take_apart_get_another_one() {
        assert_eq!(dbt_name("procedurelog_2"), "procedurelog_2");
        assert_eq!(dbt_name("Patient"), "Patient");
        let odd = ["a b", "a,b", "a.b", "a*", "", "é", "a+"].map(dbt_name);
        for (i, name) in odd.iter().enumerate() {
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{name}");
            assert!(!odd[..i].contains(name), "{name}");
        }
    }

    #[test]
    fn a_file_of_somebody_else_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/sources.yml");
        save(&path, "# Written by etl-sync 1\n").unwrap();
        save(&path, "# Written by etl-sync 2\n").unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("2\n"));
        std::fs::write(&path, "version: 2\n").unwrap();
        assert_eq!(save(&path, "# Written by etl-sync 3\n").unwrap_err().kind(), Kind::Config);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "version: 2\n");
    }
}
