//! The rules of the source tree as tests: floors, sizes, headers, words that must not occur, complete cases.
//!
//! Each check reads a tree of texts and gives a list of complaints; each is also shown a planted violation, because a
//! check that finds nothing may be blind.

use crate::cases;
use crate::hosts::project;
use crate::source_text::{Keep, strip, without_tests};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Most lines of a file.
const FILE_LINES_MAX: usize = 500;

/// Most lines of a function, its signature included.
const FUNCTION_LINES_MAX: usize = 70;

/// What must not stand in the code of `src`, and why. They are searched with comments left out.
const FORBIDDEN: [(&str, &str); 8] = [
    (".flatten()", "drops errors in the middle of a result set"),
    ("filter_map(Result::ok)", "drops errors in the middle of a result set"),
    ("from_utf8_lossy", "invents characters"),
    ("SELECT *", "leaves invisible columns out and follows a changed table"),
    ("todo!", "is not finished"),
    ("unimplemented!", "is not finished"),
    ("let _ =", "hides a result"),
    ("dbg!", "prints"),
];

/// Files by path relative to the project, with `/`.
type Tree = BTreeMap<String, String>;

/// A violation to plant, and what the complaint about it says.
type Plant<'a> = (&'a dyn Fn(&mut Tree), &'a str);

fn tree() -> Tree {
    let mut tree = Tree::new();
    for folder in ["src", "tests/it", "tests/cases", "benches"] {
        if project().join(folder).is_dir() {
            read(&project().join(folder), folder, &mut tree);
        }
    }
    for file in ["Cargo.toml", "ARCHITECTURE.md"] {
        tree.insert(file.into(), std::fs::read_to_string(project().join(file)).expect("a readable file"));
    }
    tree
}

fn read(folder: &Path, name: &str, into: &mut Tree) {
    for entry in std::fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        let name = format!("{name}/{}", cases::name(&path));
        if path.is_dir() {
            read(&path, &name, into);
        } else {
            into.insert(name, std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())));
        }
    }
}

fn rust<'a>(tree: &'a Tree, folder: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let folder = format!("{folder}/");
    let of = move |(path, _): &(&String, &String)| path.starts_with(&folder) && path.ends_with(".rs");
    tree.iter().filter(of).map(|(path, text)| (path.as_str(), text.as_str()))
}

/// Files that hold only tests of their module.
fn is_test_file(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("_tests.rs") || path.ends_with("/tests.rs")
}

