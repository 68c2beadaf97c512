//! Charts as SVG that fits any width: places along x are percentages, so that words keep their size on a phone. Each stands in a
//! figure with a caption, and with its numbers as a table.

use super::markup::Html;
use super::scale::{Scale, percent};

/// Height of a plot, and what is above it for the uppermost word.
const HEIGHT: f64 = 120.0;
const TOP: f64 = 10.0;

/// A chart with its caption, a line about what it shows, and its numbers.
#[must_use]
pub fn figure(title: &str, about: &str, chart: &Html, numbers: &Html) -> Html {
    let mut out = Html::new();
    out.raw("<figure class=\"card\"><figcaption>").tag("h3", "", title);
    if !about.is_empty() {
        out.tag("p", "about", about);
    }
    out.raw("</figcaption>").put(chart).put(numbers).raw("</figure>");
    out
}

/// A value over time.
#[derive(Debug)]
pub struct Line<'a> {
    /// What a reader who does not see it is told.
    pub label: &'a str,
    /// Along x.
    pub x: &'a Scale,
    /// Along y.
    pub y: &'a Scale,
    /// Where it went.
    pub points: &'a [(f64, f64)],
    /// A level that stays, and its name.
    pub level: Option<(f64, &'a str)>,
    /// Stays at its value until the next one.
    pub is_steps: bool,
}

/// Draws a line with the area below it.
#[must_use]
pub fn line(line: &Line<'_>) -> Html {
    let mut out = Html::new();
    out.raw("<div class=\"chart\">").put(&y_axis(line.y));
    out.raw("<svg class=\"plot\" role=\"img\" width=\"100%\"").attr("height", HEIGHT + TOP + 20.0).attr("aria-label", line.label);
    out.raw(">").put(&grid(line.y)).put(&x_axis(line.x, HEIGHT + TOP + 16.0));
    out.raw("<svg width=\"100%\"").attr("y", TOP).attr("height", HEIGHT);
    out.raw(" viewBox=\"0 0 1000 1000\" preserveAspectRatio=\"none\">");
    let path = path(line);
    if let Some((first, last)) = line.points.first().zip(line.points.last()) {
        let (from, to) = (thousand(line.x.at(first.0)), thousand(line.x.at(last.0)));
        out.raw("<path class=\"area\"").attr("d", format!("M{from},1000 L{path} L{to},1000 Z")).raw("/>");
        out.raw("<path class=\"line\"").attr("d", format!("M{path}")).raw("/>");
    }
    out.raw("</svg>");
    if let Some((level, name)) = line.level {
        let y = height(line.y, level);
        out.raw("<line class=\"level\" x1=\"0\" x2=\"100%\"").attr("y1", &y).attr("y2", &y).raw("/>");
        out.raw("<text class=\"level-name\" x=\"100%\" dx=\"-4\" dy=\"-4\" text-anchor=\"end\"").attr("y", &y).raw(">");
        out.text(name).raw("</text>");
    }
    for pair in line.points.windows(2) {
        let [(from, _), (to, value)] = pair else { continue };
        let (x, width) = (line.x.at(*from), line.x.at(*to) - line.x.at(*from));
        out.raw("<rect class=\"hit\" y=\"0\"").attr("height", HEIGHT + TOP).attr("x", percent(x)).attr("width", percent(width));
        out.raw("><title>").show(format_args!("{}: {}", line.x.label(*to), line.y.label(*value))).raw("</title></rect>");
    }
    out.raw("</svg></div>");
    out
}

fn path(line: &Line<'_>) -> String {
    let mut out = String::new();
    let mut before = None;
    for (x, y) in line.points {
        let (x, y) = (thousand(line.x.at(*x)), thousand(1.0 - line.y.at(*y)));
        if let Some(before) = before.filter(|_| line.is_steps) {
            out.push_str(&format!("{x},{before} "));
        }
        out.push_str(&format!("{x},{y} "));
        before = Some(y);
    }
    out.trim_end().to_owned()
}

