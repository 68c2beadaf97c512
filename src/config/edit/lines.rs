//! A text changed by whole lines: what is put where, the new text, and both as a unified diff.
//!
//! The places of the changes are known, so nothing has to be compared: the diff says exactly what is done.

/// Unchanged lines shown around a change.
const CONTEXT: usize = 3;

/// Lines that are taken out and put in at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    /// Index of the first line that is taken out, or that the new ones go before.
    pub at: usize,
    /// How many are taken out.
    pub remove: usize,
    /// What is put in, each line with its end.
    pub add: Vec<String>,
}

/// The lines of a text, each with its end; only the last may have none.
pub(super) fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// The edits in the order of their places, none touching the next; they must not overlap. Of several at one place, the
/// lines go in in the given order.
pub(super) fn settled(lines: &[&str], mut edits: Vec<Edit>) -> Vec<Edit> {
    // Lines behind one that has no end: that one gets it.
    let behind = edits.iter().any(|edit| edit.at == lines.len() && !edit.add.is_empty());
    let replaced = edits.iter().any(|edit| edit.remove > 0 && edit.at + edit.remove == lines.len());
    if let Some(last) = lines.last().filter(|last| behind && !replaced && !last.ends_with('\n')) {
        edits.push(Edit { at: lines.len() - 1, remove: 1, add: vec![format!("{last}\n")] });
    }
    edits.sort_by_key(|edit| edit.at);
    let mut out: Vec<Edit> = Vec::with_capacity(edits.len());
    for edit in edits {
        match out.last_mut().filter(|last| last.at + last.remove >= edit.at) {
            Some(last) => {
                last.remove += edit.remove;
                last.add.extend(edit.add);
            }
            None => out.push(edit),
        }
    }
    out.retain(|edit| edit.remove > 0 || !edit.add.is_empty());
    out
}

/// The text with settled edits done.
pub(super) fn apply(lines: &[&str], edits: &[Edit]) -> String {
    let mut out = String::new();
    let mut next = 0;
    for edit in edits {
        out.extend(lines.iter().take(edit.at).skip(next).copied());
        out.extend(edit.add.iter().map(String::as_str));
        next = edit.at + edit.remove;
    }
    out.extend(lines.iter().skip(next).copied());
    out
}

/// Settled edits as a unified diff; empty without any.
pub(super) fn unified(lines: &[&str], edits: &[Edit], old: &str, new: &str) -> String {
    if edits.is_empty() {
        return String::new();
    }
    let mut out = format!("--- {old}\n+++ {new}\n");
    let mut shift = Shift::default();
    let mut rest = edits;
    while let Some(first) = rest.first() {
        // Changes whose surroundings meet are shown together.
        let near = |pair: &&[Edit]| matches!(pair, [a, b] if b.at <= a.at + a.remove + 2 * CONTEXT);
        let count = 1 + rest.windows(2).take_while(near).count();
        let (here, later) = rest.split_at(count);
        let end = here.last().map_or(0, |last| last.at + last.remove);
        hunk(lines, here, (first.at.saturating_sub(CONTEXT), (end + CONTEXT).min(lines.len())), &mut shift, &mut out);
        rest = later;
    }
    out
}

/// Lines added and removed before a hunk.
#[derive(Default)]
struct Shift {
    added: usize,
    removed: usize,
}

fn hunk(lines: &[&str], edits: &[Edit], (from, to): (usize, usize), shift: &mut Shift, out: &mut String) {
    let removed: usize = edits.iter().map(|edit| edit.remove).sum();
    let added: usize = edits.iter().map(|edit| edit.add.len()).sum();
    let old = to - from;
    let new = old - removed + added;
    // A side without lines is named by the line before it.
    let start = |first: usize, count: usize| if count == 0 { first } else { first + 1 };
    let first = from + shift.added - shift.removed;
    out.push_str(&format!("@@ -{},{old} +{},{new} @@\n", start(from, old), start(first, new)));
    let mut next = from;
    for edit in edits {
        lines.iter().take(edit.at).skip(next).for_each(|line| put(' ', line, out));
        lines.iter().skip(edit.at).take(edit.remove).for_each(|line| put('-', line, out));
        edit.add.iter().for_each(|line| put('+', line, out));
        next = edit.at + edit.remove;
    }
    lines.iter().take(to).skip(next).for_each(|line| put(' ', line, out));
    shift.added += added;
    shift.removed += removed;
}

