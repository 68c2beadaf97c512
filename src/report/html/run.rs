//! The sections about one run: what it was, what went wrong, how the time went.

use super::charts::{self, Line, figure};
use super::document::{Failure, Memory, Model, Run, Sample};
use super::markup::{Cell, Html, badge, folded, table};
use super::scale::{Scale, Unit, length, real, words};
use super::{hops, moment};
use crate::report::text::number;

/// Problems told one by one.
const PROBLEMS_SHOWN: usize = 40;

/// Tables among the slowest.
const SLOWEST: usize = 15;

/// What an exit code means.
const fn meaning(exit_code: u8) -> &'static str {
    match exit_code {
        0 => "everything synced, and equal as far as this run proves",
        1 => "a table failed, or differs and could not be mended",
        2 => "usage or configuration; nothing was touched",
        3 => "synced, but rows are in quarantine, or the proof is incomplete",
        4 => "stopped at its deadline, and can be resumed",
        69 => "a server could not be reached",
        70 => "a fault of etl-sync",
        75 => "another run held the lock",
        77 => "a server refused us",
        130 => "stopped by SIGINT",
        143 => "stopped by SIGTERM",
        _ => "not a code of this version",
    }
}

/// Name, status and circumstances of the run.
#[must_use]
pub fn header(run: &Run) -> Html {
    let mut out = Html::new();
    out.raw("<div class=\"title\"><h1>Sync of ")
        .show(moment(&run.started_at))
        .raw("</h1>")
        .put(&badge(&run.status))
        .raw("</div>");
    out.raw("<p class=\"route\"><span>").text(&run.source).raw("</span> <span class=\"arrow\" aria-hidden=\"true\">→</span>");
    out.raw("<span class=\"unseen\"> to </span> <span>").text(&run.warehouse).raw("</span>");
    out.raw(" <span class=\"muted\">schema ").text(&run.schema).raw("</span></p>");
    if let Some(first) = &run.replicate {
        out.raw("<p class=\"muted\">Through a replica: ").text(&first.source).raw(" → ").text(&first.warehouse).raw(", ");
        out.text(&first.status).raw(" in ").text(&length(first.seconds)).raw(".</p>");
    }
    out.raw("<dl class=\"facts\">");
    let mut fact = |name: &'static str, value: &str| {
        if !value.is_empty() {
            out.raw(if value.len() > 24 { "<div class=\"wide\"><dt>" } else { "<div><dt>" });
            out.raw(name).raw("</dt><dd>").text(value).raw("</dd></div>");
        }
    };
    fact("Exit code", &format!("{}: {}", run.exit_code, meaning(run.exit_code)));
    fact("Began", &moment(&run.started_at));
    fact("Ended", &moment(&run.ended_at));
    fact("Workers", &run.parallel.to_string());
    fact("Proof asked for", &run.verify);
    fact("Run", &run.run_id);
    fact("Goes on with", run.resumes.as_deref().unwrap_or_default());
    fact("Version", &run.program);
    out.raw("</dl>");
    out
}

/// The figures that are looked at first.
#[must_use]
pub fn tiles(run: &Run) -> Html {
    let t = &run.totals;
    let done = t.loaded + t.kept + t.unmoved;
    let changed = t.inserted + t.updated + t.deleted;
    let mut out = Html::new();
    out.raw("<dl class=\"tiles\">");
    let mut tile = |name: &'static str, value: &str, more: &str, class: &'static str| {
        out.raw("<div class=\"tile ").raw(class).raw("\"><dt>").raw(name).raw("</dt><dd>").text(value);
        out.raw("<span class=\"more\">").text(more).raw("</span></dd></div>");
    };
    tile("Time", &length(run.seconds), &rate(run), "");
    let open = t.failed + t.not_reached;
    let bad = if open > 0 { "is-bad" } else { "" };
    let more = if open > 0 { format!("{} failed, {} not reached", number(t.failed), number(t.not_reached)) } else { still(run) };
    tile("Tables", &format!("{} of {}", number(done), number(t.tables)), &more, bad);
    tile("Rows read", &number(t.rows_read), &words(real(t.bytes), Unit::Bytes), "");
    let more = format!("{} new, {} changed, {} gone", number(t.inserted), number(t.updated), number(t.deleted));
    tile("Rows written", &number(changed), &more, "");
    tile("Mended", &number(t.healed), "tables that differed", if t.healed > 0 { "is-warn" } else { "" });
    tile("Rejected", &number(t.rejected), "rows in quarantine", if t.rejected > 0 { "is-warn" } else { "" });
    out.raw("</dl>");
    out
}