fn thousand(part: f64) -> String {
    let text = format!("{:.1}", part * 1000.0);
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

fn height(y: &Scale, value: f64) -> String {
    format!("{:.1}", TOP + (1.0 - y.at(value)) * HEIGHT)
}

fn y_axis(y: &Scale) -> Html {
    let mut out = Html::new();
    out.raw("<svg class=\"y-axis\" aria-hidden=\"true\" width=\"62\"").attr("height", HEIGHT + TOP + 20.0).raw(">");
    for tick in &y.ticks {
        out.raw("<text x=\"56\" dy=\"4\" text-anchor=\"end\"").attr("y", height(y, *tick)).raw(">").text(&y.label(*tick));
        out.raw("</text>");
    }
    out.raw("</svg>");
    out
}

fn grid(y: &Scale) -> Html {
    let mut out = Html::new();
    for tick in &y.ticks {
        let y = height(y, *tick);
        out.raw("<line class=\"grid\" x1=\"0\" x2=\"100%\"").attr("y1", &y).attr("y2", &y).raw("/>");
    }
    out
}

/// Words below a plot; the outer ones stay inside.
#[must_use]
pub fn x_axis(x: &Scale, y: f64) -> Html {
    let mut out = Html::new();
    for tick in &x.ticks {
        let at = x.at(*tick);
        let anchor = if at < 0.02 { "start" } else { "middle" };
        out.raw("<text class=\"tick\"").attr("text-anchor", anchor).attr("x", percent(at)).attr("y", y).raw(">");
        out.text(&x.label(*tick)).raw("</text>");
    }
    out
}

/// One of several bars side by side.
#[derive(Debug)]
pub struct Bar {
    /// How high.
    pub value: f64,
    /// Its colour: `good`, `warn`, `bad`, or none.
    pub class: &'static str,
    /// What it is.
    pub title: String,
    /// A word below it, where there is room.
    pub word: String,
    /// The one that the page is about.
    pub is_this: bool,
}

/// Draws bars, the first one at the left. Few bars do not become broad.
#[must_use]
pub fn bars(label: &str, y: &Scale, bars: &[Bar]) -> Html {
    let mut out = Html::new();
    let count = u32::try_from(bars.len().max(1)).map_or(1.0, f64::from);
    let slot = (1.0 / count).min(0.06);
    // About so many words fit on a phone.
    let every = bars.len().div_ceil(4).max((0.2 / slot).ceil().to_string().parse().unwrap_or(1));
    out.raw("<div class=\"chart\">").put(&y_axis(y)).raw("<svg class=\"plot\" role=\"img\" width=\"100%\"");
    out.attr("height", HEIGHT + TOP + 20.0).attr("aria-label", label).raw(">").put(&grid(y));
    let mut x = 0.0;
    for (index, bar) in bars.iter().enumerate() {
        let high = y.at(bar.value) * HEIGHT;
        // What is there is seen, however small.
        let high = if bar.value > 0.0 { high.max(1.5) } else { 0.0 };
        out.raw("<rect").attr("class", format_args!("bar {}{}", bar.class, if bar.is_this { " this" } else { "" }));
        out.attr("x", percent(x + slot * 0.1)).attr("width", percent(slot * 0.8));
        out.attr("y", format_args!("{:.1}", TOP + HEIGHT - high)).attr("height", format_args!("{high:.1}"));
        out.raw("><title>").text(&bar.title).raw("</title></rect>");
        if index % every == 0 && x < 0.9 {
            out.raw("<text class=\"tick\" text-anchor=\"start\"")
                .attr("x", percent(x + slot * 0.1))
                .attr("y", HEIGHT + TOP + 16.0);
            out.raw(">").text(&bar.word).raw("</text>");
        }
        x += slot;
    }
    out.raw("</svg></div>");
    out
}

/// A part of a whole.
#[derive(Debug)]
pub struct Part {
    /// How much.
    pub value: f64,
    /// Its colour, one of the style sheet.
    pub class: &'static str,
    /// What it is.
    pub name: String,
}

/// One bar that shows how a whole is divided, and what the colours mean.
#[must_use]
pub fn parts(label: &str, parts: &[Part]) -> Html {
    let whole: f64 = parts.iter().map(|part| part.value).sum();
    let scale = Scale::exact(whole, super::scale::Unit::Count);
    let mut out = Html::new();
    out.raw("<svg class=\"parts\" role=\"img\" width=\"100%\" height=\"22\"").attr("aria-label", label).raw(">");
    let mut x = 0.0;
    for part in parts.iter().filter(|part| part.value > 0.0) {
        out.raw("<rect y=\"0\" height=\"22\"").attr("class", part.class).attr("x", percent(scale.at(x)));
        out.attr("width", percent(scale.at(x + part.value) - scale.at(x)))
            .raw("><title>")
            .text(&part.name)
            .raw("</title></rect>");
        x += part.value;
    }
    out.raw("</svg>").put(&legend(parts.iter().map(|part| (part.class, part.name.as_str()))));
    out
}

/// What colours mean.
pub fn legend<'a>(colours: impl Iterator<Item = (&'static str, &'a str)>) -> Html {
    let mut out = Html::new();
    out.raw("<ul class=\"legend\">");
    for (class, name) in colours {
        out.raw("<li><svg width=\"12\" height=\"12\" aria-hidden=\"true\"><rect width=\"12\" height=\"12\" rx=\"2\"");
        out.attr("class", class).raw("/></svg>").text(name).raw("</li>");
    }
    out.raw("</ul>");
    out
}

