//! Errors and notices (manual, "Error and Notice Message Fields").
//!
//! What a server says is shown to people and written to logs, so it is made harmless here: control and
//! direction-changing characters and bytes that are not UTF-8 are escaped, and a field is cut at 4 KiB. What
//! arrived before login was done could come from anybody and is marked so.

use std::fmt::{self, Write as _};

use super::error::ProtocolError;
use super::reader::Reader;
use super::sqlstate::SqlState;

/// A field's text beyond this many bytes is left out.
const FIELD_LIMIT: usize = 4 << 10;

/// How serious a report is. Decided by field `V`, which is not translated; by `S` where `V` is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The server ends as a whole.
    Panic,
    /// The connection ends.
    Fatal,
    /// The command failed; the connection goes on.
    Error,
    /// A notice of any level.
    Notice,
}

impl Severity {
    fn parse(text: &[u8]) -> Option<Self> {
        match text {
            b"PANIC" => Some(Self::Panic),
            b"FATAL" => Some(Self::Fatal),
            b"ERROR" => Some(Self::Error),
            b"WARNING" | b"NOTICE" | b"DEBUG" | b"INFO" | b"LOG" => Some(Self::Notice),
            _ => None,
        }
    }

    /// Whether the server closes the connection behind the report.
    pub fn ends_connection(self) -> bool {
        matches!(self, Self::Panic | Self::Fatal)
    }
}

/// What a server reported, escaped and safe to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    /// How serious it is. An error without a readable severity counts as [`Severity::Error`].
    pub severity: Severity,
    /// The severity as the server wrote it: `ERROR`, `WARNING`, …
    pub severity_text: String,
    /// The SQLSTATE, where there was a valid one.
    pub code: Option<SqlState>,
    /// The primary message.
    pub message: String,
    /// More about the problem.
    pub detail: Option<String>,
    /// What might help.
    pub hint: Option<String>,
    /// Where it happened: for a plugin's error the slot, the callback and the LSN.
    pub context: Option<String>,
    /// The server's source file that reported it; unlike the message it is never translated.
    pub file: Option<String>,
    /// Whether it arrived after the login had been accepted.
    pub authenticated: bool,
}

impl ServerError {
    /// Reads the body of an `ErrorResponse` or `NoticeResponse`. Unknown fields are ignored, as the manual asks.
    pub fn parse(body: &[u8], authenticated: bool) -> Result<Self, ProtocolError> {
        let mut reader = Reader::new("ErrorResponse", body);
        let mut report = Self::empty(authenticated);
        let mut severity = None;
        loop {
            let field = reader.u8()?;
            if field == 0 {
                break;
            }
            let text = reader.cstr()?;
            match field {
                b'S' => {
                    report.severity_text = escape(text);
                    severity = severity.or(Severity::parse(text));
                }
                b'V' => severity = Severity::parse(text).or(severity),
                b'C' => report.code = SqlState::parse(text),
                b'M' => report.message = escape(text),
                b'D' => report.detail = Some(escape(text)),
                b'H' => report.hint = Some(escape(text)),
                b'W' => report.context = Some(escape(text)),
                b'F' => report.file = Some(escape(text)),
                _ => {}
            }
        }
        reader.end()?;
        report.severity = severity.unwrap_or(Severity::Error);
        Ok(report)
    }

    /// The words of a server that could not even start a process and answered `E`, a line of text and a zero
    /// byte, without a length.
    pub fn from_plain_text(text: &[u8]) -> Self {
        let line = text.split(|&b| b == 0).next().unwrap_or_default();
        let mut report = Self::empty(false);
        report.severity = Severity::Fatal;
        "FATAL".clone_into(&mut report.severity_text);
        report.message = escape(line.trim_ascii());
        report
    }

    fn empty(authenticated: bool) -> Self {
        Self {
            severity: Severity::Error,
            severity_text: String::new(),
            code: None,
            message: String::new(),
            detail: None,
            hint: None,
            context: None,
            file: None,
            authenticated,
        }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.authenticated {
            f.write_str("unauthenticated server said: ")?;
        }
        f.write_str(&self.severity_text)?;
        if let Some(code) = self.code {
            write!(f, " {code}")?;
        }
        write!(f, ": {}", self.message)?;
        for (name, text) in [("detail", &self.detail), ("hint", &self.hint), ("context", &self.context)] {
            if let Some(text) = text {
                write!(f, "; {name}: {text}")?;
            }
        }
        Ok(())
    }
}

/// A server's text for people: UTF-8 without control or direction-changing characters, at most 4 KiB of it.
pub fn escape(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len().min(FIELD_LIMIT));
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_cut(&mut out) {
                return out;
            }
            push_escaped(&mut out, c);
        }
        for byte in chunk.invalid() {
            if is_cut(&mut out) {
                return out;
            }
            push_hex(&mut out, *byte);
        }
    }
    out
}

/// Whether there is no room for what follows; says so.
fn is_cut(out: &mut String) -> bool {
    let is_full = out.len() >= FIELD_LIMIT;
    if is_full {
        out.push_str(" … (cut)");
    }
    is_full
}

fn push_escaped(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        // Bidirectional controls and line separators can make a log line read as another one.
        '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => {
            out.extend(c.escape_unicode());
        }
        c if c.is_control() => out.extend(c.escape_unicode()),
        c => out.push(c),
    }
}

fn push_hex(out: &mut String, byte: u8) {
    // Writing to a String cannot fail.
    let written = write!(out, "\\x{byte:02X}");
    debug_assert!(written.is_ok());
}

#[cfg(test)]
mod tests;
