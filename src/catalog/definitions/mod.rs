//! What tables have beside columns, keys and rows: secondary indexes, foreign keys, defaults, counters. Read from the
//! source only when a run is asked to build them.

mod read; // from information_schema
mod translate; // into PostgreSQL statements

pub use self::read::read;
pub use self::translate::{OURS, Target, translate};

/// Which definitions a run builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Secondary indexes that are unique.
    pub unique_indexes: bool,
    /// The other secondary indexes.
    pub other_indexes: bool,
    /// Foreign keys.
    pub foreign_keys: bool,
    /// Sequences for AUTO_INCREMENT columns.
    pub sequences: bool,
    /// Defaults of columns.
    pub defaults: bool,
}

impl Wanted {
    /// Whether anything is wanted.
    #[must_use]
    pub fn any(self) -> bool {
        self != Self::default()
    }
}

/// Everything that was read; names are the source's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Definitions {
    /// Secondary indexes, by table and name.
    pub indexes: Vec<Index>,
    /// Foreign keys, by table and name.
    pub foreign_keys: Vec<ForeignKey>,
    /// Columns with a default, or that are set by the server at an update.
    pub defaults: Vec<ColumnDefault>,
}

/// A secondary index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// No two rows may be equal in it.
    pub unique: bool,
    /// `BTREE`, `HASH`, `FULLTEXT`, `SPATIAL`, `RTREE`.
    pub kind: String,
    /// Its parts in order.
    pub parts: Vec<IndexPart>,
}

/// A part of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexPart {
    /// The column; none for an expression.
    pub column: Option<String>,
    /// Only the column's beginning is indexed.
    pub prefix: bool,
    /// In descending order.
    pub descending: bool,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// The table that refers.
    pub table: String,
    /// The constraint's name.
    pub name: String,
    /// Its columns in order.
    pub columns: Vec<String>,
    /// Database of the table that is referred to.
    pub parent_schema: String,
    /// The table that is referred to.
    pub parent: String,
    /// Its columns in order.
    pub parent_columns: Vec<String>,
    /// `RESTRICT`, `CASCADE`, `SET NULL`, `NO ACTION`, `SET DEFAULT`.
    pub on_update: String,
    /// As `on_update`.
    pub on_delete: String,
}

/// A column's default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDefault {
    /// Its table.
    pub table: String,
    /// The column.
    pub column: String,
    /// What the server shows; none without a default.
    pub text: Option<String>,
    /// The text is a value as it is, not SQL: MySQL shows literals without quotes.
    pub bare: bool,
    /// The server sets the column whenever a row changes.
    pub on_update: bool,
}

/// What kind of definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// A secondary index.
    Index,
    /// A foreign key.
    ForeignKey,
    /// A sequence behind an AUTO_INCREMENT column.
    Sequence,
    /// A default.
    Default,
}

impl What {
    /// Stable word for reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::ForeignKey => "foreign_key",
            Self::Sequence => "sequence",
            Self::Default => "default",
        }
    }
}

/// A definition as PostgreSQL gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Source table.
    pub table: String,
    /// What it makes.
    pub what: What,
    /// Name on the target: of the index, constraint, sequence or column.
    pub name: String,
    /// Gives a row when the target has it already.
    pub exists: String,
    /// Makes it.
    pub sql: String,
    /// Runs when the target has it: a sequence goes on behind the largest value.
    pub refresh: Option<String>,
}

/// A definition that PostgreSQL cannot have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Impossible {
    /// Source table.
    pub table: String,
    /// What it is.
    pub what: What,
    /// Its name on the source.
    pub name: String,
    /// Why.
    pub why: String,
}

/// What becomes of the definitions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Translated {
    /// To be run.
    pub statements: Vec<Statement>,
    /// To be told.
    pub impossible: Vec<Impossible>,
}