/// A horizontal bar for a cell.
#[must_use]
pub fn bar(part: f64, class: &'static str) -> Html {
    let mut out = Html::new();
    out.raw("<svg class=\"bar-cell\" aria-hidden=\"true\" width=\"100%\" height=\"12\"><rect height=\"12\" rx=\"2\"");
    out.attr("class", class).attr("width", percent(part.max(0.002))).raw("/></svg>");
    out
}

/// A small line of the last values; nothing for fewer than two.
#[must_use]
pub fn spark(values: &[f64]) -> Html {
    let mut out = Html::new();
    if values.len() < 2 {
        return out;
    }
    let max = values.iter().copied().fold(0.0, f64::max);
    let (y, last) = (Scale::exact(max, super::scale::Unit::Count), values.len() - 1);
    let x = Scale::exact(u32::try_from(last).map_or(1.0, f64::from), super::scale::Unit::Count);
    let mut at = 0.0;
    let mut points = String::new();
    for value in values {
        points.push_str(&format!("{:.0},{:.0} ", x.at(at) * 64.0 + 2.0, 14.0 - y.at(*value) * 12.0));
        at += 1.0;
    }
    out.raw("<svg class=\"spark\" aria-hidden=\"true\" width=\"68\" height=\"16\"><polyline");
    out.attr("points", points.trim_end()).raw("/></svg>");
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::scale::Unit;
    use super::*;
    use proptest::prelude::*;

    /// Values of an attribute in markup.
    fn values(markup: &Html, name: &str) -> Vec<String> {
        let start = format!(" {name}=\"");
        markup.as_str().split(&start).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    }

    fn number(text: &str) -> f64 {
        text.trim_end_matches('%').parse().unwrap_or(f64::NAN)
    }

    fn anything() -> impl Strategy<Value = f64> {
        prop_oneof![0.0..1e9, any::<f64>(), Just(0.0)]
    }

    proptest! {
        #[test]
        fn nothing_is_drawn_outside(points in proptest::collection::vec((anything(), anything()), 0..40), max in anything(), steps: bool) {
            let (x, y) = (Scale::exact(max, Unit::Seconds), Scale::round(max, Unit::Bytes));
            let drawn = line(&Line { label: "l", x: &x, y: &y, points: &points, level: Some((max, "limit")), is_steps: steps });
            prop_assert!(!drawn.as_str().contains("NaN") && !drawn.as_str().contains("inf"), "{}", drawn.as_str());
            for path in values(&drawn, "d") {
                for number in path.split(['M', 'L', 'Z', ',', ' ']).filter(|part| !part.is_empty()) {
                    prop_assert!((0.0..=1000.0).contains(&number.parse::<f64>().unwrap_or(f64::NAN)), "{}", path);
                }
            }
            for place in values(&drawn, "y1").iter().chain(&values(&drawn, "y")) {
                prop_assert!((0.0..=HEIGHT + TOP + 20.0).contains(&number(place)), "{}", place);
            }
        }

        #[test]
        fn bars_and_parts_stay_inside(heights in proptest::collection::vec(anything(), 0..120)) {
            let all: Vec<Bar> = heights
                .iter()
                .map(|value| Bar { value: *value, class: "good", title: "t".into(), word: "w".into(), is_this: false })
                .collect();
            let drawn = bars("b", &Scale::round(heights.iter().copied().fold(0.0, f64::max), Unit::Count), &all);
            let pieces: Vec<Part> = heights
                .iter()
                .filter(|value| value.is_finite() && **value < 1e9)
                .map(|value| Part { value: *value, class: "c1", name: "n".into() })
                .collect();
            let divided = parts("p", &pieces);
            let sparked = spark(&heights);
            for markup in [&drawn, &divided, &sparked] {
                prop_assert!(!markup.as_str().contains("NaN") && !markup.as_str().contains("inf"), "{}", markup.as_str());
                prop_assert!(!markup.as_str().contains("=\"-"), "{}", markup.as_str());
            }
            let ends = values(&drawn, "x").into_iter().zip(values(&drawn, "width"));
            for (x, width) in ends.filter(|(x, _)| x.ends_with('%')) {
                prop_assert!(number(&x) <= 100.0 && number(&width) <= 100.0);
            }
            prop_assert!(values(&drawn, "height").iter().all(|h| (0.0..=HEIGHT + TOP + 20.0).contains(&number(h))));
        }
    }

    #[test]
    fn a_line_without_points_is_an_empty_plot() {
        let scale = Scale::round(1.0, Unit::Count);
        let drawn = line(&Line { label: "l", x: &scale, y: &scale, points: &[], level: None, is_steps: false });
        assert!(drawn.as_str().contains("<svg") && !drawn.as_str().contains("<path"));
        assert!(spark(&[1.0]).is_empty());
    }
}
