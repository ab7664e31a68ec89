//! Citation of an endpoint in the text of an error.
//!
//! Invariant: text that may be a misplaced key or header is not shown.

use crate::invalid::shown;

/// Returns the text in backticks, unless it may contain a secret. A misplaced header or key
/// contains a character that no endpoint has, or a long word with digits.
pub(crate) fn cited(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._/:[]".contains(c);
    if text.chars().all(fits) && has_plain_port(text) && !has_key(text) {
        format!("`{}`", shown(text))
    } else {
        "a value that is not shown because it may contain a secret".to_owned()
    }
}

/// Returns true if only digits follow the last colon of the authority: `x-key:abc` is a header.
fn has_plain_port(text: &str) -> bool {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    let port = authority.rsplit_once(':').map(|(_, port)| port);
    port.is_none_or(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Returns true if a word contains a digit and is as long as a key, or as a UUID with hyphens.
fn has_key(text: &str) -> bool {
    let long = |words: &str, length| words.len() >= length && words.contains(char::is_numeric);
    let is_sign = |c: char| !c.is_ascii_alphanumeric() && !"_-".contains(c);
    text.split(is_sign)
        .any(|words| long(words, 32) || words.split('-').any(|word| long(word, 16)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_only_text_that_looks_like_an_endpoint() {
        for (text, is_shown) in [
            ("collector:4317", true),
            ("ftp://collector/a", true),
            ("[::1", true),
            (
                "https://otlp-gateway-prod-eu-west-2.grafana.net:443/otlp",
                true,
            ),
            ("x-key:hunter2", false),
            ("x-key=hunter2", false),
            ("Bearer hunter2", false),
            ("{\"a\"", false),
            ("http://h/1234567890abcdef", false),
            ("01234567-89ab-cdef-0123-456789abcdef", false),
        ] {
            assert_eq!(cited(text) == format!("`{text}`"), is_shown, "{text}");
        }
    }
}
