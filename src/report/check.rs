//! What `check` found, as data and as text. Holds no password; statements to run are complete but for that.

use super::{ErrorReport, SCHEMA_VERSION};
use serde::Serialize;

/// The whole answer.
#[derive(Debug, Clone, Serialize)]
pub struct CheckReport {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The program's version.
    pub program: String,
    /// `ok` or `failed`.
    pub status: &'static str,
    /// What the process exits with.
    pub exit_code: u8,
    /// Workers that a run would use.
    pub parallel: usize,
    /// One entry per connection.
    pub sides: Vec<Side>,
    /// What the configuration warns about.
    pub warnings: Vec<String>,
}

/// One connection.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Side {
    /// The connection, without password.
    pub endpoint: String,
    /// The server's version.
    pub version: String,
    /// The account as the server sees it.
    pub account: String,
    /// Protocol version and cipher; none when the connection is plain.
    pub tls: Option<String>,
    /// Pinned session settings, read back.
    pub session: Vec<(String, String)>,
    /// Rights the run uses, and whether they are there.
    pub rights: Vec<Right>,
    /// Rights that are too many, with the statement that takes them away.
    pub surplus: Vec<Surplus>,
    /// Connections: what is there and what a run needs.
    pub connections: Option<Connections>,
    /// Why this side cannot be used.
    pub error: Option<ErrorReport>,
    /// Exit code of that.
    #[serde(skip)]
    pub exit_code: u8,
}

/// A right that a run uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Right {
    /// Its name and what it is on.
    pub name: String,
    /// It is there.
    pub granted: bool,
    /// A run cannot do without it.
    pub needed: bool,
    /// What is lost without it.
    pub without: String,
    /// The statement that grants it.
    pub grant: String,
}

/// A right that a run does not need and should not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Surplus {
    /// Its name and what it is on.
    pub name: String,
    /// The statement that takes it away.
    pub revoke: String,
}

/// Connections of one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Connections {
    /// What a run with these workers needs.
    pub needed: u64,
    /// What is free for this account now.
    pub free: u64,
    /// The server's limit.
    pub max: u64,
    /// Why it does not fit.
    pub shortage: Option<String>,
}

impl CheckReport {
    /// Sums the sides up: unreachable before refused before the rest.
    #[must_use]
    pub fn new(parallel: usize, sides: Vec<Side>, warnings: Vec<String>) -> Self {
        let codes: Vec<u8> = sides.iter().map(Side::code).collect();
        let other = codes.iter().copied().find(|code| *code != 0).unwrap_or(0);
        let exit_code = [69, 77].into_iter().find(|code| codes.contains(code)).unwrap_or(other);
        Self {
            schema_version: SCHEMA_VERSION,
            program: env!("CARGO_PKG_VERSION").into(),
            status: if exit_code == 0 { "ok" } else { "failed" },
            exit_code,
            parallel,
            sides,
            warnings,
        }
    }
}

impl Side {
    fn code(&self) -> u8 {
        if self.error.is_some() {
            self.exit_code
        } else if self.rights.iter().any(|r| r.needed && !r.granted) {
            77
        } else if self.connections.as_ref().is_some_and(|c| c.shortage.is_some()) {
            2
        } else {
            0
        }
    }
}

/// The answer as text.
#[must_use]
pub fn text(report: &CheckReport) -> String {
    let mut lines: Vec<String> = Vec::new();
    for side in &report.sides {
        side_lines(side, &mut lines);
        lines.push(String::new());
    }
    lines.extend(report.warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.push(match report.exit_code {
        0 => format!("ok: a run with {} workers can begin", report.parallel),
        code => format!("failed: see above (exit code {code})"),
    });
    lines.join("\n") + "\n"
}

fn side_lines(side: &Side, lines: &mut Vec<String>) {
    lines.push(side.endpoint.clone());
    if let Some(error) = &side.error {
        lines.push(format!("  error        {}", error.message));
        lines.push(format!("  hint         {}", error.hint));
    }
    if side.version.is_empty() {
        return;
    }
    lines.push(format!("  server       {}", side.version));
    lines.push(format!("  account      {}", side.account));
    lines.push(format!("  TLS          {}", side.tls.as_deref().unwrap_or("none: the connection is plain")));
    let settings: Vec<String> = side.session.iter().map(|(name, value)| format!("{name}={value}")).collect();
    lines.push(format!("  session      {}", settings.join(", ")));
    if let Some(c) = &side.connections {
        lines.push(format!("  connections  {} needed, {} free of {}", c.needed, c.free, c.max));
        lines.extend(c.shortage.iter().map(|why| format!("  error        {why}")));
    }
    let have: Vec<&str> = side.rights.iter().filter(|r| r.granted).map(|r| r.name.as_str()).collect();
    lines.push(format!("  rights       {}", if have.is_empty() { "none".to_owned() } else { have.join(", ") }));
    for right in side.rights.iter().filter(|r| !r.granted) {
        let word = if right.needed { "missing" } else { "optional" };
        lines.push(format!("  {word:<12} {}: {}", right.name, right.without));
        lines.push(format!("               {}", right.grant));
    }
    for surplus in &side.surplus {
        lines.push(format!("  too many     {}", surplus.name));
        lines.push(format!("               {}", surplus.revoke));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn right(granted: bool, needed: bool) -> Right {
        Right { name: "SELECT".into(), granted, needed, without: "nothing can be read".into(), grant: "GRANT".into() }
    }

    #[test]
    fn unreachable_comes_before_refused_before_limits() {
        let fine = Side { rights: vec![right(true, true), right(false, false)], ..Side::default() };
        let refused = Side { rights: vec![right(false, true)], ..Side::default() };
        let away = Side {
            error: Some(ErrorReport { kind: "unreachable".into(), message: "m".into(), hint: "h".into(), chain: Vec::new() }),
            exit_code: 69,
            ..Side::default()
        };
        let code = |sides| CheckReport::new(8, sides, Vec::new()).exit_code;
        assert_eq!(code(vec![fine.clone(), fine.clone()]), 0);
        assert_eq!(code(vec![refused.clone(), fine]), 77);
        assert_eq!(code(vec![refused, away]), 69);
    }
}
