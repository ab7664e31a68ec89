//! What is sent along with every export, read from the three forms that people write.
//!
//! Invariant: names are lower-case HTTP tokens, values are visible ASCII without space around, and
//! no error and no `Debug` text shows a value.

use crate::{Invalid, object, variable};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    fmt::Write as _,
    str::FromStr,
};

/// The headers of every export.
///
/// Reads a JSON object of strings, the same in single quotes (as in Chroma's own guide), and
/// `name=value,name2=value2` with the value percent-encoded (as in `OTEL_EXPORTER_OTLP_HEADERS`);
/// each also with a pair of quotes around the whole, as shells and env files leave it behind.
/// `Debug` shows the names only, and there is no `Display`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(BTreeMap<String, String>);

const HINT: &str = "write a JSON object such as `{\"x-key\": \"…\"}`, or `x-key=…` with `%2C` for \
                    a comma in the value";

impl Headers {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values, by name. The values are secret.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Adds a header; the name is lower-cased, white space around both goes.
    ///
    /// # Errors
    /// A name that is not an HTTP token or is there already; a value that is blank or has anything
    /// but visible ASCII and spaces. The text names the header and never shows the value.
    pub fn insert(&mut self, name: &str, value: &str) -> Result<(), Invalid> {
        self.add(name, value).map_err(|fault| {
            let name = name.trim();
            let which = if is_token(name) {
                format!("`{}`", name.to_ascii_lowercase())
            } else {
                // What is not a name may be a value in the wrong place.
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

    /// A JSON object, `{}` if there are none: what Chroma 0.x and the Collector read.
    pub fn to_json(&self) -> String {
        let quoted =
            |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let members: Vec<_> = self
            .iter()
            .map(|(name, value)| format!("{}:{}", quoted(name), quoted(value)))
            .collect();
        format!("{{{}}}", members.join(","))
    }

    /// `name=value,name2=value2`, the values percent-encoded: what OpenTelemetry's own exporters
    /// read from `OTEL_EXPORTER_OTLP_HEADERS`. Empty if there are none.
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
            None => variable::given(trimmed).unwrap_or_default(),
        };
        if text.starts_with('{') {
            from_object(text)
        } else {
            from_list(text)
        }
    }
}

/// Reads the JSON form; a member that is wrong is named.
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

/// Reads the form of OpenTelemetry; an entry that is wrong is told by its place, because a comma
/// left in a value makes part of the value look like a name.
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

/// What can be wrong with one header.
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
            Self::Value => "whose value has other characters than visible ASCII and spaces",
            Self::Twice => "whose name is there twice (case does not count)",
        }
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::Name => HINT,
            Self::Empty => "give it a value, or leave the header out",
            Self::Value => "check the value for line ends and pasted characters",
            Self::Twice => "keep one of the two",
        }
    }
}

fn invalid(what: String, hint: &str) -> Invalid {
    Invalid::new(variable::HEADERS, what, hint)
}

/// RFC 9110, section 5.6.2.
fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Encodes all but RFC 3986's unreserved characters.
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

/// Decodes `%XX`; a `%` without two digits stays, as in opentelemetry-otlp. `None` if not UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
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
