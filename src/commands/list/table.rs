//! Text for a terminal.

/// Columns that fit any terminal.
pub(super) const WIDTH: usize = 80;

/// Formats names and their descriptions within [`WIDTH`].
pub(super) fn table(rows: &[(String, String)]) -> String {
    let names = rows.iter().map(|(name, _)| name.len());
    let indent = names.max().unwrap_or_default() + 2;
    let rows = rows.iter().map(|(name, text)| {
        let wrapped = wrapped(text, indent);
        format!("{name:<indent$}{}\n", wrapped.trim_start())
    });
    rows.collect()
}

/// Wraps a text at [`WIDTH`], indented by `indent` spaces. A longer word has its own line.
pub(super) fn wrapped(text: &str, indent: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().filter(|line| {
            line.is_empty() || indent + line.chars().count() + 1 + word.chars().count() <= WIDTH
        });
        match last {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => *line += &format!(" {word}"),
            None => lines.push(word.to_owned()),
        }
    }
    let blanks = " ".repeat(indent);
    let lines: Vec<String> = lines.iter().map(|line| format!("{blanks}{line}")).collect();
    lines.join("\n")
}