fn rate(run: &Run) -> String {
    if run.seconds < 0.001 || run.totals.rows_read == 0 {
        return String::new();
    }
    format!("{} rows/s", words(real(run.totals.rows_read) / run.seconds, Unit::Count))
}

fn still(run: &Run) -> String {
    match (run.totals.unmoved, run.totals.kept) {
        (0, 0) => "none failed".into(),
        (unmoved, 0) => format!("{} had not moved", number(unmoved)),
        (_, kept) => format!("{} kept from a run before", number(kept)),
    }
}

/// What a person has to look at.
#[must_use]
pub fn problems(run: &Run, skipped: &[String]) -> Html {
    let mut list = Html::new();
    let mut count = 0;
    let mut failure = |what: &str, error: &Failure| {
        count += 1;
        if count <= PROBLEMS_SHOWN {
            list.raw("<li class=\"is-bad\"><strong>").text(what).raw("</strong> ").text(&error.message);
            list.raw("<span class=\"hint\">").text(&error.hint).raw("</span></li>");
        }
    };
    for (hop, run) in hops(run) {
        let prefix = if hop.is_empty() { String::new() } else { format!("{hop}: ") };
        run.error.iter().for_each(|error| failure(&format!("{prefix}the run"), error));
        let failed = run.tables.iter().filter_map(|table| Some((table, table.error.as_ref()?)));
        failed.for_each(|(table, error)| failure(&format!("{prefix}{}", table.table), error));
    }
    if let Some(hidden) = count.checked_sub(PROBLEMS_SHOWN).filter(|hidden| *hidden > 0) {
        list.raw("<li class=\"is-bad\">and ").show(hidden).raw(" more failures, in the table of tables</li>");
    }
    let warnings = hops(run).into_iter().flat_map(|(_, run)| &run.warnings);
    let unread = skipped.iter().map(|name| format!("A result document was skipped: {name}"));
    let lost = Some(run.totals.events_lost).filter(|lost| *lost > 0).map(|lost| format!("{lost} status records were lost"));
    for warning in warnings.cloned().chain(unread).chain(lost).take(PROBLEMS_SHOWN) {
        list.raw("<li class=\"is-warn\">").text(&warning).raw("</li>");
    }
    let mut out = Html::new();
    if !list.is_empty() {
        out.raw("<section class=\"problems\" aria-labelledby=\"problems\"><h2 id=\"problems\">What needs a look</h2><ul>");
        out.put(&list).raw("</ul></section>");
    }
    out
}

/// Phases, where the run told of any.
#[must_use]
pub fn phases(run: &Run) -> Html {
    let mut out = Html::new();
    if run.phases.is_empty() {
        return out;
    }
    let longest = run.phases.iter().filter_map(|phase| phase.seconds).fold(0.0, f64::max);
    let optional = |value: Option<String>| Cell::Number(value.unwrap_or_default());
    let rows: Vec<Vec<Cell>> = run
        .phases
        .iter()
        .map(|phase| {
            let part = phase.seconds.map_or(0.0, |seconds| seconds / longest.max(1e-9));
            vec![
                Cell::Text(phase.name.clone()),
                Cell::Status(phase.state.clone()),
                Cell::Markup(charts::bar(part, "c1")),
                optional(phase.seconds.map(length)),
                optional(phase.rows.map(number)),
                optional(phase.bytes.map(|bytes| words(real(bytes), Unit::Bytes))),
                optional(phase.memory_high_mb.map(|mb| words(mb, Unit::Megabytes))),
            ]
        })
        .collect();
    let head = ["phase", "state", "", "time", "rows", "bytes", "memory at most"];
    out.raw("<div class=\"card\">").put(&table("Phases", &head, &rows)).raw("</div>");
    out
}

