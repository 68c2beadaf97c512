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

/// The schema of a file's struct without references, so that it can be walked beside the file.
pub(super) fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>().to_value()
}
