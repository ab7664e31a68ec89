//! CloudFormation expressions.

use crate::render::{is_plain, quoted};
use crate::values::in_place;

/// Returns a text for `!Sub`, with the stack's region for `{region}`.
pub(super) fn in_stack_region(text: &str) -> String {
    in_place(&text.replace("${", "${!"), "${AWS::Region}")
}

/// Returns a text as a YAML scalar.
pub(super) fn scalar_text(text: &str) -> String {
    if is_plain(text) {
        text.to_owned()
    } else {
        quoted(text)
    }
}