/// Rows, bytes, busy workers and memory over time.
#[must_use]
pub fn flow(run: &Run, seconds: f64) -> Html {
    let samples: Vec<Sample> = hops(run).into_iter().flat_map(|(_, run)| run.samples.iter().copied()).collect();
    let mut out = Html::new();
    if samples.is_empty() {
        out.tag("p", "empty", "This run took no samples of its counters: an older version wrote its document.");
        return out;
    }
    let end = samples.iter().map(|sample| sample.at_ms / 1_000.0).fold(seconds, f64::max);
    let x = Scale::exact(end, Unit::Seconds);
    let chart = |title: &str, about: &str, unit: Unit, of: &dyn Fn(&Sample) -> Option<f64>, level: Option<(f64, &str)>| {
        let points: Vec<(f64, f64)> = samples.iter().filter_map(|s| Some((s.at_ms / 1_000.0, of(s)?))).collect();
        let most = points.iter().map(|(_, y)| *y).chain(level.map(|(level, _)| level)).fold(0.0, f64::max);
        let y = Scale::round(most, unit);
        let is_steps = title == "Busy workers";
        let drawn = charts::line(&Line { label: title, x: &x, y: &y, points: &points, level, is_steps });
        let head = ["time", title];
        let rows: Vec<Vec<Cell>> =
            thinned(&points).map(|(at, value)| vec![Cell::Number(length(*at)), Cell::Number(words(*value, unit))]).collect();
        if points.is_empty() { Html::new() } else { figure(title, about, &drawn, &folded(title, &head, &rows)) }
    };
    out.raw("<div class=\"grid-2\">");
    out.put(&chart(
        "Rows copied",
        "Since the run began; rows that were only compared are not counted.",
        Unit::Count,
        &|s| Some(s.rows),
        None,
    ));
    out.put(&chart("Bytes written", "COPY, since the run began.", Unit::Bytes, &|s| Some(s.bytes), None));
    out.put(&chart("Busy workers", "Workers with a job in hand.", Unit::Count, &|s| Some(s.workers_busy), None));
    let level = run.memory.and_then(|memory| memory.limit_mb).filter(|limit| *limit > 0.0).map(|limit| (limit, "limit"));
    out.put(&chart("Memory", &memory(run), Unit::Megabytes, &|s| s.memory_mb, level));
    out.raw("</div>");
    out
}

fn memory(run: &Run) -> String {
    let Memory { limit_mb, predicted_mb, high_mb } = run.memory.unwrap_or_default();
    let parts = [("limit", limit_mb), ("predicted", predicted_mb), ("most", high_mb)];
    let told: Vec<String> =
        parts.into_iter().filter_map(|(name, mb)| Some(format!("{name} {}", words(mb?, Unit::Megabytes)))).collect();
    if told.is_empty() { "Resident size of the process.".into() } else { format!("Resident size; {}.", told.join(", ")) }
}

/// At most 50 of the points.
fn thinned(points: &[(f64, f64)]) -> impl Iterator<Item = &(f64, f64)> {
    points.iter().step_by(points.len().div_ceil(50).max(1))
}

/// The tables that took longest.
#[must_use]
pub fn slowest(run: &Run) -> Html {
    let mut tables: Vec<_> = run.tables.iter().filter(|table| table.seconds > 0.0).collect();
    tables.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    let mut out = Html::new();
    let Some(longest) = tables.first().map(|table| table.seconds) else {
        out.tag("p", "empty", "No table was read.");
        return out;
    };
    let rows: Vec<Vec<Cell>> = tables
        .iter()
        .take(SLOWEST)
        .map(|table| {
            vec![
                Cell::Text(table.table.clone()),
                Cell::Markup(charts::bar(table.seconds / longest, if table.error.is_some() { "bad" } else { "c1" })),
                Cell::Number(length(table.seconds)),
                Cell::Number(number(table.rows_read)),
                Cell::Number(words(real(table.rows_read) / table.seconds.max(1e-9), Unit::Count)),
                Cell::Text(table.strategy.clone()),
            ]
        })
        .collect();
    let head = ["table", "", "time", "rows read", "rows/s", "strategy"];
    out.raw("<div class=\"card slowest\">").put(&table("From the first job of a table to its end", &head, &rows)).raw("</div>");
    out
}

/// What became of the transformation, where there was one.
#[must_use]
pub fn transform(run: &Run) -> Html {
    let mut out = Html::new();
    let Some(transform) = &run.transform else { return out };
    out.raw("<section id=\"transform\"><h2>Transformation</h2><p>").text(&transform.tool).raw(" ").put(&badge(&transform.status));
    let [passed, warned, failed] = [transform.passed, transform.warned, transform.failed].map(number);
    out.text(&format!(" {passed} passed, {warned} warned, {failed} failed"));
    out.text(&transform.seconds.map_or_else(String::new, |seconds| format!(", in {}", length(seconds)))).raw(".</p>");
    let rows: Vec<Vec<Cell>> = transform
        .models
        .iter()
        .take(500)
        .map(|model| match model {
            Model::Name(name) => vec![Cell::Text(name.clone()), Cell::Text(String::new()), Cell::Number(String::new())],
            Model::Told(told) => vec![
                Cell::Text(told.name.clone()),
                Cell::Status(told.status.clone()),
                Cell::Number(told.seconds.map_or_else(String::new, length)),
            ],
        })
        .collect();
    if !rows.is_empty() {
        out.raw("<div class=\"card\">").put(&table("Models and tests", &["model", "status", "time"], &rows)).raw("</div>");
    }
    out.raw("</section>");
    out
}
