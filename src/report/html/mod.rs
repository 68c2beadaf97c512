//! A run and the history as one HTML page that needs nothing beside itself: no network, no server, no other file.
//!
//! Whatever comes from a document is escaped ([`markup::Html`] sees to it), and a Content-Security-Policy lets the browser run
//! nothing but the page's own script.

mod charts; // lines, bars, parts of a whole
mod document; // result documents as the page reads them
mod gantt; // who did what when
mod history; // all runs that are kept
mod markup; // text as HTML, escaped by types
mod proof; // what the rows are worth
mod run; // one run
mod scale; // numbers on axes
mod tables; // the table of tables

pub use document::{Documents, read};

use document::Run;
use markup::Html;

/// The page.
#[must_use]
pub fn page(documents: &Documents) -> String {
    let run = &documents.run;
    let seconds = run.seconds;
    let trends = tables::trends(documents);
    let mut main = Html::new();
    main.put(&run::tiles(run)).put(&run::problems(run, &documents.skipped));
    section(&mut main, "time", "How the time went", &[run::phases(run), gantt::timeline(run, seconds), run::flow(run, seconds)]);
    section(&mut main, "slowest", "Slowest tables", &[run::slowest(run)]);
    section(&mut main, "proof", "Proof", &[proof::certificates(run)]);
    section(&mut main, "drift", "Drift and heals", &[proof::drift(run)]);
    section(&mut main, "quarantine", "Quarantine", &[proof::quarantine(run)]);
    section(&mut main, "strategies", "Strategies", &[proof::strategies(run)]);
    main.put(&run::transform(run));
    section(&mut main, "tables", "Tables", &[tables::tables(documents, &trends)]);
    section(&mut main, "history", "History", &[history::runs(documents), history::trend(&trends)]);
    let mut title = Html::new();
    title.text(&format!("{} {}: etl-sync", run.status, moment(&run.started_at)));
    let mut made = Html::new();
    made.text(&format!("Written by etl-sync {} at {}.", env!("CARGO_PKG_VERSION"), moment(&super::now())));
    // Only what carries this word is run. It is new on each page, so no document can know it.
    let nonce = uuid::Uuid::now_v7().simple().to_string();
    fill(
        include_str!("page.html"),
        &[
            ("title", title.as_str()),
            ("nonce", &nonce),
            ("style", include_str!("page.css")),
            ("header", run::header(run).as_str()),
            ("main", main.as_str()),
            ("made", made.as_str()),
            ("script", include_str!("page.js")),
        ],
    )
}

fn section(out: &mut Html, id: &'static str, title: &'static str, parts: &[Html]) {
    out.raw("<section").attr("id", id).raw("><h2>").raw(title).raw("</h2>");
    for part in parts {
        out.put(part);
    }
    out.raw("</section>");
}

/// Puts values into the places `{{name}}` of a template, once: what a value holds is no place.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((name, after)) = after.split_once("}}") else { break };
        out.push_str(values.iter().find(|(place, _)| *place == name).map_or("", |(_, value)| value));
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The hops of a run with what to call them; the one into the warehouse has no name.
fn hops(run: &Run) -> Vec<(&'static str, &Run)> {
    run.replicate.iter().map(|first| ("replica", first.as_ref())).chain([("", run)]).collect()
}

/// `2026-11-22T04:10:30.120Z` as `2026-11-22 04:10:30 UTC`; what is none, as it is.
fn moment(text: &str) -> String {
    match chrono::DateTime::parse_from_rfc3339(text) {
        Ok(at) => at.to_utc().format("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
