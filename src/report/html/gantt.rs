//! Who did what when: a lane per worker, and a lane per table.

use super::charts::{figure, legend, x_axis};
use super::document::{Run, Span};
use super::markup::{Cell, Html, folded};
use super::scale::{Scale, Unit, length, percent, words};
use crate::report::text::number;
use std::collections::BTreeMap;

/// Lanes of tables; the longest ones.
const TABLES_SHOWN: usize = 40;

/// Spans in the table of figures; the longest ones.
const SPANS_TOLD: usize = 100;

/// What the colours are.
const COLOURS: [(&str, &str); 5] =
    [("c1", "copied"), ("c2", "compared"), ("c3", "mended"), ("c4", "counted, decided, finished"), ("bad", "failed")];

/// The figure; a note where nothing was recorded.
#[must_use]
pub fn timeline(run: &Run, seconds: f64) -> Html {
    let mut out = Html::new();
    let hops: Vec<(&str, &Run)> = super::hops(run);
    let spans: Vec<(&str, &Span)> =
        hops.iter().flat_map(|(hop, run)| run.timeline.spans.iter().map(move |span| (*hop, span))).collect();
    if spans.is_empty() {
        out.tag("p", "empty", "This run recorded no timeline: nothing was read, or an older version wrote its document.");
        return out;
    }
    let end = spans.iter().map(|(_, span)| (span.at_ms + span.ms) / 1_000.0).fold(seconds, f64::max);
    let x = Scale::exact(end, Unit::Seconds);
    let mut chart = Html::new();
    chart.raw("<div class=\"tabs\" role=\"tablist\" aria-label=\"Lanes of the timeline\">");
    for (id, name, selected) in [("by-worker", "By worker", "true"), ("by-table", "By table", "false")] {
        chart.raw("<button type=\"button\" role=\"tab\"").attr("id", format_args!("tab-{id}")).attr("aria-controls", id);
        chart.attr("aria-selected", selected).raw(">").text(name).raw("</button>");
    }
    chart.raw("</div><div id=\"by-worker\" role=\"tabpanel\" aria-labelledby=\"tab-by-worker\">");
    chart.put(&lanes(by_worker(&spans), &x)).raw("</div>");
    let (tables, hidden) = by_table(&spans);
    chart.raw("<div id=\"by-table\" role=\"tabpanel\" aria-labelledby=\"tab-by-table\">").put(&lanes(tables, &x));
    if hidden > 0 {
        chart.tag(
            "p",
            "note",
            &format!("The {TABLES_SHOWN} tables with the longest work; {hidden} more are in the table of tables."),
        );
    }
    chart.raw("</div>").put(&legend(COLOURS.into_iter()));
    chart.raw("<p class=\"picked\" role=\"status\" id=\"picked\">Point at a bar, or choose it, to see what it was.</p>");
    let dropped: u64 = hops.iter().map(|(_, run)| run.timeline.dropped).sum();
    let about = match dropped {
        0 => format!("{} steps of workers, each a bar.", number(u64::try_from(spans.len()).unwrap_or(0))),
        _ => format!("Each bar is a step of a worker. {} short steps are left out.", number(dropped)),
    };
    out.put(&figure("Tables and workers", &about, &chart, &told(&spans)));
    out
}

struct Lane<'a> {
    name: String,
    spans: Vec<&'a Span>,
}

fn by_worker<'a>(spans: &[(&str, &'a Span)]) -> Vec<Lane<'a>> {
    let mut lanes: BTreeMap<(bool, u64), Lane<'a>> = BTreeMap::new();
    for (hop, span) in spans {
        let name = if hop.is_empty() { format!("worker {}", span.worker + 1) } else { format!("{hop} {}", span.worker + 1) };
        let lane = lanes.entry((hop.is_empty(), span.worker)).or_insert_with(|| Lane { name, spans: Vec::new() });
        lane.spans.push(span);
    }
    lanes.into_values().collect()
}

/// Lanes in the order of their begin, and how many tables have none.
fn by_table<'a>(spans: &[(&str, &'a Span)]) -> (Vec<Lane<'a>>, usize) {
    let mut tables: BTreeMap<&str, Vec<&'a Span>> = BTreeMap::new();
    for (_, span) in spans {
        tables.entry(span.table.as_str()).or_default().push(span);
    }
    let mut all: Vec<(&str, Vec<&Span>)> = tables.into_iter().collect();
    let work = |spans: &[&Span]| spans.iter().map(|span| span.ms).sum::<f64>();
    let begin = |spans: &[&Span]| spans.iter().map(|span| span.at_ms).fold(f64::INFINITY, f64::min);
    all.sort_by(|a, b| work(&b.1).total_cmp(&work(&a.1)));
    let hidden = all.len().saturating_sub(TABLES_SHOWN);
    all.truncate(TABLES_SHOWN);
    all.sort_by(|a, b| begin(&a.1).total_cmp(&begin(&b.1)));
    (all.into_iter().map(|(table, spans)| Lane { name: table.to_owned(), spans }).collect(), hidden)
}

fn lanes(lanes: Vec<Lane<'_>>, x: &Scale) -> Html {
    let mut out = Html::new();
    out.raw("<div class=\"lanes\">");
    for lane in lanes {
        out.raw("<div class=\"lane\"><span class=\"lane-name\"").attr("title", &lane.name).raw(">").text(&lane.name);
        out.raw("</span><svg width=\"100%\" height=\"20\" role=\"img\"");
        out.attr("aria-label", format_args!("{}: {} steps", lane.name, lane.spans.len())).raw(">");
        for tick in &x.ticks {
            let at = percent(x.at(*tick));
            out.raw("<line class=\"grid\" y1=\"0\" y2=\"20\"").attr("x1", &at).attr("x2", &at).raw("/>");
        }
        lane.spans.iter().for_each(|span| bar(&mut out, span, x));
        out.raw("</svg></div>");
    }
    out.raw("<div class=\"lane axis\"><span></span><svg width=\"100%\" height=\"18\" aria-hidden=\"true\">");
    out.put(&x_axis(x, 13.0)).raw("</svg></div></div>");
    out
}

