//! Values of every type: as the server prints them, and what they have to be in JSON.

use arbitrary::{Result, Unstructured};

use super::expected::Expected;
use super::time;
use super::types::{Charset, Type};

/// A value that was sent.
#[derive(Clone, Debug)]
pub(super) struct Value {
    /// The server's text.
    pub(super) text: Vec<u8>,
    pub(super) json: Expected,
}

impl Value {
    fn exactly(text: String) -> Self {
        Self { text: text.clone().into_bytes(), json: Expected::Exactly(text) }
    }

    fn string(text: String) -> Self {
        Self { text: text.clone().into_bytes(), json: Expected::Text(text) }
    }

    fn of(text: String, json: String) -> Self {
        Self { text: text.into_bytes(), json: Expected::Text(json) }
    }
}

/// A value of `kind`; `inner` where it stands in an array or belongs to a domain, where booleans are printed short.
pub(super) fn value(u: &mut Unstructured<'_>, kind: &Type, charset: Charset, inner: bool) -> Result<Value> {
    Ok(match kind {
        Type::Boolean => {
            let value: bool = u.arbitrary()?;
            let text = value.to_string();
            let printed = if inner { &text[..1] } else { &text };
            Value { text: printed.as_bytes().to_vec(), json: Expected::Exactly(text) }
        }
        Type::Integer => Value::exactly(u.arbitrary::<i64>()?.to_string()),
        Type::Float => float(u)?,
        Type::Numeric => Value::string(numeric(u)?),
        Type::Money => money(u.arbitrary()?),
        Type::Bytea => {
            let bytes: Vec<u8> = u.arbitrary()?;
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            Value { text: format!("\\x{hex}").into_bytes(), json: Expected::Base64(bytes) }
        }
        Type::Date => Value::string(time::date(u)?.0),
        Type::Time => Value::string(time::clock(u)?),
        Type::TimeTz => {
            let (text, json) = time::timetz(u)?;
            Value::of(text, json)
        }
        Type::Timestamp => {
            let (text, json) = time::timestamp(u)?;
            Value::of(text, json)
        }
        Type::TimestampTz { precision } => {
            let (text, json) = time::timestamptz(u, *precision)?;
            Value::of(text, json)
        }
        Type::Interval => {
            let (text, json) = time::interval(u.arbitrary()?, u.arbitrary()?, u.arbitrary()?);
            Value::of(text, json)
        }
        Type::SingleBit => {
            let bit: bool = u.arbitrary()?;
            Value { text: vec![if bit { b'1' } else { b'0' }], json: Expected::Exactly(bit.to_string()) }
        }
        Type::Bits => Value::string(
            u.arbitrary::<Vec<bool>>()?.iter().map(|bit| if *bit { '1' } else { '0' }).collect(),
        ),
        Type::SingleByte => single_byte(u)?,
        Type::Hstore => hstore(u, charset)?,
        Type::Text | Type::Box => text(u, charset)?,
        Type::Domain(base) => value(u, base, charset, true)?,
        Type::Array(element) => array(u, element, charset)?,
    })
}

/// A text that may have any form at all.
pub(super) fn misfit(u: &mut Unstructured<'_>) -> Result<Value> {
    let mut text: Vec<u8> = u.arbitrary()?;
    text.retain(|byte| *byte != 0);
    Ok(Value { text, json: Expected::Anything })
}

fn text(u: &mut Unstructured<'_>, charset: Charset) -> Result<Value> {
    let text = characters(u, charset)?;
    Ok(Value { text: charset.bytes(&text), json: Expected::Text(text) })
}

/// Text without zero bytes, of characters that the encoding has.
pub(super) fn characters(u: &mut Unstructured<'_>, charset: Charset) -> Result<String> {
    let text = match charset {
        Charset::Utf8 => u.arbitrary::<&str>()?.to_owned(),
        Charset::Latin1 => u.arbitrary::<&[u8]>()?.iter().copied().map(char::from).collect(),
    };
    Ok(text.replace('\0', "0"))
}

