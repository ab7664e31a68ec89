//! A text as differences from another.
//!
//! Invariant: `restored(path, base, &shown(path, base, text)) == text`. A hunk contains enough
//! lines before its change to match at only one place of the base. It has no line numbers, which
//! would change with every line above.

use std::ops::Range;

use proptest::prelude::*;
use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices};

/// Of a longer run of removed lines, only the first and the last are shown: the base contains them
/// all.
const LONGEST_REMOVAL: usize = 6;

/// Changes with this many lines between them are one hunk.
const GAP: usize = 1;

/// A line of a hunk.
#[derive(Clone, Copy)]
enum Line<'a> {
    Kept(&'a str),
    Removed(&'a str),
    /// This number of further removed lines.
    Omitted(usize),
    Added(&'a str),
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Self {
        let (sign, text) = line.split_at(1);
        match sign {
            " " => Self::Kept(text),
            "-" => Self::Removed(text),
            "+" => Self::Added(text),
            _ => Self::Omitted(text.split(' ').nth(1).unwrap().parse().unwrap()),
        }
    }

    fn shown(self) -> String {
        match self {
            Self::Kept(text) => format!(" {text}\n"),
            Self::Removed(text) => format!("-{text}\n"),
            Self::Added(text) => format!("+{text}\n"),
            Self::Omitted(count) => format!("~ {count} more lines\n"),
        }
    }

    fn text(self) -> &'a str {
        match self {
            Self::Kept(text) | Self::Removed(text) | Self::Added(text) => text,
            Self::Omitted(_) => "",
        }
    }
}

/// Nearby changes, with the lines before them.
struct Hunk<'a> {
    heading: String,
    lines: Vec<Line<'a>>,
}

impl<'a> Hunk<'a> {
    /// Returns the changes within a range of lines of the base.
    fn of(
        path: &str,
        base: &[&'a str],
        new: &[&'a str],
        range: Range<usize>,
        ops: &[DiffOp],
    ) -> Self {
        let mut lines = Vec::new();
        let mut next = range.start;
        for op in ops {
            let (removed, added) = (op.old_range(), op.new_range());
            lines.extend(
                base[next..removed.start]
                    .iter()
                    .map(|text| Line::Kept(text)),
            );
            next = removed.end;
            lines.extend(removal(&base[removed]));
            lines.extend(new[added].iter().map(|text| Line::Added(text)));
        }
        let heading = heading(path, &base[..range.start], &lines);
        Self { heading, lines }
    }

    /// Returns every line of the base at which the hunk could begin.
    fn places(&self, path: &str, base: &[&str]) -> Vec<usize> {
        let starts = 0..=base.len();
        let fitting = starts.filter(|start| self.end(base, *start).is_some());
        fitting
            .filter(|start| heading(path, &base[..*start], &self.lines) == self.heading)
            .collect()
    }

    /// Returns its end in the base, if it begins at `start`.
    fn end(&self, base: &[&str], start: usize) -> Option<usize> {
        let end = self.lines.iter().try_fold(start, |at, line| match line {
            Line::Kept(text) | Line::Removed(text) => {
                (base.get(at) == Some(text)).then_some(at + 1)
            }
            Line::Omitted(count) => Some(at + count),
            Line::Added(_) => Some(at),
        })?;
        (end <= base.len()).then_some(end)
    }

    fn shown(&self) -> String {
        let lines = self.lines.iter().map(|line| line.shown());
        format!("@@ {}", self.heading).trim_end().to_owned() + "\n" + &lines.collect::<String>()
    }
}

fn removal<'a>(lines: &[&'a str]) -> Vec<Line<'a>> {
    match lines {
        [first, omitted @ .., last] if lines.len() > LONGEST_REMOVAL => {
            let omitted = Line::Omitted(omitted.len());
            vec![Line::Removed(first), omitted, Line::Removed(last)]
        }
        _ => lines.iter().map(|text| Line::Removed(text)).collect(),
    }
}

