//! A second parser of the plugin's text, written from the grammar without a thought for speed. It is what the
//! decoder is compared with, and shares no code with it.

use serde_json::{Map, Value, json};

/// What the payload says, in the form of the corpus; `None` where it does not match the grammar.
pub(crate) fn parse(payload: &[u8]) -> Option<Value> {
    let mut reader = Reader { bytes: payload, at: 0 };
    let ast = reader.payload()?;
    (reader.at == payload.len()).then_some(ast)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.rest().first().copied()
    }

    /// Steps over `text` if it comes next.
    fn eat(&mut self, text: &str) -> bool {
        let there = self.rest().starts_with(text.as_bytes());
        if there {
            self.at += text.len();
        }
        there
    }

    fn must(&mut self, text: &str) -> Option<()> {
        self.eat(text).then_some(())
    }

    fn payload(&mut self) -> Option<Value> {
        if self.eat("table ") {
            return self.table();
        }
        if self.eat("message: transactional: ") {
            return self.message("message");
        }
        for (start, kind) in [
            ("PREPARE TRANSACTION ", "prepare"),
            ("COMMIT PREPARED ", "commit_prepared"),
            ("ROLLBACK PREPARED ", "rollback_prepared"),
        ] {
            if self.eat(start) {
                let gid = self.gid()?;
                let xid = if self.eat(", txid ") { Some(self.xid()?) } else { None };
                return Some(line(kind, [("gid", Some(gid)), ("xid", xid), ("ts", Some(self.time()?))]));
            }
        }
        if self.eat("BEGIN") {
            let xid = if self.eat(" ") { Some(self.xid()?) } else { None };
            return Some(line("begin", [("xid", xid)]));
        }
        if self.eat("COMMIT") {
            let spaced = self.rest().first() == Some(&b' ') && self.rest().get(1) != Some(&b'(');
            let xid = if spaced && self.eat(" ") { Some(self.xid()?) } else { None };
            return Some(line("commit", [("xid", xid), ("ts", Some(self.time()?))]));
        }
        self.streamed()
    }

    fn streamed(&mut self) -> Option<Value> {
        for (start, kind) in [
            ("opening a streamed block for transaction", "stream_start"),
            ("closing a streamed block for transaction", "stream_stop"),
            ("aborting streamed (sub)transaction", "stream_abort"),
            ("committing streamed transaction", "stream_commit"),
        ] {
            if self.eat(start) {
                let xid = if self.eat(" TXN ") { Some(self.xid()?) } else { None };
                let at = if kind == "stream_commit" { Some(self.time()?) } else { None };
                return Some(line(kind, [("xid", xid), ("ts", at)]));
            }
        }
        for (start, kind) in
            [("streaming change for ", "stream_change"), ("streaming truncate for ", "stream_truncate")]
        {
            if self.eat(start) {
                let xid = if self.eat("TXN ") {
                    Some(self.xid()?)
                } else {
                    self.must("transaction")?;
                    None
                };
                return Some(line(kind, [("xid", xid)]));
            }
        }
        if self.eat("preparing streamed transaction ") {
            let named = self.eat("TXN ");
            let gid = self.gid()?;
            let xid = if named {
                self.must(", txid ")?;
                Some(self.xid()?)
            } else {
                None
            };
            return Some(line(
                "stream_prepare",
                [("gid", Some(gid)), ("xid", xid), ("ts", Some(self.time()?))],
            ));
        }
        self.must("streaming message: transactional: ")?;
        if self.rest().starts_with(b"0") { self.message("stream_message") } else { self.bare_message() }
    }

    fn table(&mut self) -> Option<Value> {
        let first = self.relation()?;
        if self.eat(": INSERT:") {
            return Some(json!({"k": "insert", "rel": first, "new": self.tuple()?}));
        }
        if self.eat(": DELETE:") {
            return Some(json!({"k": "delete", "rel": first, "old": self.tuple()?}));
        }
        if self.eat(": UPDATE:") {
            let mut old = Value::Null;
            if self.eat(" old-key:") {
                old = self.columns()?;
                self.must(" new-tuple:")?;
            }
            return Some(json!({"k": "update", "rel": first, "old": old, "new": self.tuple()?}));
        }
        let mut tables = vec![first];
        while self.eat(", ") {
            tables.push(self.relation()?);
        }
        self.must(": TRUNCATE:")?;
        if self.eat(" (no-flags)") {
            return Some(json!({"k": "truncate", "rels": tables, "restart": false, "cascade": false}));
        }
        let restart = self.eat(" restart_seqs");
        let cascade = self.eat(" cascade");
        (restart || cascade)
            .then(|| json!({"k": "truncate", "rels": tables, "restart": restart, "cascade": cascade}))
    }

    fn relation(&mut self) -> Option<Value> {
        let schema = self.ident()?;
        self.must(".")?;
        let table = self.ident()?;
        Some(json!([text(&schema), text(&table)]))
    }

    fn ident(&mut self) -> Option<Vec<u8>> {
        if self.peek()? == b'"' {
            return self.quoted(b'"');
        }
        let mut name = Vec::new();
        while let Some(byte) = self.peek() {
            let lower = byte.is_ascii_lowercase() || byte == b'_';
            if !(lower || byte.is_ascii_digit() && !name.is_empty()) {
                break;
            }
            name.push(byte);
            self.at += 1;
        }
        (!name.is_empty()).then_some(name)
    }

    /// `quote`, anything with `quote` doubled, `quote`; gives the text with the doubling undone.
    fn quoted(&mut self, quote: u8) -> Option<Vec<u8>> {
        let mut inside = Vec::new();
        if self.peek()? != quote {
            return None;
        }
        self.at += 1;
        loop {
            let byte = self.peek()?;
            self.at += 1;
            if byte == 0 {
                return None;
            }
            if byte == quote {
                if self.peek() != Some(quote) {
                    return Some(inside);
                }
                self.at += 1;
            }
            inside.push(byte);
        }
    }

    fn tuple(&mut self) -> Option<Value> {
        if self.eat(" (no-tuple-data)") { Some(Value::Null) } else { self.columns() }
    }

    fn columns(&mut self) -> Option<Value> {
        let mut columns = Vec::new();
        while self.peek() == Some(b' ') && !self.rest().starts_with(b" new-tuple:") {
            self.at += 1;
            let name = self.ident()?;
            self.must("[")?;
            let start = self.at;
            self.type_text()?;
            let type_text = self.bytes[start..self.at].to_vec();
            self.must("]:")?;
            let (kind, value) = self.value()?;
            columns
                .push(json!({"name": text(&name), "type": text(&type_text), "kind": kind, "value": value}));
        }
        // The server's limit.
        (columns.len() <= 1664).then(|| columns.into())
    }

    fn type_text(&mut self) -> Option<()> {
        loop {
            match self.peek()? {
                b'"' => drop(self.quoted(b'"')?),
                b'[' => return self.must("[]"),
                b']' => return Some(()),
                _ => self.at += 1,
            }
        }
    }

    fn value(&mut self) -> Option<(&'static str, Value)> {
        if self.peek()? == b'\'' {
            return Some(("str", text(&self.quoted(b'\'')?)));
        }
        let end = self.rest().iter().position(|byte| *byte == b' ').unwrap_or(self.rest().len());
        let token = self.rest()[..end].to_vec();
        self.at += end;
        let bits = token.strip_prefix(b"B'").and_then(|token| token.strip_suffix(b"'"));
        if let Some(bits) = bits {
            return bits.iter().all(|bit| b"01".contains(bit)).then(|| ("bit", text(bits)));
        }
        match &token[..] {
            b"null" => Some(("null", Value::Null)),
            b"unchanged-toast-datum" => Some(("toast", Value::Null)),
            b"true" | b"false" => Some(("bool", text(&token))),
            _ => is_number(&token).then(|| ("num", text(&token))),
        }
    }

    fn message(&mut self, kind: &str) -> Option<Value> {
        let transactional = self.eat("1");
        if !transactional {
            self.must("0")?;
        }
        self.must(" prefix: ")?;
        let rest = self.rest();
        let mut readings = Vec::new();
        for at in 0..rest.len() {
            let Some(behind) = rest[at..].strip_prefix(b", sz: ") else { continue };
            let digits = behind.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (size, behind) = behind.split_at(digits);
            let Some(content) = behind.strip_prefix(b" content:") else { continue };
            if size == content.len().to_string().as_bytes() && !rest[..at].contains(&0) {
                readings.push((&rest[..at], content));
            }
        }
        let (prefix, content) = *readings.first()?;
        let (prefix, size, content) = (text(prefix), content.len(), text(content));
        self.at = self.bytes.len();
        Some(json!({"k": kind, "transactional": transactional, "prefix": prefix, "sz": size,
                    "content": content, "candidates": readings.len()}))
    }

    /// A streamed message without content.
    fn bare_message(&mut self) -> Option<Value> {
        self.must("1 prefix: ")?;
        let rest = self.rest();
        let at = (0..rest.len()).rev().find(|at| rest[*at..].starts_with(b", sz: "))?;
        let prefix = text(&rest[..at]);
        let size = integer(&rest[at + 6..])?;
        if rest[..at].contains(&0) {
            return None;
        }
        self.at = self.bytes.len();
        Some(json!({"k": "stream_message", "transactional": true, "prefix": prefix, "sz": size,
                    "content": null}))
    }

    fn gid(&mut self) -> Option<Value> {
        let escaped = self.eat("E");
        let mut gid = self.quoted(b'\'')?;
        if escaped != gid.contains(&b'\\') {
            return None;
        }
        if escaped {
            let mut plain = Vec::new();
            let mut bytes = gid.into_iter();
            while let Some(byte) = bytes.next() {
                if byte == b'\\' && bytes.next() != Some(b'\\') {
                    return None;
                }
                plain.push(byte);
            }
            gid = plain;
        }
        Some(text(&gid))
    }

    fn xid(&mut self) -> Option<Value> {
        let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        let xid = integer(&self.rest()[..digits])?;
        self.at += digits;
        u32::try_from(xid).ok().map(Value::from)
    }

    /// ` (at …)`, or null where it does not stand.
    fn time(&mut self) -> Option<Value> {
        if !self.eat(" (at ") {
            return Some(Value::Null);
        }
        let end = self.rest().iter().position(|byte| *byte == b')')?;
        let time = std::str::from_utf8(&self.rest()[..end]).ok()?.to_owned();
        self.at += end + 1;
        is_time(&time)?;
        Some(time.into())
    }
}