/// Shortest digits, an exponent of two digits at least below 1e-4 and from 1e15 on.
fn float(u: &mut Unstructured<'_>) -> Result<Value> {
    let number: f64 = u.arbitrary()?;
    if !number.is_finite() {
        return Ok(Value::string((*u.choose(&["NaN", "Infinity", "-Infinity"])?).to_owned()));
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').expect("an exponent");
    let exponent: i32 = exponent.parse().expect("a number");
    if (-4..15).contains(&exponent) {
        return Ok(Value::exactly(number.to_string()));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    Ok(Value::exactly(format!("{digits}e{sign}{:02}", exponent.abs())))
}

fn numeric(u: &mut Unstructured<'_>) -> Result<String> {
    if u.ratio(1, 16)? {
        return Ok((*u.choose(&["NaN", "Infinity", "-Infinity"])?).to_owned());
    }
    let sign = if u.arbitrary()? { "-" } else { "" };
    let fraction: String =
        u.arbitrary::<Vec<u8>>()?.iter().map(|byte| char::from(b'0' + byte % 10)).collect();
    let point = if fraction.is_empty() { "" } else { "." };
    Ok(format!("{sign}{}{point}{fraction}", u.arbitrary::<u128>()?))
}

/// As under `lc_monetary=C`.
fn money(cents: i64) -> Value {
    let sign = if cents < 0 { "-" } else { "" };
    let (whole, cents) = ((cents.unsigned_abs() / 100).to_string(), cents.unsigned_abs() % 100);
    let mut grouped = String::new();
    for (n, digit) in whole.chars().enumerate() {
        if n > 0 && (whole.len() - n).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    Value::of(format!("{sign}${grouped}.{cents:02}"), format!("{sign}{whole}.{cents:02}"))
}

/// Up to PostgreSQL 14 the byte itself, then in octal where it is above 127.
fn single_byte(u: &mut Unstructured<'_>) -> Result<Value> {
    let octal = |byte: u8| format!("\\{byte:03o}");
    Ok(match (u.arbitrary::<u8>()?, u.arbitrary()?) {
        (0, _) => Value::string(String::new()),
        (byte @ 0x80.., true) => Value { text: vec![byte], json: Expected::Text(octal(byte)) },
        (byte @ 0x80.., false) => Value::string(octal(byte)),
        (byte, _) => Value::string(char::from(byte).to_string()),
    })
}

fn hstore(u: &mut Unstructured<'_>, charset: Charset) -> Result<Value> {
    let mut pairs = Vec::new();
    for _ in 0..u.int_in_range(0..=4)? {
        let value = if u.ratio(1, 4)? { None } else { Some(characters(u, charset)?) };
        pairs.push((characters(u, charset)?, value));
    }
    let mut text = Vec::new();
    for (key, value) in &pairs {
        text.extend(if text.is_empty() { &b""[..] } else { b", " });
        text.extend(quoted(&charset.bytes(key)));
        text.extend(b"=>");
        text.extend(value.as_ref().map_or(b"NULL".to_vec(), |value| quoted(&charset.bytes(value))));
    }
    Ok(Value { text, json: Expected::Object(pairs) })
}

/// In double quotes, with a backslash before those and before backslashes.
fn quoted(text: &[u8]) -> Vec<u8> {
    let mut out = vec![b'"'];
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
    out
}

/// Up to three dimensions, some with lower bounds of their own.
fn array(u: &mut Unstructured<'_>, element: &Type, charset: Charset) -> Result<Value> {
    let mut lengths = Vec::new();
    for _ in 0..u.int_in_range(1..=3)? {
        lengths.push(u.int_in_range(1..=3_usize)?);
    }
    if u.ratio(1, 8)? {
        return Ok(Value { text: b"{}".to_vec(), json: Expected::Array(Vec::new()) });
    }
    let mut text = Vec::new();
    if u.ratio(1, 8)? {
        for length in &lengths {
            let lower: i8 = u.arbitrary()?;
            let upper = i64::from(lower) + i64::try_from(*length).expect("small") - 1;
            text.extend(format!("[{lower}:{upper}]").as_bytes());
        }
        text.push(b'=');
    }
    let delimiter = if *element == Type::Box { b';' } else { b',' };
    let json = dimension(u, element, charset, &lengths, delimiter, &mut text)?;
    Ok(Value { text, json })
}

fn dimension(
    u: &mut Unstructured<'_>,
    element: &Type,
    charset: Charset,
    lengths: &[usize],
    delimiter: u8,
    text: &mut Vec<u8>,
) -> Result<Expected> {
    let Some((length, inner)) = lengths.split_first() else {
        if u.ratio(1, 8)? {
            text.extend(b"NULL");
            return Ok(Expected::null());
        }
        let value = value(u, element, charset, true)?;
        text.extend(element_text(&value.text, delimiter));
        return Ok(value.json);
    };
    let mut items = Vec::new();
    text.push(b'{');
    for n in 0..*length {
        if n > 0 {
            text.push(delimiter);
        }
        items.push(dimension(u, element, charset, inner, delimiter, text)?);
    }
    text.push(b'}');
    Ok(Expected::Array(items))
}

/// In quotes where it could be taken for something else.
fn element_text(text: &[u8], delimiter: u8) -> Vec<u8> {
    let special = |byte: &u8| {
        matches!(byte, b'"' | b'\\' | b'{' | b'}' | b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
            || *byte == delimiter
    };
    if text.is_empty() || text.eq_ignore_ascii_case(b"NULL") || text.iter().any(special) {
        return quoted(text);
    }
    text.to_vec()
}
