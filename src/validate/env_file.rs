//! `.env.example`: `NAME=value` lines and comments.

use crate::problem::Problem;

/// Returns a problem for every other line.
pub(super) fn check(text: &str) -> Vec<Problem> {
    let lines = text.lines().enumerate();
    let wrong = lines.filter(|(_, line)| {
        !(line.is_empty() || line.starts_with('#') || assigned(line).is_some())
    });
    let problem = |(number, _): (usize, &str)| {
        let problem = Problem::new(format!("line {}", number + 1), "not `NAME=value`");
        problem.hint("write `NAME=value`, or start the line with `#`")
    };
    wrong.map(problem).collect()
}

/// Returns the variables that the file sets or offers in a comment.
pub(super) fn variables(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter_map(|line| assigned(line.trim_start_matches(['#', ' '])))
}

fn assigned(line: &str) -> Option<&str> {
    let (name, _) = line.split_once('=')?;
    let sound = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!name.is_empty() && name.chars().all(sound)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::{check, variables};

    #[test]
    fn reports_lines_that_set_nothing() {
        let text = "# a comment\nA=1\n\n#B=\nexport C=1\n";
        let found: Vec<String> = check(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["line 5: not `NAME=value`"]);
        assert_eq!(variables(text).collect::<Vec<_>>(), ["A", "B"]);
    }
}
