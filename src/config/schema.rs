//! JSON Schemas of both files, for editors and for the check of the files themselves.

use super::pipeline::PipelineFile;
use super::tables::TablesFile;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// JSON Schema of `pipeline.yml`, pretty-printed.
#[must_use]
pub fn pipeline() -> String {
    format!("{:#}\n", of::<PipelineFile>())
}

/// JSON Schema of `tables.yml`, pretty-printed.
#[must_use]
pub fn tables() -> String {
    format!("{:#}\n", of::<TablesFile>())
}

/// JSON Schema of the configuration as a whole, a property per file, pretty-printed.
#[must_use]
pub fn config() -> String {
    let files = serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of etl-sync",
        "description": "One property per file: pipeline is pipeline.yml, tables is tables.yml.",
        "type": "object",
        "additionalProperties": false,
        "properties": { "pipeline": of::<PipelineFile>(), "tables": of::<TablesFile>() },
    });
    format!("{files:#}\n")
}

/// The schema of a file's struct without references, so that it can be walked beside the file.
pub(super) fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>().to_value()
}
