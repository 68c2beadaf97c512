//! The page as a whole: what is in it whatever the documents say, how long it gets, and its colours.

#![allow(clippy::unwrap_used)]

use super::document::*;
use super::*;

fn failure(text: &str) -> Failure {
    Failure { kind: "data".into(), message: text.into(), hint: text.into() }
}

fn table(name: &str, number: u64) -> Table {
    Table {
        table: name.into(),
        target: format!("raw.{name}"),
        status: if number.is_multiple_of(50) { "failed".into() } else { "loaded".into() },
        proof: "counts".into(),
        strategy: "parallel".into(),
        reason: "refresh of 120.5 MB in 3 chunks, each of them by a worker of its own".into(),
        chunks: 3,
        snapshot: "shared".into(),
        rows: 1_234_567 + number,
        rows_read: number * 1_000,
        bytes: number * 100_000,
        seconds: f64::from(u32::try_from(number).unwrap()) / 7.0,
        rejected: number % 3,
        healed: number.is_multiple_of(9).then(|| Healed {
            drift: 2,
            via: "2 ranges".into(),
            cause: "counts".into(),
            ..Healed::default()
        }),
        certificate: Some(Certificate { checked: "content".into(), digest: Some("ab".repeat(16)), ..Certificate::default() }),
        values: vec![Value { column: "c".into(), fault: "zero_date".into(), done: "null".into(), count: 7 }],
        error: number.is_multiple_of(50).then(|| failure("it failed for some reason that takes a line to tell")),
        ..Table::default()
    }
}

/// A night as it is in a large place: so many tables, so many runs before.
fn large(tables: u64, runs: u64) -> Documents {
    let name = |number: u64| format!("a_table_with_a_usual_name_{number}");
    let tables: Vec<Table> = (0..tables).map(|number| table(&name(number), number)).collect();
    let span = |number: u64| Span {
        worker: number % 8,
        table: name(number / 4),
        what: format!("chunk {}", number % 4 + 1),
        at_ms: scale::real(number * 20),
        ms: scale::real(number % 300),
        rows: number,
        bytes: number,
        error: None,
    };
    let sample = |number: u64| Sample {
        at_ms: scale::real(number * 300),
        rows: scale::real(number * 5_000),
        bytes: scale::real(number * 900_000),
        memory_mb: Some(40.0 + scale::real(number % 20)),
        workers_busy: scale::real(number % 9),
    };
    let past = |number: u64| Past {
        run_id: format!("run-{number:04}"),
        status: "success".into(),
        started_at: format!("2026-10-{:02}T01:00:00Z", number % 30 + 1),
        seconds: 60.0,
        tables: tables
            .iter()
            .map(|table| PastTable { table: table.table.clone(), status: "loaded".into(), seconds: table.seconds })
            .collect(),
        ..Past::default()
    };
    let history = (0..runs).map(past).collect();
    let run = Run {
        run_id: "run-0099".into(),
        status: "failed".into(),
        exit_code: 1,
        started_at: "2026-11-22T01:00:00.000Z".into(),
        seconds: 61.5,
        timeline: Timeline { spans: (0..2_048).map(span).collect(), dropped: 9 },
        samples: (0..200).map(sample).collect(),
        memory: Some(Memory { limit_mb: Some(256.0), predicted_mb: Some(120.0), high_mb: Some(61.0) }),
        phases: vec![Phase { name: "load".into(), state: "completed".into(), seconds: Some(60.0), ..Phase::default() }],
        transform: Some(Transform { tool: "dbt".into(), models: vec![Model::Name("stg".into())], ..Transform::default() }),
        tables,
        ..Run::default()
    };
    Documents { run, history, skipped: Vec::new() }
}

/// Nothing that a page must never have.
fn check(page: &str) {
    for bad in ["NaN", "inf%", "{{", "}}\"", "http://", "https://"] {
        assert!(
            !page.contains(bad),
            "{bad}: {:?}",
            page.split(bad).next().map(|before| &before[before.len().saturating_sub(200)..])
        );
    }
    for name in ["section", "table", "figure", "svg", "details", "div", "tr", "td", "dl", "ul", "li"] {
        let (open, close) = (
            page.matches(&format!("<{name} ")).count() + page.matches(&format!("<{name}>")).count(),
            page.matches(&format!("</{name}>")).count(),
        );
        assert_eq!(open, close, "{name} is opened and closed as often");
    }
}