fn put(sign: char, line: &str, out: &mut String) {
    out.push(sign);
    out.push_str(line);
    if !line.ends_with('\n') {
        out.push_str("\n\\ No newline at end of file\n");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn add(at: usize, remove: usize, lines: &[&str]) -> Edit {
        Edit { at, remove, add: lines.iter().map(|line| format!("{line}\n")).collect() }
    }

    /// What `patch` does with a diff, for as much of it as is made here.
    fn patched(text: &str, diff: &str) -> String {
        let old = lines(text);
        let (mut out, mut next) = (String::new(), 0);
        let mut diff = diff.split_inclusive('\n').skip(2).peekable();
        while let Some(line) = diff.next() {
            let unended = diff.next_if(|next| next.starts_with('\\')).is_some();
            let rest = |line: &str| if unended { line[1..].trim_end_matches('\n').to_owned() } else { line[1..].to_owned() };
            match &line[..1] {
                "@" => {
                    let place = line[4..].split(' ').next().unwrap();
                    let (start, count) = place.split_once(',').unwrap();
                    let start = start.parse::<usize>().unwrap() - usize::from(count != "0");
                    out.extend(old[next..start].iter().copied());
                    next = start;
                    let (_, new) = line.split_once('+').unwrap();
                    let (begin, count) = new.split(' ').next().unwrap().split_once(',').unwrap();
                    assert_eq!(begin.parse::<usize>().unwrap(), out.lines().count() + usize::from(count != "0"), "{line}");
                }
                "+" => out.push_str(&rest(line)),
                sign => {
                    assert_eq!(rest(line), old[next], "{sign} line {next}");
                    if sign == " " {
                        out.push_str(old[next]);
                    }
                    next += 1;
                }
            }
        }
        out.extend(old[next..].iter().copied());
        out
    }

    #[test]
    fn lines_behind_a_last_line_without_an_end() {
        let text = lines("a\nb");
        let edits = settled(&text, vec![add(2, 0, &["c"]), add(2, 0, &["d"])]);
        assert_eq!(apply(&text, &edits), "a\nb\nc\nd\n");
        let diff = unified(&text, &edits, "x", "x");
        assert_eq!(diff, "--- x\n+++ x\n@@ -1,2 +1,4 @@\n a\n-b\n\\ No newline at end of file\n+b\n+c\n+d\n");
        assert_eq!(patched("a\nb", &diff), "a\nb\nc\nd\n");
    }

    #[test]
    fn a_new_file_is_all_plus() {
        let edits = settled(&[], vec![add(0, 0, &["a", "b"])]);
        assert_eq!(unified(&[], &edits, "/dev/null", "x"), "--- /dev/null\n+++ x\n@@ -0,0 +1,2 @@\n+a\n+b\n");
        assert_eq!(unified(&[], &[], "x", "x"), "");
    }

    proptest! {
        #[test]
        fn the_diff_makes_the_new_text(
            count in 0_usize..40,
            ended in any::<bool>(),
            places in prop::collection::vec((0_usize..41, 0_usize..3, 0_usize..3), 0..8),
        ) {
            let mut text: String = (0..count).map(|i| format!("line {i}\n")).collect();
            if !ended {
                text.truncate(text.len().saturating_sub(1));
            }
            let old = lines(&text);
            let (mut edits, mut free): (Vec<Edit>, usize) = (Vec::new(), 0);
            let mut places = places;
            places.sort_unstable();
            for (at, remove, added) in places {
                let at = at.min(old.len()).max(free);
                let remove = remove.min(old.len() - at);
                edits.push(Edit { at, remove, add: (0..added).map(|i| format!("new {at} {i}\n")).collect() });
                free = at + remove;
            }
            let expected = {
                let mut all: Vec<String> = old.iter().map(|line| (*line).to_owned()).collect();
                for edit in edits.iter().rev() {
                    let behind = edit.at == old.len() && !edit.add.is_empty();
                    if let Some(last) = all.get_mut(old.len().wrapping_sub(1)).filter(|last| behind && !last.ends_with('\n')) {
                        last.push('\n');
                    }
                    all.splice(edit.at..edit.at + edit.remove, edit.add.iter().cloned());
                }
                all.concat()
            };
            let edits = settled(&old, edits);
            prop_assert_eq!(&apply(&old, &edits), &expected);
            prop_assert_eq!(patched(&text, &unified(&old, &edits, "x", "x")), expected);
        }
    }
}
