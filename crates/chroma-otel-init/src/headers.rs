//! Headers of every export, parsed from three common notations.
//!
//! Invariant: names are lower-case HTTP tokens, values are visible ASCII without surrounding
//! spaces, and neither an error nor a `Debug` text contains a value.

use crate::{Invalid, object, variable};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    fmt::Write as _,
    str::FromStr,
};

/// The headers of every export.
///
/// Parses a JSON object of strings, the same in single quotes (as in Chroma's own guide), and
/// `name=value,name2=value2` with the value percent-encoded (as in `OTEL_EXPORTER_OTLP_HEADERS`);
/// each also in a pair of quotes, which shells and env files leave behind. `Debug` shows only the
/// names, and there is no `Display`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(BTreeMap<String, String>);

const HINT: &str = "write a JSON object such as `{\"x-key\": \"…\"}`, or `x-key=…` with `%2C` for \
                    a comma in the value";

impl Headers {
    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns names and values, ordered by name. The values are secret.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Adds a header. The name is converted to lower case, and surrounding white space is removed.
    ///
    /// # Errors
    /// A name that is not an HTTP token or already exists; a value that is blank or contains
    /// characters other than visible ASCII and spaces. The text names the header and never contains
    /// the value.
    pub fn insert(&mut self, name: &str, value: &str) -> Result<(), Invalid> {
        self.add(name, value).map_err(|fault| {
            let name = name.trim();
            let which = if is_token(name) {
                format!("`{}`", name.to_ascii_lowercase())
            } else {
                // An invalid name may be a misplaced value.
                "whose name is not shown".to_owned()
            };
            invalid(
                format!("has a header {which} {}", fault.what()),
                fault.hint(),
            )
        })
    }

    fn add(&mut self, name: &str, value: &str) -> Result<(), Fault> {
        let name = name.trim().to_ascii_lowercase();
        let value = value.trim_matches([' ', '\t']);
        if !is_token(&name) {
            return Err(Fault::Name);
        }
        if value.is_empty() {
            return Err(Fault::Empty);
        }
        if !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(Fault::Value);
        }
        match self.0.entry(name) {
            Entry::Occupied(_) => Err(Fault::Twice),
            Entry::Vacant(place) => {
                place.insert(value.to_owned());
                Ok(())
            }
        }
    }

    /// Returns a JSON object, `{}` if there are none: the form that Chroma 0.x and the Collector
    /// read.
    pub fn to_json(&self) -> String {
        let quoted =
            |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let members: Vec<_> = self
            .iter()
            .map(|(name, value)| format!("{}:{}", quoted(name), quoted(value)))
            .collect();
        format!("{{{}}}", members.join(","))
    }

    /// Returns `name=value,name2=value2` with the values percent-encoded: the form that
    /// OpenTelemetry's exporters read from `OTEL_EXPORTER_OTLP_HEADERS`. Empty if there are none.
    pub fn to_otlp(&self) -> String {
        let members: Vec<_> = self
            .iter()
            .map(|(name, value)| format!("{name}={}", percent_encoded(value)))
            .collect();
        members.join(",")
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

impl FromStr for Headers {
    type Err = Invalid;

    fn from_str(value: &str) -> Result<Self, Invalid> {
        let trimmed = value.trim();
        let unquoted = object::string(trimmed).filter(|inner| inner.trim_start().starts_with('{'));
        let text = match &unquoted {
            Some(inner) => inner.trim(),
            None => quoted_object(trimmed)
                .or(variable::given(trimmed))
                .unwrap_or_default(),
        };
        if text.starts_with('{') {
            from_object(text)
        } else {
            from_list(text)
        }
    }
}

/// Returns an object inside quotes that are not escaped in it, as `KEY="{"a": "b"}"` in an env file
/// leaves them.
fn quoted_object(text: &str) -> Option<&str> {
    let mut quotes = ['"', '\''].into_iter();
    let inner = quotes.find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))?;
    let inner = inner.trim();
    (inner.starts_with('{') && inner.ends_with('}')).then_some(inner)
}

