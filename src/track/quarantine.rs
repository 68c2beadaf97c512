//! Rows that were refused: SQL for `etl_quarantine.rejected_row`, which runs inside the transactions of the data.
//!
//! The rows of a table are those of its last load: whoever adds them to the rows of the target has the source.

use super::RunIdentity;
use crate::name::literal_postgres;

/// Schema of the quarantine; nobody but the job's role may look into it.
pub const SCHEMA: &str = "etl_quarantine";

/// Rows per INSERT, so that no statement grows with their number.
const ROWS_PER_INSERT: usize = 500;

/// A row that was refused. It holds cell values, so it goes nowhere but into the quarantine.
#[derive(Clone, PartialEq, Eq)]
pub struct Reject {
    /// The row's key as a JSON object; none for a table without a key.
    pub key: Option<String>,
    /// The source's column, when it is known.
    pub column: Option<String>,
    /// Why, without the value.
    pub reason: String,
    /// The bytes of the value, when they are to be kept.
    pub raw: Option<Vec<u8>>,
}

impl std::fmt::Debug for Reject {
    /// Without key and value.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reject").field("column", &self.column).field("reason", &self.reason).finish_non_exhaustive()
    }
}

/// INSERT statements for rejected rows of a table.
#[must_use]
pub fn insert(run: &RunIdentity, round: u32, table: &str, rejects: &[Reject]) -> Vec<String> {
    let text = |value: Option<&String>| value.map_or_else(|| "NULL".to_owned(), |text| literal_postgres(text));
    let (job, run_id, table) = (literal_postgres(&run.job), literal_postgres(&run.run_id), literal_postgres(table));
    let row = |reject: &Reject| {
        let raw = reject.raw.as_ref().map_or_else(|| "NULL".to_owned(), |raw| format!("'\\x{}'", hexadecimal(raw)));
        let (key, column) = (text(reject.key.as_ref()), text(reject.column.as_ref()));
        format!("({job}, {table}, {key}, {column}, {}, {run_id}, {round}, {raw})", literal_postgres(&reject.reason))
    };
    rejects
        .chunks(ROWS_PER_INSERT)
        .map(|some| {
            let rows: Vec<String> = some.iter().map(row).collect();
            format!(
                "INSERT INTO etl_quarantine.rejected_row (job, table_name, key, column_name, reason, run_id, round, raw) VALUES {}",
                rows.join(", ")
            )
        })
        .collect()
}

/// Bytes as hexadecimal digits.
#[must_use]
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Drops what earlier loads of a table left, for the finish of this one.
#[must_use]
pub fn clear_older(run: &RunIdentity, round: u32, table: &str) -> String {
    format!(
        "DELETE FROM etl_quarantine.rejected_row WHERE job = {} AND table_name = {} AND (run_id <> {} OR round <> {round})",
        literal_postgres(&run.job),
        literal_postgres(table),
        literal_postgres(&run.run_id)
    )
}

/// Drops what an unfinished load of this run left.
#[must_use]
pub fn clear_own(run: &RunIdentity, table: &str) -> String {
    format!(
        "DELETE FROM etl_quarantine.rejected_row WHERE job = {} AND table_name = {} AND run_id = {}",
        literal_postgres(&run.job),
        literal_postgres(table),
        literal_postgres(&run.run_id)
    )
}

/// Drops what loads of this job left that never came to their finish.
#[must_use]
pub fn clear_unfinished(run: &RunIdentity) -> String {
    format!(
        "DELETE FROM etl_quarantine.rejected_row r WHERE r.job = {} AND NOT EXISTS (SELECT FROM etl_sync.etl_table_state s \
         WHERE s.job = r.job AND s.table_name = r.table_name AND s.run_id = r.run_id)",
        literal_postgres(&run.job)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_rows_are_several_statements_and_nothing_is_unquoted() {
        let run = RunIdentity { job: "ra'w".into(), epoch: 1, run_id: "r".into(), sync_id: "s".into() };
        let reject = Reject { key: Some("{\"a\": \"it's\"}".into()), column: None, reason: "x".into(), raw: Some(vec![0, 255]) };
        assert!(insert(&run, 0, "t", &[]).is_empty());
        let statements = insert(&run, 0, "t", &vec![reject.clone(); ROWS_PER_INSERT + 1]);
        assert_eq!(statements.len(), 2);
        assert!(statements.iter().all(|sql| sql.contains("'ra''w'") && sql.contains("it''s") && sql.contains("'\\x00ff'")));
        assert!(!format!("{reject:?}").contains("it's"));
    }
}
