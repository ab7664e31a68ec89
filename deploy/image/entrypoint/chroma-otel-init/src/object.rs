//! A JSON object whose values are strings, in the quotes of JSON or of Python.
//!
//! Invariant: an error says at which character and what is missing, never what is there.

/// Why a text is not such an object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// At this character, counted from 1: what was expected.
    At(usize, &'static str),
    /// The member of this name has a value that is not a string.
    NotText(String),
}

/// Reads `{"name": "value", …}`, with `'` for `"` as well, and returns the pairs in order, doubles
/// included.
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

/// Reads one JSON string, quotes included, and nothing else.
pub(crate) fn string(text: &str) -> Option<String> {
    let mut reader = Reader::new(text);
    let string = reader.string("a string").ok()?;
    reader.end().ok()?;
    Some(string)
}

struct Reader<'a> {
    rest: std::str::Chars<'a>,
    /// How many characters have been read.
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

    /// The next character that is not white space, which stays.
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

    /// What is wrong with the character that comes next.
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

    /// What stands for itself after a backslash, or by a letter, or by number.
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

    /// Four hexadecimal digits, or twice four for a surrogate pair.
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
