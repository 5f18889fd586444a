//! Messages of the server: which bodies are taken, and that nothing of them is misread.
//!
//! Input: a tag and a body.
//!
//! Promised: a body is taken exactly where a plain reader takes it, and what was read writes the same body again.
//! Of an error or notice every field comes out, harmless to print and at most a little above 4 KiB long.

use pgsluice::postgres::auth::Challenge;
use pgsluice::postgres::protocol::backend::{BackendMessage, DataRow, TransactionStatus};
use pgsluice::postgres::protocol::frame::{Frame, FrameHeader};
use pgsluice::postgres::protocol::notice::{ServerError, Severity};

use crate::plain;

/// A field's text beyond this many bytes may be cut.
const SHOWN_BYTES: usize = 4 << 10;

/// Runs all checks of this module.
pub fn check(input: &[u8]) {
    let Some((&tag, body)) = input.split_first() else { return };
    let frame = Frame { start: 0, header: FrameHeader { tag, len: body.len() + 4 }, body };
    match BackendMessage::parse(&frame) {
        Ok(message) => {
            assert!(plain::is_message(tag, body), "{message:?} is taken");
            same_body(&message, body);
        }
        Err(error) => assert!(!plain::is_message(tag, body), "{error} of {} {body:?}", tag.escape_ascii()),
    }
    report(body, true);
    report(body, false);
    plain_text(body);
}

/// `body` is what `message` says.
fn same_body(message: &BackendMessage<'_>, body: &[u8]) {
    let written = match message {
        BackendMessage::Authentication(challenge) => challenge_body(challenge, body),
        BackendMessage::BackendKeyData(key) => [&key.process_id.to_be_bytes()[..], &key.secret].concat(),
        // The names of options are not kept.
        BackendMessage::NegotiateProtocolVersion(newest) => [&newest.to_be_bytes()[..], &body[4..]].concat(),
        BackendMessage::ParameterStatus { name, value } => [name, &b"\0"[..], value, b"\0"].concat(),
        BackendMessage::ReadyForQuery(TransactionStatus::Idle) => b"I".to_vec(),
        BackendMessage::ReadyForQuery(TransactionStatus::InTransaction) => b"T".to_vec(),
        BackendMessage::ReadyForQuery(TransactionStatus::Failed) => b"E".to_vec(),
        BackendMessage::ErrorResponse(body)
        | BackendMessage::NoticeResponse(body)
        | BackendMessage::CopyData(body) => body.to_vec(),
        BackendMessage::RowDescription(row) => {
            assert_eq!((row.len(), row.is_empty()), (count(body), count(body) == 0));
            assert_eq!(row.names().ok(), names(body));
            return;
        }
        BackendMessage::DataRow(row) => {
            assert_eq!((row.len(), row.is_empty()), (count(body), count(body) == 0));
            same_row(row, body);
            return;
        }
        BackendMessage::CommandComplete(tag) => [tag, &b"\0"[..]].concat(),
        BackendMessage::EmptyQueryResponse | BackendMessage::CopyDone => Vec::new(),
        // Nothing of them is kept.
        BackendMessage::NotificationResponse
        | BackendMessage::CopyInResponse
        | BackendMessage::CopyOutResponse
        | BackendMessage::CopyBothResponse => return,
    };
    assert_eq!(written, body);
}

fn challenge_body(challenge: &Challenge<'_>, body: &[u8]) -> Vec<u8> {
    let (code, rest) = match challenge {
        Challenge::Ok => (0, Vec::new()),
        Challenge::Cleartext => (3, Vec::new()),
        Challenge::Md5 { salt } => (5, salt.to_vec()),
        Challenge::Sasl { mechanisms } => {
            let mut names: Vec<u8> = mechanisms.iter().flat_map(|name| [name, &b"\0"[..]].concat()).collect();
            names.push(0);
            (10, names)
        }
        Challenge::SaslContinue(message) => (11, message.to_vec()),
        Challenge::SaslFinal(message) => (12, message.to_vec()),
        Challenge::Other { code } => (*code, body[4..].to_vec()),
    };
    [&code.to_be_bytes()[..], &rest].concat()
}

fn count(body: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([body[0], body[1]]))
}

/// The names of a row's columns: each a string with 18 bytes behind it.
fn names(body: &[u8]) -> Option<Vec<&[u8]>> {
    let mut names = Vec::new();
    let mut rest = &body[2..];
    for _ in 0..count(body) {
        let end = rest.iter().position(|byte| *byte == 0)?;
        names.push(&rest[..end]);
        rest = rest.get(end + 1 + 18..)?;
    }
    rest.is_empty().then_some(names)
}