fn line<const N: usize>(kind: &str, entries: [(&str, Option<Value>); N]) -> Value {
    let mut line = Map::from_iter([("k".to_owned(), Value::from(kind))]);
    for (key, value) in entries {
        if let Some(value) = value.filter(|value| !value.is_null()) {
            line.insert(key.to_owned(), value);
        }
    }
    line.into()
}

fn text(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => {
            json!({"hex": bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()})
        }
    }
}

/// As the server prints it: no sign, no zero in front.
fn integer(digits: &[u8]) -> Option<u64> {
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (number.to_string().as_bytes() == digits).then_some(number)
}

fn is_number(token: &[u8]) -> bool {
    let Ok(token) = std::str::from_utf8(token) else { return false };
    if ["NaN", "Infinity", "-Infinity"].contains(&token) {
        return true;
    }
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = token.split_once('e').map_or((token, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
    let whole = whole.strip_prefix('-').unwrap_or(whole);
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|text| text.strip_prefix(['+', '-']).is_some_and(digits))
}

/// `2026-11-23 04:53:45.396841+05:45`, possibly before Christ.
fn is_time(time: &str) -> Option<()> {
    let (time, before_christ) = time.strip_suffix(" BC").map_or((time, false), |time| (time, true));
    let (date, clock) = time.split_once(' ')?;
    let (clock, zone) = clock.split_once(['+', '-'])?;
    let parts = |text: &str, separator: char, widths: &[std::ops::RangeInclusive<usize>]| {
        let parts: Vec<&str> = text.split(separator).collect();
        let fits = parts.len() <= widths.len()
            && parts.iter().zip(widths).all(|(part, width)| {
                width.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
            });
        fits.then(|| parts.iter().map(|part| part.parse::<u32>().expect("few digits")).collect::<Vec<_>>())
    };
    let [year, month, day] = parts(date, '-', &[4..=6, 2..=2, 2..=2])?[..] else { return None };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let [hour, minute, second] = parts(clock, ':', &[2..=2, 2..=2, 2..=2])?[..] else { return None };
    parts(fraction, '.', &[1..=6])?;
    let zone = parts(zone, ':', &[2..=3, 2..=2, 2..=2])?;
    // The year before 1 is 1 BC, a leap year as 4 is.
    let cycle = if before_christ { year.wrapping_sub(1) } else { year };
    let leap = cycle.is_multiple_of(4) && (!cycle.is_multiple_of(100) || cycle.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    // 64 bits of microseconds end in the year 294247.
    let possible = (1..294_247).contains(&year) && (1..=days).contains(&day);
    (possible && hour < 24 && minute < 60 && second < 60 && zone[1..].iter().all(|part| *part < 60))
        .then_some(())
}
