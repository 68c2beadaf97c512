//! JSON Schema of a run's result document, made of the same structs as the document.

use super::RunReport;
use schemars::generate::SchemaSettings;

/// The schema, pretty-printed.
#[must_use]
pub fn result() -> String {
    // The document of the first hop stands inside that of the run, so there are references.
    let settings = SchemaSettings::draft2020_12().for_serialize();
    format!("{:#}\n", settings.into_generator().into_root_schema_for::<RunReport>().to_value())
}