/// The values that were read write the same row again; where one is wrong, so is the row.
fn same_row(row: &DataRow<'_>, body: &[u8]) {
    let mut written = body[..2].to_vec();
    let mut values = 0;
    for value in row.values() {
        match value {
            Ok(None) => written.extend((-1_i32).to_be_bytes()),
            Ok(Some(value)) => {
                written.extend(u32::try_from(value.len()).expect("a short row").to_be_bytes());
                written.extend(value);
            }
            Err(_) => {
                assert!(body.starts_with(&written), "an error comes in its place");
                assert!(!is_row(body));
                return;
            }
        }
        values += 1;
    }
    assert_eq!((written.as_slice(), values), (body, row.len()));
}

fn is_row(body: &[u8]) -> bool {
    let mut at = 2;
    for _ in 0..count(body) {
        let Some(length) = body.get(at..at + 4) else { return false };
        let length = i64::from(i32::from_be_bytes([length[0], length[1], length[2], length[3]]));
        at += 4;
        match usize::try_from(length) {
            Ok(length) => at += length,
            Err(_) if length == -1 => {}
            Err(_) => return false,
        }
        if at > body.len() {
            return false;
        }
    }
    at == body.len()
}

/// `body` as an error or a notice.
fn report(body: &[u8], authenticated: bool) {
    let (fields, report) = match (plain::report(body), ServerError::parse(body, authenticated)) {
        (None, Err(_)) => return,
        (Some(fields), Ok(report)) => (fields, report),
        (fields, report) => panic!("{fields:?} {report:?}"),
    };
    // Where a field comes twice, the last one counts.
    let last = |kind| fields.iter().rev().find(|(found, _)| *found == kind).map(|(_, text)| *text);
    same_text(last(b'M'), Some(&report.message).filter(|text| !text.is_empty()));
    same_text(last(b'S'), Some(&report.severity_text).filter(|text| !text.is_empty()));
    same_text(last(b'D'), report.detail.as_ref());
    same_text(last(b'H'), report.hint.as_ref());
    same_text(last(b'W'), report.context.as_ref());
    same_text(last(b'F'), report.file.as_ref());
    let code = last(b'C')
        .filter(|code| code.len() == 5 && code.iter().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()));
    assert_eq!(report.code.map(|code| code.to_string().into_bytes()), code.map(<[u8]>::to_vec));
    let ends = match fields.iter().rev().find_map(|(kind, text)| severity(text).filter(|_| *kind == b'V')) {
        Some(severity) => {
            assert_eq!(report.severity, severity);
            matches!(severity, Severity::Fatal | Severity::Panic)
        }
        None => fields.iter().any(|(kind, text)| *kind == b'S' && matches!(*text, b"FATAL" | b"PANIC")),
    };
    assert!(ends || !report.severity.ends_connection());
    printable(&report, authenticated);
}

fn severity(text: &[u8]) -> Option<Severity> {
    Some(match text {
        b"PANIC" => Severity::Panic,
        b"FATAL" => Severity::Fatal,
        b"ERROR" => Severity::Error,
        b"WARNING" | b"NOTICE" | b"DEBUG" | b"INFO" | b"LOG" => Severity::Notice,
        _ => return None,
    })
}

/// `shown` is the text that the server sent, or its beginning.
fn same_text(sent: Option<&[u8]>, shown: Option<&String>) {
    let whole = sent.map(plain::shown).unwrap_or_default();
    let shown = shown.map(String::as_str).unwrap_or_default();
    if whole.len() <= SHOWN_BYTES {
        assert_eq!(shown, whole);
    } else {
        let start = shown.strip_suffix(" … (cut)").unwrap_or(shown);
        assert!(whole.starts_with(start) && start.len() >= SHOWN_BYTES && shown.len() <= SHOWN_BYTES + 40);
    }
}

fn printable(report: &ServerError, authenticated: bool) {
    let line = report.to_string();
    assert!(!line.chars().any(plain::is_harmful), "{line:?}");
    assert_eq!(line.starts_with("unauthenticated"), !authenticated, "{line:?}");
    assert!(line.len() <= 6 * (SHOWN_BYTES + 40));
}

/// `body` as what a server says that cannot even make a message.
fn plain_text(body: &[u8]) {
    let report = ServerError::from_plain_text(body);
    let line = body.split(|byte| *byte == 0).next().unwrap_or_default();
    same_text(Some(line.trim_ascii()), Some(&report.message));
    assert!(report.severity.ends_connection());
    printable(&report, false);
}
