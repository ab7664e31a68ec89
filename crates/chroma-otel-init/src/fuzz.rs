//! Feeds all parsers with mutations of realistic values.
//!
//! Invariant: the sequence is the same in every run, so a failure is reproducible.

use crate::*;

/// Part of every header value in this file, and of no other text.
const SECRET: &str = "hunter2";

const SEEDS: &[&str] = &[
    "http://collector:4317",
    "https://api.honeycomb.io/v1/traces",
    "[fd00::1]:4318/",
    "10.0.0.1:4317",
    r#"{"x-key": "hunter2", "b": "hunter2\u0041\\\""}"#,
    "{'X-Key': 'hunter2'}",
    r#""{\"a\":\"hunter2\"}""#,
    "x-key=hunter2,authorization=Basic%20hunter2==",
    "operation_and_segment",
    "1.5.9",
    "v0.6.3",
    "info,chroma_tracing=error,h2=trace,[a{b=1}]=debug",
    "chroma_tracing[{a}]=off,h2::codec=trace,chroma[{b}]=warn",
    "'x-a'='hunter2','x-b'='hunter2'",
    "",
];

const PIECES: &[&str] = &[
    "\"", "'", "{", "}", "[", "]", ":", "://", "/", ",", "=", "%", "%2C", "%00", "\\", "\\u",
    "\\ud83d", "\n", "\0", " ", ".", "..", "-", "@", "?", "#", "$", "${", "0", "65536", "é", "😀",
    "\u{fffd}", "https", "grpc", "v1", "trace", "hunter2", "x-key",
];

/// Xorshift: sufficient to mix, and the same on every platform.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }

    fn mutated(&mut self) -> String {
        let mut text: Vec<char> = SEEDS[self.below(SEEDS.len())].chars().collect();
        for _ in 0..self.below(6) {
            let at = self.below(text.len() + 1);
            match self.below(4) {
                0 => text.truncate(at),
                1 if at < text.len() => drop(text.remove(at)),
                2 if at < text.len() => text.swap(0, at),
                _ => drop(text.splice(at..at, PIECES[self.below(PIECES.len())].chars())),
            }
        }
        text.into_iter().collect()
    }
}

#[test]
fn parsers_never_panic_and_parsed_values_round_trip() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut read = [0; 4];
    for _ in 0..20_000 {
        let text = random.mutated();
        read[0] += usize::from(endpoint(&text));
        read[1] += usize::from(headers(&text));
        read[2] += usize::from(same_again(text.parse::<Granularity>()));
        read[3] += usize::from(same_again(text.parse::<ChromaVersion>()));
        spans(&text);
    }
    assert!(read.iter().all(|times| *times > 200), "{read:?}");
}

/// Returns true if the value was parsed; if so, `Display` must write a value that is parsed as the
/// same.
fn same_again<T>(answer: Result<T, Invalid>) -> bool
where
    T: std::str::FromStr<Err = Invalid> + ToString + PartialEq + std::fmt::Debug,
{
    let Ok(value) = answer else { return false };
    assert_eq!(value.to_string().parse(), Ok(value));
    true
}

fn endpoint(text: &str) -> bool {
    let answer = text.parse::<Endpoint>();
    if let Ok(endpoint) = &answer {
        assert!(endpoint.port() != 0 && !endpoint.host().is_empty());
        let url = endpoint.traces_url();
        assert!(url.ends_with("/v1/traces") || url.ends_with("/api/v2/spans"));
        assert!(
            url.chars()
                .all(|c| c.is_ascii_graphic() && !"\"'$`\\".contains(c))
        );
        assert!(!url.contains('@') && !url.contains('?') && !url.contains('#'));
    }
    same_again(answer)
}

fn headers(text: &str) -> bool {
    let headers = match text.parse::<Headers>() {
        Ok(headers) => headers,
        Err(invalid) => {
            // An error may contain a JSON name, and a mutation may have moved the secret into one.
            let shown = format!("{invalid} {invalid:?}");
            let named = shown.contains("has a header `");
            assert!(named || !shown.contains(SECRET), "{text:?}: {invalid}");
            return false;
        }
    };
    assert_eq!(headers.to_json().parse(), Ok(headers.clone()), "{text:?}");
    assert_eq!(headers.to_otlp().parse(), Ok(headers.clone()), "{text:?}");
    for (name, value) in headers.iter() {
        assert!(!name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic()));
        assert!(!value.trim().is_empty() && value.bytes().all(|b| (b' '..=b'~').contains(&b)));
        assert_eq!(value, value.trim());
        assert_eq!(name, name.to_ascii_lowercase());
    }
    !headers.is_empty()
}

fn spans(text: &str) {
    // Each parser removes a pair of quotes, so a value in one pair and in two pairs may differ.
    let text = &text.replace(['"', '\''], "");
    for granularity in Granularity::EVERY {
        let once = rust_log(Some(text), granularity, ChromaVersion::NEWEST);
        assert!(
            once.as_deref()
                .is_none_or(|filter| !filter.trim().is_empty())
        );
        let twice = rust_log(once.as_deref(), granularity, ChromaVersion::NEWEST);
        assert_eq!(once, twice, "{text:?} {granularity}");
        let filter = once.filter(|_| granularity != Granularity::None);
        let directives = filter.iter().flat_map(|filter| filter.split(','));
        // The server cannot parse a directive with more than one sign either.
        for directive in directives.filter(|directive| directive.matches('=').count() == 1) {
            let exporter = directive.starts_with("h2") && directive.ends_with("=trace");
            let lost = directive.starts_with("chroma_tracing") && directive.ends_with("=off");
            assert!(!exporter && !lost, "{text:?} {granularity}: {directive}");
        }
    }
}
