//! A JSON object whose values are strings, in the quotes of JSON or of Python.
//!
//! Invariant: an error contains the position and the expected text, never the actual text.

/// Reason why a text is not such an object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The position, counted from 1, and the expected text.
    At(usize, &'static str),
    /// The member of this name has a value that is not a string.
    NotText(String),
}

/// Parses `{"name": "value", …}`, also with `'` for `"`, and returns the pairs in order, including
/// duplicates.
pub(crate) fn pairs(text: &str) -> Result<Vec<(String, String)>, Fault> {
    let mut reader = Reader::new(text);
    reader.expect('{', "`{`")?;
    let mut pairs = Vec::new();
    if !reader.take('}') {
        loop {
            let name = reader.string("a header name in quotes")?;
            reader.expect(':', "`:`")?;
            if !matches!(reader.peek(), Some('"' | '\'') | None) {
                return Err(Fault::NotText(name));
            }
            pairs.push((name, reader.string("a value in quotes")?));
            if reader.take('}') {
                break;
            }
            reader.expect(',', "`,` or `}`")?;
        }
    }
    reader.end()?;
    Ok(pairs)
}

/// Parses exactly one JSON string, including the quotes.
pub(crate) fn string(text: &str) -> Option<String> {
    let mut reader = Reader::new(text);
    let string = reader.string("a string").ok()?;
    reader.end().ok()?;
    Some(string)
}

struct Reader<'a> {
    rest: std::str::Chars<'a>,
    /// Number of characters that have been read.
    read: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text.chars(),
            read: 0,
        }
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.next();
        self.read += usize::from(next.is_some());
        next
    }

    /// Returns the next character that is not white space, without reading it.
    fn peek(&mut self) -> Option<char> {
        loop {
            match self.rest.clone().next() {
                Some(' ' | '\t' | '\r' | '\n') => self.next(),
                other => return other,
            };
        }
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.next();
        }
        found
    }

    fn expect(&mut self, wanted: char, what: &'static str) -> Result<(), Fault> {
        if self.take(wanted) {
            Ok(())
        } else {
            Err(self.fault(what))
        }
    }

    fn end(&mut self) -> Result<(), Fault> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.fault("nothing after the closing `}`")),
        }
    }

    /// Returns the problem of the next character.
    fn fault(&self, what: &'static str) -> Fault {
        Fault::At(self.read + 1, what)
    }

    fn string(&mut self, what: &'static str) -> Result<String, Fault> {
        let Some(quote @ ('"' | '\'')) = self.peek() else {
            return Err(self.fault(what));
        };
        self.next();
        let mut string = String::new();
        loop {
            let unclosed = self.fault("the closing quote");
            match self.next().ok_or(unclosed)? {
                end if end == quote => return Ok(string),
                '\\' => string.push(self.escape()?),
                other => string.push(other),
            }
        }
    }

    /// Parses the rest of an escape: a character for itself, a letter, or a number.
    fn escape(&mut self) -> Result<char, Fault> {
        let fault = self.fault("an escape of JSON after `\\`");
        Ok(match self.next() {
            Some(same @ ('"' | '\'' | '\\' | '/')) => same,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => self.code_point()?,
            _ => return Err(fault),
        })
    }

    /// Parses four hexadecimal digits, or twice four for a surrogate pair.
    fn code_point(&mut self) -> Result<char, Fault> {
        let fault = self.fault("the four hexadecimal digits of a character");
        let first = self.code_unit()?;
        let mut units = vec![first];
        if (0xd800..0xdc00).contains(&first) && self.rest.as_str().starts_with("\\u") {
            self.next();
            self.next();
            units.push(self.code_unit()?);
        }
        match *String::from_utf16(&units)
            .unwrap_or_default()
            .chars()
            .collect::<Vec<_>>()
        {
            [character] => Ok(character),
            _ => Err(fault),
        }
    }

    fn code_unit(&mut self) -> Result<u16, Fault> {
        let fault = self.fault("the four hexadecimal digits of a character");
        let digits: Option<u32> =
            (0..4).try_fold(0, |unit, _| Some(unit * 16 + self.next()?.to_digit(16)?));
        digits
            .and_then(|unit| u16::try_from(unit).ok())
            .ok_or(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_in_both_quotes() {
        for (text, expected) in [
            ("{}", &[] as &[(&str, &str)]),
            (" { } ", &[]),
            (r#"{"a":"b"}"#, &[("a", "b")]),
            ("{'a': 'b', \"c\"\t:\n\"d\"}", &[("a", "b"), ("c", "d")]),
            (r#"{"a":"1","a":"2"}"#, &[("a", "1"), ("a", "2")]),
            (r#"{"a'":'"'}"#, &[("a'", "\"")]),
            (
                r#"{"\"\\\/\b\f\n\r\t\u0041":"\ud83d\ude00\u00e9\u0000"}"#,
                &[("\"\\/\u{8}\u{c}\n\r\tA", "😀é\0")],
            ),
            ("{'it\\'s': ''}", &[("it's", "")]),
        ] {
            let found = pairs(text).unwrap();
            let found: Vec<_> = found
                .iter()
                .map(|(n, v)| (n.as_str(), v.as_str()))
                .collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn a_fault_has_a_place_and_no_text() {
        for (text, place) in [
            ("", 1),
            ("a", 1),
            ("{", 2),
            ("{a", 2),
            ("{\"a\"}", 5),
            ("{\"a\":\"b\"", 9),
            ("{\"a\":\"b", 8),
            ("{\"a\":\"b\"}x", 10),
            ("{\"a\":\"b\",}", 10),
            ("{\"a\":\"b\" \"c\"}", 10),
            ("{\"a\":\"\\x\"}", 8),
            ("{\"a\":\"\\u12g4\"}", 9),
            ("{\"a\":\"\\ud800\"}", 9),
            ("{\"a\":\"\\ud800\\u0041\"}", 9),
            ("{\"a\":", 6),
            ("{😀", 2),
        ] {
            let fault = pairs(text).unwrap_err();
            assert!(
                matches!(fault, Fault::At(at, _) if at == place),
                "{text}: {fault:?}"
            );
        }
    }

    #[test]
    fn a_value_that_is_not_a_string_is_reported_by_its_name() {
        for value in ["123", "null", "true", "{}", "[\"a\"]", "b"] {
            let fault = pairs(&format!("{{\"a\": {value}}}"));
            assert_eq!(fault, Err(Fault::NotText("a".into())), "{value}");
        }
    }

    #[test]
    fn parses_exactly_one_string() {
        assert_eq!(string(r#" "{\"a\":1}" "#).as_deref(), Some(r#"{"a":1}"#));
        assert_eq!(string("'a'").as_deref(), Some("a"));
        assert_eq!(string("\"a\" b"), None);
        assert_eq!(string("a"), None);
    }
}