/// A bar; its table's name in it where there is room.
fn bar(out: &mut Html, span: &Span, x: &Scale) {
    let from = x.at(span.at_ms / 1_000.0);
    // What took no time that can be seen is seen all the same.
    let width = (x.at((span.at_ms + span.ms) / 1_000.0) - from).max(0.002).min(1.0 - from.min(0.998));
    let from = from.min(1.0 - width);
    out.raw("<rect class=\"span ").raw(class(span)).raw("\" y=\"2\" height=\"16\" rx=\"1.5\"");
    out.attr("x", percent(from)).attr("width", percent(width)).raw("><title>").text(&title(span)).raw("</title></rect>");
    if width > 0.09 {
        let size = if width > 0.3 { "bar-name wide" } else { "bar-name" };
        out.raw("<svg y=\"2\" height=\"16\"").attr("class", size).attr("x", percent(from)).attr("width", percent(width));
        out.raw("><text x=\"5\" y=\"12\">").text(&span.table).raw("</text></svg>");
    }
}

fn class(span: &Span) -> &'static str {
    let word = span.what.split(' ').next().unwrap_or_default();
    match word {
        _ if span.error.is_some() => "bad",
        "load" | "chunk" => "c1",
        "look" => "c2",
        "mend" => "c3",
        _ => "c4",
    }
}

fn title(span: &Span) -> String {
    let mut out = format!("{} · {} · {}", span.table, span.what, length(span.ms / 1_000.0));
    out.push_str(&format!(" from {}", length(span.at_ms / 1_000.0)));
    if span.rows > 0 {
        out.push_str(&format!(" · {} rows, {}", number(span.rows), words(super::scale::real(span.bytes), Unit::Bytes)));
    }
    if let Some(error) = &span.error {
        out.push_str(&format!(" · failed: {error}"));
    }
    out
}

fn told(spans: &[(&str, &Span)]) -> Html {
    let mut longest: Vec<&(&str, &Span)> = spans.iter().collect();
    longest.sort_by(|a, b| b.1.ms.total_cmp(&a.1.ms));
    let rows: Vec<Vec<Cell>> = longest.iter().take(SPANS_TOLD).map(|(hop, span)| row(hop, span)).collect();
    let caption = if spans.len() > SPANS_TOLD { "The 100 longest steps" } else { "All steps, the longest first" };
    folded(caption, &["table", "step", "worker", "begin", "length", "rows", "bytes", "error"], &rows)
}

fn row(hop: &str, span: &Span) -> Vec<Cell> {
    vec![
        Cell::Text(span.table.clone()),
        Cell::Text(if hop.is_empty() { span.what.clone() } else { format!("{hop}: {}", span.what) }),
        Cell::Number((span.worker + 1).to_string()),
        Cell::Number(length(span.at_ms / 1_000.0)),
        Cell::Number(length(span.ms / 1_000.0)),
        Cell::Number(number(span.rows)),
        Cell::Number(words(super::scale::real(span.bytes), Unit::Bytes)),
        Cell::Text(span.error.clone().unwrap_or_default()),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::document::Timeline;
    use super::*;
    use proptest::prelude::*;

    fn span(worker: u64, at_ms: f64, ms: f64) -> Span {
        Span { worker, table: "<t>".into(), what: "chunk 1".into(), at_ms, ms, ..Span::default() }
    }

    fn run(spans: Vec<Span>) -> Run {
        Run { timeline: Timeline { spans, dropped: 3 }, ..Run::default() }
    }

    proptest! {
        #[test]
        fn bars_stay_inside_whatever_the_clocks_say(
            times in proptest::collection::vec((any::<f64>(), any::<f64>()), 1..20),
            sane in proptest::collection::vec((0.0..1e7, 0.0..1e6), 0..20),
            seconds in any::<f64>(),
        ) {
            let spans = times.into_iter().chain(sane).map(|(at, ms)| span(0, at, ms)).collect();
            let drawn = timeline(&run(spans), seconds);
            let text = drawn.as_str();
            prop_assert!(!text.contains("NaN") && !text.contains("inf%") && !text.contains("=\"-"));
            for rect in text.split("<rect class=\"span").skip(1) {
                let part = |name: &str| -> f64 {
                    let value = rect.split(name).nth(1).and_then(|rest| rest.split('%').next());
                    value.and_then(|value| value.parse().ok()).unwrap_or(f64::NAN)
                };
                let (x, width) = (part(" x=\""), part(" width=\""));
                prop_assert!(x >= 0.0 && width > 0.0 && x + width <= 100.001, "{} {}", x, width);
            }
        }
    }

    #[test]
    fn lanes_are_workers_and_tables_and_names_are_escaped() {
        let drawn = timeline(&run(vec![span(0, 0.0, 900.0), span(1, 100.0, 900.0)]), 1.0);
        let text = drawn.as_str();
        assert!(text.contains("worker 1") && text.contains("worker 2") && text.contains("&lt;t&gt;") && !text.contains("<t>"));
        assert!(text.contains("3 short steps are left out"));
        assert!(timeline(&Run::default(), 0.0).as_str().contains("recorded no timeline"));
    }
}