/// Parses the JSON form; an error names the invalid member.
fn from_object(text: &str) -> Result<Headers, Invalid> {
    let pairs = object::pairs(text).map_err(|fault| match fault {
        object::Fault::At(position, expected) => invalid(
            format!("is not a JSON object: expected {expected} at character {position}"),
            HINT,
        ),
        object::Fault::NotText(name) if is_token(name.trim()) => invalid(
            format!("has a header `{}` whose value is not a string", name.trim()),
            "put the value in quotes",
        ),
        object::Fault::NotText(_) => invalid(
            "has a value that is not a string".to_owned(),
            "put every value in quotes",
        ),
    })?;
    let mut headers = Headers::default();
    for (name, value) in pairs {
        headers.insert(&name, &value)?;
    }
    Ok(headers)
}

/// Parses the form of OpenTelemetry. An error contains the position of the invalid entry, because a
/// comma in a value makes part of the value look like a name.
fn from_list(text: &str) -> Result<Headers, Invalid> {
    let mut headers = Headers::default();
    for (index, entry) in text.split(',').enumerate() {
        if entry.trim().is_empty() {
            continue;
        }
        let wrong = |what: &str, hint| invalid(format!("has an entry {} {what}", index + 1), hint);
        let (name, value) = entry
            .split_once('=')
            .ok_or_else(|| wrong("without `=`", HINT))?;
        let value = variable::given(value).unwrap_or_default();
        let value = percent_decoded(value).ok_or_else(|| {
            let fault = Fault::Value;
            wrong(fault.what(), fault.hint())
        })?;
        headers
            .add(name, &value)
            .map_err(|fault| wrong(fault.what(), fault.hint()))?;
    }
    Ok(headers)
}

/// Problems of one header.
enum Fault {
    Name,
    Empty,
    Value,
    Twice,
}

impl Fault {
    fn what(&self) -> &'static str {
        match self {
            Self::Name => "whose name is not a header name",
            Self::Empty => "whose value is blank",
            Self::Value => "whose value has characters other than visible ASCII and spaces",
            Self::Twice => "whose name occurs twice (names ignore case)",
        }
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::Name => HINT,
            Self::Empty => "give it a value, or remove the header",
            Self::Value => "check the value for line ends and pasted characters",
            Self::Twice => "remove one of the two",
        }
    }
}

fn invalid(what: String, hint: &str) -> Invalid {
    Invalid::new(variable::HEADERS, what, hint)
}

/// RFC 9110, section 5.6.2, without its quotes, which would become part of the names in
/// `'a'='1','b'='2'`.
fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&*+-.^_|~".contains(&byte))
}