#[test]
fn an_empty_run_has_a_page() {
    let page = page(&Documents::default());
    check(&page);
    for words in
        ["recorded no timeline", "took no samples", "No table was read", "nothing is proved", "reached no table", "No document"]
    {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn what_a_run_told_is_in_its_page() {
    let page = page(&large(51, 3));
    check(&page);
    for words in [
        "2026-11-22 01:00:00 UTC",
        "1: a table failed, or differs",
        "a_table_with_a_usual_name_50",
        "it failed for some reason",
        "9 short steps are left out",
        "2 ranges",
        "all rows compared by content",
        "limit 256 MiB, predicted 120 MiB, most 61 MiB",
        "became NULL",
        "stg",
        "Phases",
        "Runs, the latest first",
        "Slowest tables over the runs",
    ] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn both_hops_of_a_run_through_a_replica_are_on_one_line_of_time() {
    let (mut documents, first) = (large(3, 1), large(3, 1).run);
    documents.run.replicate = Some(Box::new(Run { warnings: vec!["of the first hop".into()], ..first }));
    let page = page(&documents);
    check(&page);
    for words in ["Through a replica", "replica 8", "worker 8", "of the first hop", "replica: a_table_with_a_usual_name_0"] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn one_table_and_a_run_without_timeline_have_a_page() {
    let mut documents = large(1, 1);
    (documents.run.timeline, documents.run.samples) = (Timeline::default(), Vec::new());
    check(&page(&documents));
}

#[test]
fn a_page_opens_at_once_however_many_tables_there_are() {
    let usual = page(&large(446, 100));
    check(&usual);
    assert!(usual.len() < 2_000_000 && !usual.contains("more tables, loaded and quick"), "{} bytes", usual.len());
    let many = page(&large(5_000, 100));
    check(&many);
    assert!(many.len() < 2_000_000, "{} bytes", many.len());
    assert!(many.contains("more tables, loaded and quick"), "what is left out is told");
    assert!(many.contains("a_table_with_a_usual_name_4950"), "a failed table is never left out");
}

#[test]
fn names_and_messages_of_documents_are_text_wherever_they_stand() {
    let evil = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{nonce}}";
    let mut documents = large(2, 2);
    let run = &mut documents.run;
    let table = &mut run.tables[0];
    (table.table, table.target, table.status, table.strategy) = (evil.into(), evil.into(), evil.into(), evil.into());
    (table.reason, table.proof, table.snapshot) = (evil.into(), evil.into(), evil.into());
    (table.drift, table.error) = (vec![evil.into()], Some(failure(evil)));
    table.certificate =
        Some(Certificate { checked: evil.into(), position: Some(evil.into()), digest: Some(evil.into()), rows_compared: 1 });
    table.healed = Some(Healed { via: evil.into(), cause: evil.into(), ..Healed::default() });
    table.values = vec![Value { column: evil.into(), fault: evil.into(), done: evil.into(), count: 1 }];
    run.timeline.spans[0] = Span { table: evil.into(), what: evil.into(), error: Some(evil.into()), ms: 1e9, ..Span::default() };
    (run.source, run.warehouse, run.schema, run.status, run.started_at) =
        (evil.into(), evil.into(), evil.into(), evil.into(), evil.into());
    (run.program, run.verify, run.resumes) = (evil.into(), evil.into(), Some(evil.into()));
    (run.warnings, run.error) = (vec![evil.into()], Some(failure(evil)));
    run.phases = vec![Phase { name: evil.into(), state: evil.into(), ..Phase::default() }];
    run.transform = Some(Transform {
        tool: evil.into(),
        status: evil.into(),
        models: vec![
            Model::Name(evil.into()),
            Model::Told(ToldModel { name: evil.into(), status: evil.into(), ..ToldModel::default() }),
        ],
        ..Transform::default()
    });
    for past in &mut documents.history {
        (past.started_at, past.status) = (evil.into(), evil.into());
        past.tables[0].table = evil.into();
    }
    documents.skipped = vec![evil.into()];
    let page = page(&documents);
    assert_eq!(page.matches("<script").count(), 1, "only the page's own");
    assert!(!page.contains("<img") && page.contains("&lt;img src=x onerror=alert(1)&gt;"));
    let nonce = page.split("script nonce=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(page.matches(nonce).count(), 4, "a place in a document's text is not filled");
}

#[test]
fn places_of_a_template_are_filled_once() {
    assert_eq!(fill("a {{x}} b {{y}}{{z}}.", &[("x", "{{y}}"), ("y", "2")]), "a {{y}} b 2.");
    assert_eq!((moment("2026-11-22T04:10:30.120Z").as_str(), moment("x").as_str()), ("2026-11-22 04:10:30 UTC", "x"));
}

/// Relative luminance and contrast as in WCAG 2.2.
fn luminance(colour: &str) -> f64 {
    let channel = |at: usize| {
        let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

#[test]
fn words_can_be_read_on_what_is_behind_them_in_light_and_in_dark() {
    let css = include_str!("page.css");
    let colours = |name: &str| {
        let line = css.lines().find_map(|line| line.trim().strip_prefix(&format!("--{name}: light-dark("))).unwrap();
        let (light, dark) = line.trim_end_matches(");").split_once(", ").unwrap();
        [light.to_owned(), dark.to_owned()]
    };
    let mut pairs =
        vec![("ink", "page"), ("ink", "card"), ("ink", "faint"), ("muted", "page"), ("muted", "card"), ("link", "page")];
    pairs.extend([
        ("good-ink", "good-page"),
        ("warn-ink", "warn-page"),
        ("bad-ink", "bad-page"),
        ("bad-ink", "card"),
        ("warn-ink", "card"),
    ]);
    pairs.extend(["c1", "c2", "c3", "c4", "bad"].map(|bar| ("on-bar", bar)));
    for (word, behind) in pairs {
        for (one, other) in colours(word).iter().zip(&colours(behind)) {
            let (a, b) = (luminance(one), luminance(other));
            let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
            assert!(contrast >= 4.5, "{word} on {behind} ({one} on {other}): {contrast:.2}");
        }
    }
}
