//! Values of secrets in other files.

use crate::problem::Problem;
use crate::spec::Secrets;

/// Shorter values also occur by chance in words of the templates.
const SHORTEST: usize = 16;

/// Returns a problem for every secret whose value is in the text. Templates cannot print one, but
/// operators can write it into another value of the spec.
pub(super) fn leaked(text: &str, secrets: &Secrets) -> Vec<Problem> {
    let shown = |part: &String| part.len() >= SHORTEST && text.contains(part);
    let leaked = secrets
        .iter()
        .filter(|(_, value)| value.parts().iter().any(shown));
    let problem = |name: &String| {
        let problem = Problem::new("", format!("contains the value of the secret {name}"));
        problem.hint("the same value is in another key of the spec: remove it there")
    };
    leaked.map(|(name, _)| problem(name)).collect()
}