/// Encodes all characters except RFC 3986's unreserved ones.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Decodes `%XX`. A `%` without two digits is kept, as in OpenTelemetry's Python exporter (the Rust
/// exporter then leaves the whole value undecoded). `None` if the result is not UTF-8.
pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    let digit = |byte: Option<&u8>| {
        char::from(*byte?)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while let Some(&byte) = bytes.get(index) {
        match (
            byte,
            digit(bytes.get(index + 1)),
            digit(bytes.get(index + 2)),
        ) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(high * 16 + low);
                index += 3;
            }
            _ => {
                decoded.push(byte);
                index += 1;
            }
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        let headers: Headers = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        headers.iter().map(owned).collect()
    }

    #[test]
    fn parses_common_notations() {
        for (text, expected) in [
            ("", &[] as &[(&str, &str)]),
            ("{}", &[]),
            ("'{}'", &[]),
            (
                r#"{"X-Honeycomb-Team": "abc"}"#,
                &[("x-honeycomb-team", "abc")],
            ),
            (
                "{'X-Honeycomb-Team': 'abc'}",
                &[("x-honeycomb-team", "abc")],
            ),
            (r#"'{"x-key": "abc"}'"#, &[("x-key", "abc")]),
            (r#""{"x-key": "abc"}""#, &[("x-key", "abc")]),
            (r#""{\"x-key\": \"abc\"}""#, &[("x-key", "abc")]),
            (r#""{'x-key': 'abc'}""#, &[("x-key", "abc")]),
            ("x-key=abc", &[("x-key", "abc")]),
            ("\"x-key=abc\"", &[("x-key", "abc")]),
            ("X-Key = abc , b = c ,", &[("b", "c"), ("x-key", "abc")]),
            (
                "authorization=Basic YWJj==",
                &[("authorization", "Basic YWJj==")],
            ),
            (
                "authorization=Bearer%20a%2Cb",
                &[("authorization", "Bearer a,b")],
            ),
            ("x=100%,y=%zz%2", &[("x", "100%"), ("y", "%zz%2")]),
            ("x-key='abc'", &[("x-key", "abc")]),
            ("'x-key=\"a b\"'", &[("x-key", "a b")]),
            (
                r#"{"a": "\u0041\"\\", " b ": " c d "}"#,
                &[("a", "A\"\\"), ("b", "c d")],
            ),
        ] {
            let read = read(text);
            let read: Vec<_> = read.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn errors_name_the_position_and_omit_values() {
        for (text, why) in [
            ("hunter2", "entry 1 without `=`"),
            ("a=b,hunter2", "entry 2 without `=`"),
            ("x-key: hunter2", "entry 1 without `=`"),
            ("Authorization: hunter2=x", "entry 1 whose name"),
            ("a=,b=hunter2", "entry 1 whose value is blank"),
            ("a=hunter2%0A", "entry 1 whose value has characters"),
            ("a=%ffhunter2", "entry 1 whose value has characters"),
            ("a=hunter2,A=hunter2", "entry 2 whose name occurs twice"),
            ("a=b,hunter2=", "entry 2 whose value is blank"),
            ("=hunter2", "entry 1 whose name"),
            ("'x-a'='hunter2','x-b'='2'", "entry 1 whose name"),
            ("'x-a'='hunter2'", "entry 1 whose name"),
            ("\"x-a\"=\"hunter2\"", "entry 1 whose name"),
            ("'a=b',c='hunter2'", "entry 1 whose name"),
            (r#"{"a":"hunter2""#, "character 15"),
            ("{hunter2", "character 2"),
            (
                r#"{"a": hunter2}"#,
                "header `a` whose value is not a string",
            ),
            (
                r#"{"a": {"b": "hunter2"}}"#,
                "header `a` whose value is not a string",
            ),
            (r#"{"hunter2 x": 1}"#, "a value that is not a string"),
            (r#"{"hunter2 x": "1"}"#, "name is not shown"),
            (
                r#"{"a": "hunter2\n"}"#,
                "header `a` whose value has characters",
            ),
            (
                r#"{"a": "hunter2é"}"#,
                "header `a` whose value has characters",
            ),
            (r#"{"a": " "}"#, "header `a` whose value is blank"),
            (
                r#"{"a": "b", "A": "hunter2"}"#,
                "header `a` whose name occurs twice",
            ),
            (r#"["hunter2"]"#, "without `=`"),
        ] {
            let invalid = text.parse::<Headers>().unwrap_err();
            assert_eq!(invalid.variable(), variable::HEADERS);
            assert!(invalid.what().contains(why), "{text}: {invalid}");
            assert!(
                !format!("{invalid} {invalid:?}").contains("hunter2"),
                "{text}"
            );
        }
    }

    #[test]
    fn both_forms_of_output() {
        let headers: Headers = r#"{"B": "x y,=%\"\\é"}"#.replace('é', "").parse().unwrap();
        assert_eq!(headers.to_json(), r#"{"b":"x y,=%\"\\"}"#);
        assert_eq!(headers.to_otlp(), "b=x%20y%2C%3D%25%22%5C");
        assert_eq!(Headers::default().to_json(), "{}");
        assert_eq!(Headers::default().to_otlp(), "");
        assert!(Headers::default().is_empty());
    }

    #[test]
    fn debug_shows_only_the_names() {
        let headers: Headers = "x-key=hunter2,b=c".parse().unwrap();
        assert_eq!(format!("{headers:?}"), r#"{"b", "x-key"}"#);
        assert_eq!(headers.names().collect::<Vec<_>>(), ["b", "x-key"]);
    }

    #[test]
    fn insert_adds_or_names_the_problem() {
        let mut headers = Headers::default();
        headers.insert(" X-Key ", " a b ").unwrap();
        assert_eq!(headers.iter().collect::<Vec<_>>(), [("x-key", "a b")]);
        for (name, value) in [
            ("x-KEY", "hunter2"),
            ("y", "hunter2\n"),
            ("y:", "hunter2"),
            ("", "a"),
        ] {
            let invalid = headers.insert(name, value).unwrap_err();
            assert!(!invalid.to_string().contains("hunter2"));
        }
        assert_eq!(headers.iter().count(), 1);
    }
}
