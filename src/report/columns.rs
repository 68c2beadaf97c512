//! A column for people: what it is at the source, what it becomes, and why.

use super::Renamed;
use serde::Serialize;

/// One column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ColumnReport {
    /// Source column.
    pub column: String,
    /// Target column.
    pub target: String,
    /// The source's declaration.
    pub declared: String,
    /// The target's type.
    #[serde(rename = "type")]
    pub ty: String,
    /// NOT NULL on the target, unless a policy puts NULL in.
    pub not_null: bool,
    /// Name of the rule that chose the type.
    pub rule: &'static str,
    /// A rule of the configuration chose it.
    pub by_configuration: bool,
    /// Policies that its values may fall under and that differ from the default.
    pub policies: Vec<PolicyReport>,
}

/// A policy that differs from the default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyReport {
    /// `zero_dates`, `nul_bytes`, `invalid_utf8`, `out_of_range`.
    pub policy: &'static str,
    /// `null`, `strip`, `reject`, `fail`.
    pub action: &'static str,
}

impl ColumnReport {
    /// Whether the configuration has changed anything about it.
    #[must_use]
    pub fn is_special(&self) -> bool {
        self.by_configuration || !self.policies.is_empty()
    }

    /// `int(11): rule "int"; out_of_range: null`.
    #[must_use]
    pub fn note(&self) -> String {
        let mut out = format!("{}: rule \"{}\"", self.declared, self.rule);
        self.policies.iter().for_each(|p| out.push_str(&format!("; {}: {}", p.policy, p.action)));
        if self.column != self.target {
            out.push_str(&format!("; called {:?} at the source", self.column));
        }
        out
    }

    /// `tinyint(1) becomes boolean (zero or one), out_of_range: null`.
    #[must_use]
    pub fn line(&self) -> String {
        let ty = format!("{} becomes {} ({})", self.declared, self.ty, self.rule);
        let policies = self.policies.iter().map(|p| format!("{}: {}", p.policy, p.action));
        self.by_configuration.then_some(ty).into_iter().chain(policies).collect::<Vec<_>>().join(", ")
    }
}

/// `t.c is called c_1a2b3c4d in the warehouse`.
#[must_use]
pub fn renamed_line(table: &str, name: &Renamed) -> String {
    let dot = if name.column.is_empty() { "" } else { "." };
    format!("{table}{dot}{} is called {} in the warehouse", name.column, name.target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_configuration_changed_is_told_briefly() {
        let plain = ColumnReport {
            column: "a".into(),
            target: "a".into(),
            declared: "int(11)".into(),
            ty: "smallint".into(),
            not_null: false,
            rule: "range checked",
            by_configuration: true,
            policies: vec![PolicyReport { policy: "out_of_range", action: "null" }],
        };
        assert_eq!(plain.line(), "int(11) becomes smallint (range checked), out_of_range: null");
        assert_eq!(plain.note(), "int(11): rule \"range checked\"; out_of_range: null");
        let own = ColumnReport { by_configuration: false, ..plain.clone() };
        assert_eq!(own.line(), "out_of_range: null");
        assert!(own.is_special() && !ColumnReport { policies: Vec::new(), ..own }.is_special());
        assert!(ColumnReport { column: "b".into(), ..plain }.note().ends_with("; called \"b\" at the source"));
    }
}
