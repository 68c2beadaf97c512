//! What happens to values that PostgreSQL cannot hold: words of the files, and the policies that come out.

use crate::value::Fault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What happens to a value that PostgreSQL cannot hold. Every use is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// NULL takes its place; the target column allows NULL then.
    Null,
    /// The bytes that cannot be held are left out, the rest arrives.
    Strip,
    /// The row goes to the quarantine.
    Reject,
    /// The table fails.
    Fail,
}

impl Policy {
    /// The word in files and reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Strip => "strip",
            Self::Reject => "reject",
            Self::Fail => "fail",
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A policy for values of which no part can be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ValuePolicy {
    /// NULL takes its place.
    Null,
    /// The row goes to the quarantine.
    Reject,
    /// The table fails.
    Fail,
}

/// A policy for texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum TextPolicy {
    /// NULL takes its place.
    Null,
    /// The bytes that cannot be held are left out.
    Strip,
    /// The row goes to the quarantine.
    Reject,
    /// The table fails.
    Fail,
}

impl From<ValuePolicy> for Policy {
    fn from(word: ValuePolicy) -> Self {
        match word {
            ValuePolicy::Null => Self::Null,
            ValuePolicy::Reject => Self::Reject,
            ValuePolicy::Fail => Self::Fail,
        }
    }
}

impl From<TextPolicy> for Policy {
    fn from(word: TextPolicy) -> Self {
        match word {
            TextPolicy::Null => Self::Null,
            TextPolicy::Strip => Self::Strip,
            TextPolicy::Reject => Self::Reject,
            TextPolicy::Fail => Self::Fail,
        }
    }
}

/// What TINYINT(1) becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TinyInt1 {
    /// A number, as it is stored.
    Smallint,
    /// A truth value; anything but 0 and 1 is out of range.
    Boolean,
}

/// The policies of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Policies {
    /// Zero and partial dates, and days that no calendar has.
    pub zero_dates: Policy,
    /// Texts with a NUL byte.
    pub nul_bytes: Policy,
    /// Texts that are no UTF-8.
    pub invalid_utf8: Policy,
    /// Values beyond what the target type holds.
    pub out_of_range: Policy,
    /// What TINYINT(1) becomes.
    pub tinyint1: TinyInt1,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            zero_dates: Policy::Null,
            nul_bytes: Policy::Reject,
            invalid_utf8: Policy::Reject,
            out_of_range: Policy::Reject,
            tinyint1: TinyInt1::Smallint,
        }
    }
}

impl Policies {
    /// The policy that a fault falls under.
    #[must_use]
    pub const fn of(&self, fault: Fault) -> Policy {
        match fault {
            Fault::ZeroDate => self.zero_dates,
            Fault::Nul => self.nul_bytes,
            Fault::InvalidUtf8 => self.invalid_utf8,
            Fault::OutOfRange => self.out_of_range,
            // Nothing of such a row was read, so there is nothing to put in its place.
            Fault::TooLong => match self.out_of_range {
                Policy::Fail => Policy::Fail,
                _ => Policy::Reject,
            },
        }
    }

    /// These policies with what a layer gives.
    #[must_use]
    pub(super) fn over(mut self, layer: &PolicyWords) -> Self {
        self.zero_dates = layer.zero_dates.map_or(self.zero_dates, Policy::from);
        self.nul_bytes = layer.nul_bytes.map_or(self.nul_bytes, Policy::from);
        self.invalid_utf8 = layer.invalid_utf8.map_or(self.invalid_utf8, Policy::from);
        self.out_of_range = layer.out_of_range.map_or(self.out_of_range, Policy::from);
        self.tinyint1 = layer.tinyint1.unwrap_or(self.tinyint1);
        self
    }
}

/// What happens to values that PostgreSQL cannot hold. Every use is counted and shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PolicyWords {
    /// Zero and partial dates and days that no calendar has: null, reject (the row goes to the quarantine) or fail (the table fails). Default null.
    pub zero_dates: Option<ValuePolicy>,
    /// Texts with a NUL byte: null, strip (leave the byte out), reject or fail. Default reject.
    pub nul_bytes: Option<TextPolicy>,
    /// Texts that are no UTF-8: null, strip (leave the bytes out), reject or fail. Default reject.
    pub invalid_utf8: Option<TextPolicy>,
    /// Values beyond what the target type holds: null, reject or fail. Default reject.
    pub out_of_range: Option<ValuePolicy>,
    /// What TINYINT(1) becomes: smallint, or boolean (then anything but 0 and 1 is out of range). Default smallint.
    pub tinyint1: Option<TinyInt1>,
}