/// Returns the location of a hunk: in Markdown the section; otherwise the less indented lines
/// above, from the outermost, and in a manifest the resource.
fn heading(path: &str, before: &[&str], hunk: &[Line<'_>]) -> String {
    if before.is_empty() {
        return "top".to_owned();
    }
    if path.ends_with(".md") {
        let section = before.iter().rev().find(|line| line.starts_with("##"));
        return section.copied().unwrap_or_default().to_owned();
    }
    let mut texts = hunk.iter().map(|line| line.text());
    let first = texts.find(|text| !text.trim().is_empty());
    let mut column = indent(first.unwrap_or_default());
    let mut parents = Vec::new();
    for line in before.iter().rev().filter(|line| !line.trim().is_empty()) {
        if indent(line) < column {
            column = indent(line);
            parents.push(line.trim());
        }
    }
    parents.extend(resource(before));
    parents.reverse();
    parents.join(" ")
}

/// Returns kind and name of the Kubernetes resource that these lines begin, as far as they contain
/// it.
fn resource<'a>(before: &[&'a str]) -> impl Iterator<Item = &'a str> {
    let document = before
        .rsplit(|line| *line == "---")
        .next()
        .unwrap_or_default();
    let kind = document.iter().find_map(|line| line.strip_prefix("kind: "));
    let name = document
        .iter()
        .find_map(|line| line.strip_prefix("  name: "));
    kind.and(name).into_iter().chain(kind)
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Returns the differences of the text from the base, as hunks.
pub(crate) fn shown(path: &str, base: &str, text: &str) -> String {
    let base: Vec<&str> = base.split('\n').collect();
    let new: Vec<&str> = text.split('\n').collect();
    let ops = capture_diff_slices(Algorithm::Myers, &base, &new).into_iter();
    // Lines of the base, and the changes in them.
    let mut hunks: Vec<(Range<usize>, Vec<DiffOp>)> = Vec::new();
    for op in ops.filter(|op| op.tag() != DiffTag::Equal) {
        let mut range = op.old_range();
        let fits_once = |range: &Range<usize>| {
            let hunk = Hunk::of(path, &base, &new, range.clone(), &[op]);
            hunk.places(path, &base).len() == 1
        };
        let before = hunks.last().map_or(0, |(range, _)| range.end);
        // An added line shows the line above it.
        if range.is_empty() {
            range.start = range.start.saturating_sub(1).max(before);
        }
        while range.start > before && !fits_once(&range) {
            range.start -= 1;
        }
        match hunks.last_mut() {
            Some((last, ops)) if range.start <= last.end + GAP => {
                last.end = range.end;
                ops.push(op);
            }
            _ => hunks.push((range, vec![op])),
        }
    }
    let hunks = hunks.into_iter();
    hunks
        .map(|(range, ops)| Hunk::of(path, &base, &new, range, &ops).shown())
        .collect()
}

/// Returns the text that differs from the base by these hunks.
pub(crate) fn restored(path: &str, base: &str, hunks: &str) -> String {
    let base: Vec<&str> = base.split('\n').collect();
    let mut text: Vec<&str> = Vec::new();
    let mut next = 0;
    for hunk in parsed(hunks) {
        let places = hunk.places(path, &base);
        let [start] = places[..] else {
            panic!("{path}: a hunk fits at {places:?}:\n{}", hunk.shown());
        };
        text.extend(&base[next..start]);
        next = hunk.end(&base, start).unwrap();
        let left = hunk.lines.iter().filter_map(|line| match line {
            Line::Kept(text) | Line::Added(text) => Some(text),
            Line::Removed(_) | Line::Omitted(_) => None,
        });
        text.extend(left);
    }
    text.extend(&base[next..]);
    text.join("\n")
}

fn parsed(hunks: &str) -> Vec<Hunk<'_>> {
    let mut all: Vec<Hunk<'_>> = Vec::new();
    for line in hunks.lines() {
        match (line.strip_prefix("@@"), all.last_mut()) {
            (Some(heading), _) => all.push(Hunk {
                heading: heading.trim_start().to_owned(),
                lines: Vec::new(),
            }),
            (None, Some(hunk)) => hunk.lines.push(Line::parse(line)),
            (None, None) => panic!("a line before the first hunk: {line}"),
        }
    }
    all
}

proptest! {
    #[test]
    fn a_text_is_restored_from_its_differences(base in lines(), text in lines()) {
        for path in ["a.yaml", "a.md"] {
            let hunks = shown(path, &base, &text);
            prop_assert_eq!(&restored(path, &base, &hunks), &text, "{}", hunks);
        }
    }
}

/// Generates lines that are often equal, so that most hunks match several places at first.
fn lines() -> impl Strategy<Value = String> {
    let lines = prop::sample::select(vec![
        "", "a:", "b:", "  a: 1", "  b: 2", "    c", "## d", "---", "kind: e",
    ]);
    let lines = prop::collection::vec(lines, 0..40);
    lines.prop_map(|lines| lines.iter().map(|line| format!("{line}\n")).collect())
}

#[test]
fn a_hunk_stays_the_same_when_lines_come_above() {
    let (base, text) = ("a:\n  x: 1\nb:\n  x: 1\n", "a:\n  x: 1\nb:\n  x: 2\n");
    let hunk = "@@ b:\n-  x: 1\n+  x: 2\n";
    assert_eq!(shown("x.yaml", base, text), hunk);
    let below = |text: &str| format!("# Comment\nc: 3\n{text}");
    assert_eq!(shown("x.yaml", &below(base), &below(text)), hunk);
}

#[test]
fn a_hunk_that_fits_twice_shows_lines_above() {
    let base = "a:\n  - x\n  - y\n  - z\n  - y\n";
    let text = "a:\n  - x\n  - y\n  - z\n  - Y\n";
    assert_eq!(
        shown("x.yaml", base, text),
        "@@ a:\n   - z\n-  - y\n+  - Y\n"
    );
}
