//! Text as HTML. Only text of this program goes in as it is; whatever comes from a document is escaped, by types: `raw` takes
//! nothing that was made at run time.

use std::fmt::Display;

/// Letters of a cell that keeps some width, however narrow the page.
const LONG: usize = 20;

/// HTML in the making.
#[derive(Debug, Clone, Default)]
pub struct Html {
    out: String,
}

impl Html {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Text of this program, as it is.
    pub fn raw(&mut self, text: &'static str) -> &mut Self {
        self.out.push_str(text);
        self
    }

    /// Any text, escaped for content and for attributes in double quotes.
    pub fn text(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' => self.out.push_str("&quot;"),
                '\'' => self.out.push_str("&#39;"),
                // Neither HTML nor a reader knows what to do with them.
                c if c.is_control() && c != '\n' && c != '\t' => self.out.push('\u{FFFD}'),
                // They turn the order of the text around them.
                '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => self.out.push('\u{FFFD}'),
                c => self.out.push(c),
            }
        }
        self
    }

    /// Anything that shows itself, escaped.
    pub fn show(&mut self, value: impl Display) -> &mut Self {
        self.text(&value.to_string())
    }

    /// Other markup.
    pub fn put(&mut self, other: &Self) -> &mut Self {
        self.out.push_str(&other.out);
        self
    }

    /// An element with text; `class` may be empty.
    pub fn tag(&mut self, name: &'static str, class: &'static str, text: &str) -> &mut Self {
        self.open(name, class).text(text);
        self.raw("</").raw(name).raw(">")
    }

    /// The begin of an element.
    pub fn open(&mut self, name: &'static str, class: &'static str) -> &mut Self {
        self.raw("<").raw(name);
        if !class.is_empty() {
            self.raw(" class=\"").raw(class).raw("\"");
        }
        self.raw(">")
    }

    /// ` name="value"`.
    pub fn attr(&mut self, name: &'static str, value: impl Display) -> &mut Self {
        self.raw(" ").raw(name).raw("=\"").show(value).raw("\"")
    }

    /// Bytes so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether there is nothing yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.out
    }
}

/// A cell of a table.
#[derive(Debug, Clone)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A number as people read it.
    Number(String),
    /// A status word, shown as a badge.
    Status(String),
    /// Markup.
    Markup(Html),
}

/// A table of figures: a caption, a head, rows.
#[must_use]
pub fn table(caption: &str, head: &[&str], rows: &[Vec<Cell>]) -> Html {
    let mut out = Html::new();
    out.raw("<div class=\"scroll\" tabindex=\"0\" role=\"region\"").attr("aria-label", caption).raw("><table>");
    out.raw("<caption>").tag("span", "", caption).raw("</caption><thead><tr>");
    for (column, name) in head.iter().enumerate() {
        let is_number = rows.first().and_then(|row| row.get(column)).is_some_and(|cell| matches!(cell, Cell::Number(_)));
        out.raw(if is_number { "<th scope=\"col\" class=\"n\">" } else { "<th scope=\"col\">" }).text(name).raw("</th>");
    }
    out.raw("</tr></thead><tbody>");
    for row in rows {
        out.raw("<tr>");
        row.iter().for_each(|one| cell(&mut out, one));
        out.raw("</tr>");
    }
    out.raw("</tbody></table></div>");
    out
}

fn cell(out: &mut Html, cell: &Cell) {
    match cell {
        Cell::Text(text) => out.tag("td", if text.chars().count() > LONG { "long" } else { "" }, text),
        Cell::Number(text) => out.tag("td", "n", text),
        Cell::Status(word) => out.raw("<td>").put(&badge(word)).raw("</td>"),
        Cell::Markup(markup) => out.raw("<td>").put(markup).raw("</td>"),
    };
}

/// A status word with its colour; the word says it without the colour.
#[must_use]
pub fn badge(word: &str) -> Html {
    let mut out = Html::new();
    out.tag("span", class_of(word), &word.replace('_', " "));
    out
}

fn class_of(word: &str) -> &'static str {
    let one_of = |words: &[&str]| words.contains(&word);
    if one_of(&["success", "loaded", "completed", "pass", "ok", "content", "sent"]) {
        "badge good"
    } else if one_of(&["failed", "refused", "error", "fail"]) {
        "badge bad"
    } else if one_of(&["incomplete", "stopped", "not_reached", "warning", "warn", "none"]) {
        "badge warn"
    } else {
        "badge"
    }
}

/// A figure's numbers, folded below it.
#[must_use]
pub fn folded(caption: &str, head: &[&str], rows: &[Vec<Cell>]) -> Html {
    let mut out = Html::new();
    out.raw("<details class=\"as-table\"><summary>Figures as a table</summary>")
        .put(&table(caption, head, rows))
        .raw("</details>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_of_documents_is_harmless_in_content_and_in_attributes() {
        let mut out = Html::new();
        out.tag("td", "n", "<script>alert('x')</script>").raw("<i").attr("title", "\" onload=\"x\u{202E}\u{7}").raw(">");
        assert_eq!(
            out.as_str(),
            "<td class=\"n\">&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;</td><i title=\"&quot; onload=&quot;x\u{FFFD}\u{FFFD}\">"
        );
    }

    proptest! {
        #[test]
        fn no_text_ever_opens_a_tag_or_closes_an_attribute(text in any::<String>()) {
            let mut out = Html::new();
            out.text(&text);
            prop_assert!(!out.as_str().contains(['<', '>', '"', '\'']));
        }
    }

    #[test]
    fn a_status_that_nobody_knows_has_no_colour() {
        assert_eq!(badge("not_reached").as_str(), "<span class=\"badge warn\">not reached</span>");
        assert_eq!(badge("<b>").as_str(), "<span class=\"badge\">&lt;b&gt;</span>");
    }
}