/// Checks the real tree, and the same tree with `plant` done to it: then it must complain of `about`.
#[track_caller]
fn check(complaints: impl Fn(&Tree) -> Vec<String>, plants: &[Plant<'_>]) {
    let found = complaints(&tree());
    assert!(found.is_empty(), "{}", found.join("\n"));
    for (plant, about) in plants {
        let mut planted = tree();
        plant(&mut planted);
        let found = complaints(&planted);
        assert!(found.iter().any(|c| c.contains(about)), "a planted violation about {about:?} was not found: {found:?}");
    }
}

fn add(path: &'static str, text: &'static str) -> impl Fn(&mut Tree) {
    move |tree| {
        tree.insert(path.into(), text.into());
    }
}

#[test]
fn modules_import_from_lower_floors_only() {
    check(
        floors,
        &[
            (&add("src/key.rs", "//! x\nuse crate::plan::Plan;\n"), "src/key.rs: `key` (floor 2) uses `plan` (floor 6)"),
            (&add("src/key.rs", "//! x\nfn f() { crate::value::g(); }\n"), "src/key.rs: `key` (floor 2) uses `value` (floor 2)"),
            (
                &add("src/plan/x.rs", "//! x\nuse crate::{error::Kind, app::{sync, planning}};\n"),
                "src/plan/x.rs: `plan` (floor 6) uses `app`",
            ),
            (
                &add("src/plan/y.rs", "//! x\nuse super::super::encode::Encoder;\n"),
                "src/plan/y.rs: `plan` (floor 6) uses `encode`",
            ),
            (&add("src/lib.rs", "//! x\npub mod error; // 0: a\npub mod key;\n"), "`key` has no floor"),
            (&add("src/other.rs", "//! x\n"), "src/other.rs: its module has no floor"),
        ],
    );
}

/// Module → floor, from the comments beside the `mod` lines.
fn floors_of(tree: &Tree, out: &mut Vec<String>) -> BTreeMap<String, u32> {
    let mut floors = BTreeMap::new();
    for line in tree.get("src/lib.rs").map_or("", String::as_str).lines() {
        let Some((_, rest)) = line.split_once("mod ").filter(|(before, _)| matches!(before.trim(), "" | "pub" | "pub(crate)"))
        else {
            continue;
        };
        let Some((name, comment)) = rest.split_once(';') else { continue };
        let number = comment.trim().strip_prefix("// ").and_then(|c| c.split_once(": ")).and_then(|(n, _)| n.parse().ok());
        match number {
            Some(number) => drop(floors.insert(name.to_owned(), number)),
            None => out.push(format!("src/lib.rs: `{name}` has no floor: write `// N: what it is`")),
        }
    }
    floors
}

fn floors(tree: &Tree) -> Vec<String> {
    let mut out = Vec::new();
    let floors = floors_of(tree, &mut out);
    for (path, text) in
        rust(tree, "src").filter(|(path, _)| !matches!(*path, "src/lib.rs" | "src/main.rs") && !is_test_file(path))
    {
        let parts: Vec<&str> = path.trim_start_matches("src/").trim_end_matches(".rs").split('/').collect();
        let own = parts[0];
        let Some(floor) = floors.get(own) else {
            out.push(format!("{path}: its module has no floor in src/lib.rs"));
            continue;
        };
        // In plan/chunks.rs, `super::super` is the crate; in plan/mod.rs and plan.rs, `super` is.
        let depth = parts.iter().filter(|part| **part != "mod").count();
        let code = strip(without_tests(text), Keep::Code);
        for used in crate_names(&code, &"super::".repeat(depth)) {
            if let Some(other) = floors.get(&used).filter(|other| used != own && *other >= floor) {
                out.push(format!("{path}: `{own}` (floor {floor}) uses `{used}` (floor {other})"));
            }
        }
    }
    out
}

/// First names after `crate::` or the same path spelled with `super`, those of a `{a, b}` list too.
fn crate_names(code: &str, root: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut out = BTreeSet::new();
    for start in ["crate::", root] {
        for (at, _) in code.match_indices(start) {
            if code[..at].ends_with(|c: char| is_word(c) || c == ':') {
                continue;
            }
            let rest = &code[at + start.len()..];
            let Some(list) = rest.strip_prefix('{') else {
                out.insert(rest.chars().take_while(|c| is_word(*c)).collect());
                continue;
            };
            let mut depth = 0;
            let mut word = String::new();
            let mut first = true;
            for c in list.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => first = true,
                    c if depth == 0 && first && is_word(c) => word.push(c),
                    c if depth == 0 && first && !c.is_whitespace() => first = false,
                    _ => {}
                }
                if (c == ',' || !first) && !word.is_empty() {
                    out.insert(std::mem::take(&mut word));
                }
            }
            out.insert(word);
        }
    }
    out
}

#[test]
fn the_architecture_page_has_the_same_floors() {
    check(architecture, &[(&add("ARCHITECTURE.md", "| 3 | `error` | x |\n"), "`error`")]);
}

fn architecture(tree: &Tree) -> Vec<String> {
    let mut out = Vec::new();
    let page = tree.get("ARCHITECTURE.md").map_or("", String::as_str);
    for (name, floor) in floors_of(tree, &mut Vec::new()) {
        let told = page.lines().any(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            cells.get(1) == Some(&floor.to_string().as_str()) && cells.get(2).is_some_and(|c| c.contains(&format!("`{name}`")))
        });
        if !told {
            out.push(format!("ARCHITECTURE.md does not say that `{name}` is on floor {floor}"));
        }
    }
    out
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let long = |tree: &mut Tree| drop(tree.insert("src/x.rs".into(), format!("//! x\n{}", "\n".repeat(FILE_LINES_MAX))));
    check(files, &[(&long, "src/x.rs: 501 lines"), (&add("src/y.rs", "// x\n"), "src/y.rs: begins without //!")]);
}

