//! dbt's `manifest.json`: which models stand downstream of which source table.

use super::results::not_understood;
use crate::error::{Doing, Kind, Result};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    nodes: BTreeMap<String, Entry>,
    #[serde(default)]
    sources: BTreeMap<String, Source>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    depends_on: DependsOn,
}

#[derive(Default, Deserialize)]
struct DependsOn {
    #[serde(default)]
    nodes: Vec<String>,
}

/// A table as a dbt project knows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Source {
    /// Name of the source, which is a group of tables.
    pub source_name: String,
    /// Name of the table in it.
    pub name: String,
    /// PostgreSQL schema.
    pub schema: String,
    /// The table's name there.
    pub identifier: String,
}

/// What stands downstream of what.
#[derive(Debug, Clone, Default)]
pub struct Lineage {
    parents: BTreeMap<String, Vec<String>>,
    sources: BTreeMap<String, Source>,
}

impl Lineage {
    /// Reads a manifest; only the names in it are kept.
    ///
    /// # Errors
    /// [`Kind::Transform`] when there is none, or none that is understood.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).doing(Kind::Transform, || format!("reading {}", path.display()))?;
        Self::parse(&text).map_err(|error| error.doing(format!("reading {}", path.display())))
    }

    /// The same of a document in memory.
    ///
    /// # Errors
    /// As [`Lineage::read`].
    pub fn parse(text: &[u8]) -> Result<Self> {
        let mut manifest: Manifest = serde_json::from_slice(text).map_err(not_understood)?;
        for source in manifest.sources.values_mut() {
            // dbt does not double quotes inside a name, so whoever has some writes them doubled.
            source.identifier = source.identifier.replace("\"\"", "\"");
        }
        let parents = manifest.nodes.into_iter().map(|(id, entry)| (id, entry.depends_on.nodes)).collect();
        Ok(Self { parents, sources: manifest.sources })
    }

    /// Whether the project has this table in this source, so that a selection of it finds something.
    #[must_use]
    pub fn has(&self, source_name: &str, name: &str) -> bool {
        self.sources.values().any(|source| source.source_name == source_name && source.name == name)
    }

    /// Tables of a schema, by name, that each of these nodes is made of, whatever stands between.
    #[must_use]
    pub fn tables_of<'a>(
        &'a self,
        schema: &str,
        nodes: impl IntoIterator<Item = &'a str>,
    ) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
        nodes.into_iter().map(|id| (id, self.tables_above(schema, id))).collect()
    }

    fn tables_above(&self, schema: &str, id: &str) -> BTreeSet<&str> {
        let (mut out, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut left = vec![id];
        while let Some(id) = left.pop() {
            if !seen.insert(id) {
                continue;
            }
            out.extend(self.sources.get(id).filter(|source| source.schema == schema).map(|source| source.identifier.as_str()));
            left.extend(self.parents.get(id).into_iter().flat_map(|all| all.iter().map(String::as_str)));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn tables_are_found_through_any_number_of_models() {
        let source = |table: &str, schema: &str| {
            format!(
                "{{\"source_name\": \"od\", \"name\": \"{table}\", \"schema\": \"{schema}\", \"identifier\": \"{table}\", \"x\": 1}}"
            )
        };
        let text = format!(
            r#"{{"metadata": {{}}, "nodes": {{
                "model.p.a": {{"depends_on": {{"macros": [], "nodes": ["source.p.od.t1"]}}, "name": "a"}},
                "model.p.b": {{"depends_on": {{"nodes": ["model.p.a", "source.p.od.t2", "source.p.od.far"]}}}},
                "model.p.loop": {{"depends_on": {{"nodes": ["model.p.loop", "model.p.b"]}}}},
                "test.p.c": {{"depends_on": {{"nodes": ["model.p.b"]}}}},
                "seed.p.d": {{}}}},
              "sources": {{"source.p.od.t1": {}, "source.p.od.t2": {}, "source.p.od.far": {}}}}}"#,
            source("t1", "raw"),
            source("t2", "raw"),
            source("far", "elsewhere")
        );
        let lineage = Lineage::parse(text.as_bytes()).unwrap();
        let ids = ["model.p.a", "model.p.b", "test.p.c", "seed.p.d", "model.p.loop", "model.p.unknown"];
        let tables = lineage.tables_of("raw", ids);
        let of = |id: &str| tables[id].iter().copied().collect::<Vec<_>>();
        assert_eq!(of("model.p.a"), ["t1"]);
        assert_eq!([of("model.p.b"), of("test.p.c"), of("model.p.loop")], [["t1", "t2"], ["t1", "t2"], ["t1", "t2"]]);
        assert!(of("seed.p.d").is_empty() && of("model.p.unknown").is_empty());
        assert!(lineage.has("od", "t1") && !lineage.has("raw", "t1") && !lineage.has("od", "t3"));
        assert!(Lineage::parse(b"{").is_err());
    }
}
