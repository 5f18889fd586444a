//! JSON as it was written: the order of fields and the very text of names, strings and numbers are kept, so that what
//! compares equal is equal byte for byte.

use std::fmt;

use crate::support::Result;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Json {
    /// A string (with its quotes and escapes), a number, `true`, `false` or `null`.
    Scalar(String),
    Array(Vec<Json>),
    /// Names as they are written between their quotes.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads what has no space between its tokens.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        Parser { rest: text, spaces: false }.whole().map_err(|error| format!("{error}: {text}").into())
    }

    /// Reads what may have some.
    pub(crate) fn parse_spaced(text: &str) -> Result<Self> {
        Parser { rest: text, spaces: true }.whole().map_err(|error| format!("{error}: {text}").into())
    }

    /// A field of an object.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        self.fields().iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }

    /// The same, to be changed.
    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Self> {
        let Self::Object(fields) = self else { return None };
        fields.iter_mut().find(|(field, _)| field == name).map(|(_, value)| value)
    }

    /// The fields of an object; nothing else has any.
    pub(crate) fn fields(&self) -> &[(String, Self)] {
        if let Self::Object(fields) = self { fields } else { &[] }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Scalar(text) if text == "null")
    }

    /// The number that a scalar is.
    pub(crate) fn number(&self) -> Result<i64> {
        match self {
            Self::Scalar(text) => Ok(text.parse().map_err(|_| format!("{text} is no integer"))?),
            other => Err(format!("{other} is no integer").into()),
        }
    }

    /// The text that a string holds.
    pub(crate) fn text(&self) -> Result<String> {
        match self {
            Self::Scalar(text) => Ok(serde_json::from_str(text).map_err(|_| format!("{text} is no string"))?),
            other => Err(format!("{other} is no string").into()),
        }
    }

    /// Whether both hold the same, however strings are escaped. Numbers must have the same digits.
    pub(crate) fn means(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Array(ours), Self::Array(theirs)) => {
                ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| ours.means(theirs))
            }
            (Self::Scalar(ours), Self::Scalar(theirs)) if ours != theirs => {
                self.text().is_ok_and(|ours| other.text().is_ok_and(|theirs| ours == theirs))
            }
            _ => self == other,
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar(text) => f.write_str(text),
            Self::Array(values) => {
                for (index, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if index == 0 { '[' } else { ',' })?;
                }
                f.write_str(if values.is_empty() { "[]" } else { "]" })
            }
            Self::Object(fields) => {
                for (index, (name, value)) in fields.iter().enumerate() {
                    write!(f, "{}\"{name}\":{value}", if index == 0 { '{' } else { ',' })?;
                }
                f.write_str(if fields.is_empty() { "{}" } else { "}" })
            }
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
    spaces: bool,
}

impl<'a> Parser<'a> {
    fn whole(mut self) -> std::result::Result<Json, String> {
        let value = self.value()?;
        self.skip_spaces();
        if self.rest.is_empty() { Ok(value) } else { Err(format!("more behind the end, {:?}", self.rest)) }
    }

    fn value(&mut self) -> std::result::Result<Json, String> {
        if self.take('[') {
            let mut values = Vec::new();
            while !self.take(']') {
                if !values.is_empty() {
                    self.expect(',')?;
                }
                values.push(self.value()?);
            }
            return Ok(Json::Array(values));
        }
        if self.take('{') {
            let mut fields: Vec<(String, Json)> = Vec::new();
            while !self.take('}') {
                if !fields.is_empty() {
                    self.expect(',')?;
                }
                let name = self.scalar()?;
                let quoted = name.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
                let name = quoted.ok_or_else(|| format!("{name} is no name"))?.to_owned();
                self.expect(':')?;
                if fields.iter().any(|(field, _)| *field == name) {
                    return Err(format!("{name} stands there twice"));
                }
                fields.push((name, self.value()?));
            }
            return Ok(Json::Object(fields));
        }
        self.scalar().map(|text| Json::Scalar(text.to_owned()))
    }

    fn scalar(&mut self) -> std::result::Result<&'a str, String> {
        self.skip_spaces();
        let length = if self.rest.starts_with('"') {
            let mut escaped = false;
            let closes = |(index, character): &(usize, char)| {
                let closes = *index > 0 && *character == '"' && !escaped;
                escaped = *character == '\\' && !escaped;
                closes
            };
            let (end, _) = self.rest.char_indices().find(closes).ok_or("a string without an end")?;
            end + 1
        } else {
            self.rest.find([',', ']', '}', ' ', '\n']).unwrap_or(self.rest.len())
        };
        let (scalar, rest) = self.rest.split_at(length);
        serde_json::from_str::<serde_json::Value>(scalar).map_err(|_| format!("{scalar:?} is no JSON"))?;
        self.rest = rest;
        Ok(scalar)
    }

    fn expect(&mut self, token: char) -> std::result::Result<(), String> {
        if self.take(token) { Ok(()) } else { Err(format!("no {token} before {:?}", self.rest)) }
    }

    fn take(&mut self, token: char) -> bool {
        self.skip_spaces();
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_spaces(&mut self) {
        if self.spaces {
            self.rest = self.rest.trim_start_matches([' ', '\n', '\t']);
        }
    }
}