fn files(tree: &Tree) -> Vec<String> {
    let mut out = Vec::new();
    for (path, text) in ["src", "tests/it", "benches"].iter().flat_map(|folder| rust(tree, folder)) {
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            out.push(format!("{path}: {lines} lines, at most {FILE_LINES_MAX}"));
        }
        if !text.starts_with("//!") {
            out.push(format!("{path}: begins without //!"));
        }
    }
    out
}

#[test]
fn functions_are_short() {
    let long = |tree: &mut Tree| {
        let body = "    g(\"}\");\n".repeat(FUNCTION_LINES_MAX);
        tree.insert("src/x.rs".into(), format!("//! x\nfn f() {{\n{body}}}\nfn h() {{}}\n"));
    };
    check(functions, &[(&long, "src/x.rs: fn f has 72 lines")]);
}

fn functions(tree: &Tree) -> Vec<String> {
    let mut out = Vec::new();
    for (path, text) in rust(tree, "src").chain(rust(tree, "tests/it")).filter(|(path, _)| !is_test_file(path)) {
        let code = strip(text, Keep::Code);
        for (at, _) in code.match_indices("fn ") {
            if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                continue;
            }
            let rest = &code[at..];
            // A declaration without a body ends at its semicolon.
            let Some(open) = rest.find(['{', ';']).filter(|i| rest[*i..].starts_with('{')) else { continue };
            let mut depth = 0;
            let end = rest[open..].char_indices().find(|(_, c)| {
                depth += i32::from(*c == '{') - i32::from(*c == '}');
                depth == 0
            });
            let lines = rest[..open + end.map_or(0, |(i, _)| i) + 1].lines().count();
            if lines > FUNCTION_LINES_MAX {
                let name: String = rest[3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                out.push(format!("{path}: fn {name} has {lines} lines, at most {FUNCTION_LINES_MAX}"));
            }
        }
    }
    out
}

#[test]
fn forbidden_words_do_not_occur() {
    let planted = "//! x\n// .flatten() in a comment is fine\nfn f() { g(\"SELECT * FROM t\"); let _ = h(); }\n";
    let sql = add("src/track/x.sql", "SELECT * FROM t");
    let in_tests = "//! x\n#[cfg(test)]\nmod tests {\n fn f() { let _ = g(); }\n}\n";
    check(words, &[(&add("src/x.rs", planted), "SELECT *"), (&add("src/x.rs", planted), "let _ ="), (&sql, "src/track/x.sql")]);
    let mut tree = Tree::new();
    add("src/x.rs", in_tests)(&mut tree);
    assert!(words(&tree).is_empty(), "tests may use them");
}

fn words(tree: &Tree) -> Vec<String> {
    let code = rust(tree, "src")
        .filter(|(path, _)| !is_test_file(path))
        .map(|(path, text)| (path, strip(without_tests(text), Keep::Strings)));
    let sql = tree
        .iter()
        .filter(|(path, _)| path.starts_with("src/") && path.ends_with(".sql"))
        .map(|(path, text)| (path.as_str(), text.clone()));
    let mut out = Vec::new();
    for (path, text) in code.chain(sql) {
        for (number, line) in (1..).zip(text.lines()) {
            out.extend(
                FORBIDDEN
                    .iter()
                    .filter(|(word, _)| line.contains(word))
                    .map(|(word, why)| format!("{path}:{number}: {word} {why}")),
            );
        }
    }
    out
}

#[test]
fn every_sql_file_is_used() {
    check(sql_files, &[(&add("src/track/unused.sql", "SELECT 1"), "src/track/unused.sql")]);
}

fn sql_files(tree: &Tree) -> Vec<String> {
    let used = |path: &str| {
        let (folder, name) = path.rsplit_once('/').expect("a path below src");
        let inside = |(other, text): &(&str, &str)| other.starts_with(folder) && text.contains(&format!("{name}\")"));
        rust(tree, "src").any(|file| inside(&file))
    };
    let sql = tree.keys().filter(|path| path.starts_with("src/") && path.ends_with(".sql"));
    sql.filter(|path| !used(path)).map(|path| format!("{path}: no include_str! names it")).collect()
}

