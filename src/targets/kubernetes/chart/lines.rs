//! The lines of a rendered manifest, each with its path in the document.
//!
//! Invariant: text in block scalars has no path, so that a configuration is never taken for a field.

/// A line of a document.
pub(super) struct Line<'a> {
    pub(super) text: &'a str,
    /// Number of spaces before its key.
    pub(super) indent: usize,
    /// Path of its key (`spec.containers.-.image`); empty for a line without a key.
    pub(super) path: String,
    /// The text after its key.
    pub(super) value: &'a str,
}

impl<'a> Line<'a> {
    /// Returns the text up to the colon.
    pub(super) fn head(&self) -> &'a str {
        let end = self.text.len() - self.value.len();
        self.text[..end].trim_end()
    }

    /// Returns the text that is not in the key's value: a comment after it.
    pub(super) fn comment(&self) -> &'a str {
        self.value.find(" #").map_or("", |at| &self.value[at..])
    }

    /// Returns true if the line, or a comment, is below a key.
    pub(super) fn is_below(&self, key: &Self) -> bool {
        let spaces = self.text.len() - self.text.trim_start().len();
        spaces > key.indent && !self.text.trim().is_empty()
    }

    /// Returns the value without its comment.
    pub(super) fn bare(&self) -> &'a str {
        let end = self.value.len() - self.comment().len();
        self.value[..end].trim()
    }
}

/// Returns the lines of a document.
pub(super) fn lines(document: &str) -> Vec<Line<'_>> {
    let mut open: Vec<(usize, &str)> = Vec::new();
    let mut scalar: Option<usize> = None;
    let mut lines = Vec::new();
    for text in document.lines() {
        let spaces = text.len() - text.trim_start().len();
        let blank = text.trim().is_empty();
        if scalar.is_some_and(|indent| blank || spaces > indent) {
            lines.push(without_key(text));
            continue;
        }
        scalar = None;
        if blank || text.trim_start().starts_with('#') {
            lines.push(without_key(text));
            continue;
        }
        open.retain(|(indent, _)| *indent < spaces);
        let mut indent = spaces;
        while text[indent..].starts_with("- ") {
            open.push((indent, "-"));
            indent += 2;
        }
        let Some((key, value)) = key(&text[indent..]) else {
            if text[indent..].starts_with(['|', '>']) {
                scalar = Some(spaces);
            }
            lines.push(without_key(text));
            continue;
        };
        open.push((indent, key));
        if value.trim().starts_with(['|', '>']) {
            scalar = Some(indent);
        }
        let path: Vec<&str> = open.iter().map(|(_, key)| *key).collect();
        lines.push(Line {
            text,
            indent,
            path: path.join("."),
            value,
        });
    }
    lines
}

fn without_key(text: &str) -> Line<'_> {
    Line {
        text,
        indent: 0,
        path: String::new(),
        value: "",
    }
}

/// Returns the key of a block mapping at the start of a text, and the text after its colon.
fn key(text: &str) -> Option<(&str, &str)> {
    if text.starts_with(['{', '[']) {
        return None;
    }
    let at = text
        .find(": ")
        .or_else(|| text.ends_with(':').then(|| text.len() - 1))?;
    Some((text[..at].trim_matches('"'), &text[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn fields_have_paths_and_texts_in_block_scalars_have_none() {
        let text = "a:\n  b: |\n    c: 1\n\n    d: 2\n  e: 3 # why\n  f:\n    - g: 4\n      h: {i: 5}\n    - {j: 6}\n";
        let paths: Vec<String> = lines(text).into_iter().map(|line| line.path).collect();
        let expected = [
            "a", "a.b", "", "", "", "a.e", "a.f", "a.f.-.g", "a.f.-.h", "",
        ];
        assert_eq!(paths, expected);
        let line = &lines(text)[5];
        assert_eq!(
            (line.head(), line.bare(), line.comment()),
            ("  e:", "3", " # why")
        );
    }
}