#[test]
fn cases_are_complete() {
    check(
        complete,
        &[
            (&add("tests/cases/x/source.sql", "-- x\n"), "case x: neither expected.csv nor expect_failure"),
            (&add("tests/cases/y/expected.csv", ""), "case y: no source.sql"),
            (
                &add("tests/cases/empty_table/source.sql", "CREATE TABLE t (id INT);"),
                "case empty_table: source.sql begins without",
            ),
            (&add("tests/cases/empty_table/tabels.yml", ""), "case empty_table: tabels.yml is read by nobody"),
            (&add("tests/cases/unknown_table/expected.sql", ""), "case unknown_table: expected.sql without expected.csv"),
        ],
    );
}

fn complete(tree: &Tree) -> Vec<String> {
    let mut cases: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut out = Vec::new();
    for path in tree.keys().filter_map(|path| path.strip_prefix("tests/cases/")).filter(|path| *path != "CASES.md") {
        match path.split_once('/') {
            Some((case, file)) => drop(cases.entry(case).or_default().insert(file)),
            None => out.push(format!("tests/cases/{path}: belongs to no case")),
        }
    }
    for (case, files) in cases {
        let mut complain = |text: String| out.push(format!("case {case}: {text}"));
        if !files.contains("source.sql") {
            complain("no source.sql".into());
        } else if !tree[&format!("tests/cases/{case}/source.sql")].starts_with("-- ") {
            complain("source.sql begins without a comment that says what the case shows".into());
        }
        if !files.contains("expected.csv") && !files.contains("expect_failure") {
            complain("neither expected.csv nor expect_failure".into());
        }
        if files.contains("expected.sql") && !files.contains("expected.csv") {
            complain("expected.sql without expected.csv".into());
        }
        files.iter().filter(|file| !cases::FILES.contains(file)).for_each(|file| complain(format!("{file} is read by nobody")));
    }
    out
}

#[test]
fn every_test_file_is_listed_with_a_reason() {
    let unlisted = add("tests/it/forgotten.rs", "//! x\n");
    let bare = |tree: &mut Tree| drop(tree.insert("tests/it/main.rs".into(), "//! x\nmod tidy;\n".into()));
    check(listed, &[(&unlisted, "forgotten"), (&bare, "mod tidy; has no comment")]);
}

fn listed(tree: &Tree) -> Vec<String> {
    let main = &tree["tests/it/main.rs"];
    let names = rust(tree, "tests/it")
        .map(|(path, _)| path.trim_start_matches("tests/it/").trim_end_matches(".rs"))
        .filter(|name| *name != "main");
    let missing = names.filter(|name| !name.contains('/') && !main.lines().any(|line| line.starts_with(&format!("mod {name};"))));
    let mut out: Vec<String> =
        missing.map(|name| format!("tests/it/{name}.rs is not in tests/it/main.rs: it never runs")).collect();
    let bare = main.lines().filter(|line| line.starts_with("mod ") && !line.contains("; // "));
    out.extend(bare.map(|line| format!("tests/it/main.rs: {line} has no comment")));
    out
}

#[test]
fn every_dependency_has_its_reason() {
    let bare = |tree: &mut Tree| {
        let text = tree["Cargo.toml"].replace("[dependencies]\n", "[dependencies]\nleft-pad = \"1\"\n");
        tree.insert("Cargo.toml".into(), text);
    };
    check(dependencies, &[(&bare, "left-pad")]);
}

fn dependencies(tree: &Tree) -> Vec<String> {
    let mut out = Vec::new();
    let (mut inside, mut group) = (false, false);
    for line in tree["Cargo.toml"].lines() {
        if line.starts_with('[') {
            (inside, group) = (line.contains("dependencies]"), false);
        } else if line.starts_with("# ") {
            group = true;
        } else if line.is_empty() {
            group = false;
        } else if inside && !group && line.starts_with(|c: char| c.is_ascii_lowercase()) && !line.contains(" # ") {
            out.push(format!("Cargo.toml: no reason for {}", line.split('=').next().unwrap_or_default().trim()));
        }
    }
    out
}
