//! What of a message must be the same on every server.
//!
//! In what was parsed, transaction ids become the order in which they turn up and times of commit lose all but their
//! zone; then it is printed again, so that every other byte counts. Of positions only the order is kept.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use pgsluice::decode::print::print;
use pgsluice::decode::test_decoding::TestDecoding;
use pgsluice::decode::{
    Begin, Commit, Decoded, LogicalMessage, RowChange, Streamed, StreamedKind, TwoPhase, TwoPhaseStep,
    timestamp,
};

use super::read::Frame;
use crate::corpus::Case;
use crate::support::Result;

/// A transaction, or a block of a streamed one, of more messages than this was captured in part.
const WHOLE: usize = 270;
/// Of such a one the first and the last were kept.
const HEAD: usize = 200;
const TAIL: usize = 20;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    text: Vec<u8>,
    kind: Kind,
    /// Of a streamed transaction.
    transaction: Option<u32>,
    place: Place,
    /// How many of it stand in a row, where that is all there is to them.
    times: usize,
}

/// What matters for the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Begin,
    Commit,
    Prepare,
    MessageInside,
    /// Of no transaction.
    MessageOutside,
    BlockStart,
    BlockStop,
    BlockChange,
    Other,
}

/// What is kept of a position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    is_zero: bool,
    /// Beside the message before it in its transaction.
    beside_previous: Option<Ordering>,
    /// It goes back behind a transaction that was sent before.
    below_last_commit: bool,
}

/// The messages of a capture, `without` the column of this name, which is to be the last of its row.
pub(crate) fn captured(case: &Case, without: Option<&str>) -> Result<Vec<Message>> {
    let cut = |payload| without.map_or(payload, |column| without_last_column(payload, column));
    normalise(case.frames.iter().map(|frame| (frame.data_start, cut(&frame.payload))))
}

fn without_last_column<'a>(payload: &'a [u8], name: &str) -> &'a [u8] {
    let mut decoder = TestDecoding::new();
    let Ok(Decoded::Change(RowChange { new: Some(row), .. })) = decoder.decode(payload) else {
        return payload;
    };
    let Some(last) = row.iter().last().filter(|last| last.name.0 == name.as_bytes()) else { return payload };
    let value = last.value.text().unwrap_or(Cow::Borrowed(b"null"));
    let printed = [b" ", last.declaration, b"]:", &value].concat();
    payload.strip_suffix(printed.as_slice()).unwrap_or(payload)
}

/// What a server sent.
pub(crate) fn received(frames: &[Frame]) -> Result<Vec<Message>> {
    normalise(frames.iter().map(|frame| (frame.lsn, frame.payload.as_slice())))
}

/// Whether a server sent what was captured; of large transactions only a part may have been `elided`.
pub(crate) fn compare(captured: &[Message], received: &[Message], elided: bool) -> Result<()> {
    let is_streamed = captured.iter().any(|message| message.kind == Kind::BlockStart);
    let (captured, received) = match (is_streamed, elided) {
        (true, _) => (runs(captured), runs(received)),
        (false, true) => (captured.to_vec(), elide(received)),
        (false, false) => (captured.to_vec(), received.to_vec()),
    };
    // How much of a subtransaction that is rolled back is streamed before, depends on the server's memory too.
    let as_often = |captured: &Message, received: &Message| match captured.kind {
        Kind::BlockChange => captured.times <= received.times,
        _ => captured.times == received.times,
    };
    let same = |(captured, received): &(&Message, &Message)| {
        captured.text == received.text && captured.place == received.place && as_often(captured, received)
    };
    let alike = captured.iter().zip(&received).take_while(same).count();
    if alike == captured.len().max(received.len()) {
        return Ok(());
    }
    let shown = |messages: &[Message]| match messages.get(alike) {
        Some(Message { text, place, times, .. }) => {
            format!("{times} times {} {place:?}", text.escape_ascii())
        }
        None => "nothing more".to_owned(),
    };
    let (captured, received) = (shown(&captured), shown(&received));
    Err(format!("message {alike}\n  captured: {captured}\n  received: {received}").into())
}

/// Each payload is parsed and printed again, once as it is and once for the comparison.
fn normalise<'a>(frames: impl Iterator<Item = (u64, &'a [u8])>) -> Result<Vec<Message>> {
    let mut decoder = TestDecoding::new();
    let mut ids = Ids::default();
    let mut places = Places::default();
    let mut messages = Vec::new();
    for (lsn, payload) in frames {
        let shown = payload.escape_ascii();
        let mut read = decoder.decode(payload).map_err(|error| format!("{error}: {shown}"))?;
        let mut text = Vec::with_capacity(payload.len());
        print(&read, &mut text);
        if text != payload {
            return Err(format!("{shown} prints {}", text.escape_ascii()).into());
        }
        let (xid, at) = ids.replace(&mut read);
        let zone = at.map(zone).transpose()?;
        text.clear();
        print(&read, &mut text);
        text.extend_from_slice(zone.unwrap_or_default());
        let kind = kind(&read);
        messages.push(Message { text, kind, transaction: xid, place: places.of(lsn, kind)?, times: 1 });
    }
    Ok(messages)
}

fn kind(decoded: &Decoded<'_>) -> Kind {
    match decoded {
        Decoded::Begin(_) => Kind::Begin,
        Decoded::Commit(_) => Kind::Commit,
        Decoded::TwoPhase(TwoPhase { step: TwoPhaseStep::Prepare, .. }) => Kind::Prepare,
        Decoded::Message(LogicalMessage { transactional: true, .. }) => Kind::MessageInside,
        Decoded::Message(_) => Kind::MessageOutside,
        Decoded::Streamed(Streamed { kind: StreamedKind::Start, .. }) => Kind::BlockStart,
        Decoded::Streamed(Streamed { kind: StreamedKind::Stop, .. }) => Kind::BlockStop,
        Decoded::Streamed(Streamed { kind: StreamedKind::Change, .. }) => Kind::BlockChange,
        _ => Kind::Other,
    }
}

/// Transaction ids in the order in which they turn up.
#[derive(Default)]
struct Ids(BTreeMap<u32, u32>);

impl Ids {
    /// Takes id and time out of the message, and hands out what stands for the id, and the time.
    fn replace<'a>(&mut self, decoded: &mut Decoded<'a>) -> (Option<u32>, Option<&'a [u8]>) {
        let mut none = None;
        let (xid, at) = match decoded {
            Decoded::Begin(Begin { xid }) => (xid, None),
            Decoded::Commit(Commit { xid, at })
            | Decoded::TwoPhase(TwoPhase { xid, at, .. })
            | Decoded::Streamed(Streamed { xid, at, .. }) => (xid, at.take()),
            Decoded::Change(_) | Decoded::Truncate(_) | Decoded::Message(_) => (&mut none, None),
        };
        if let Some(id) = xid {
            let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
            *id = *self.0.entry(*id).or_insert(next);
        }
        (*xid, at)
    }
}

/// Positions as they go by.
#[derive(Default)]
struct Places {
    /// In a transaction: where its last message was, and whether it was a logical one.
    previous: Option<(u64, bool)>,
    last_commit: u64,
}

impl Places {
    fn of(&mut self, lsn: u64, kind: Kind) -> Result<Place> {
        let is_apart = matches!(kind, Kind::Begin | Kind::MessageOutside);
        let place = Place {
            is_zero: lsn == 0,
            beside_previous: self.previous.filter(|_| !is_apart).map(|(previous, was_message)| {
                // A message stands at the end of its record, where the next one begins, unless others write too.
                if was_message { Ordering::Greater } else { lsn.cmp(&previous) }
            }),
            below_last_commit: lsn != 0 && lsn < self.last_commit,
        };
        match kind {
            Kind::Commit if lsn <= self.last_commit => {
                return Err(format!("a COMMIT at {lsn:X} behind one at {:X}", self.last_commit).into());
            }
            Kind::Commit => (self.previous, self.last_commit) = (None, lsn),
            Kind::Prepare => self.previous = None,
            Kind::Begin => self.previous = Some((lsn, false)),
            Kind::MessageOutside => {}
            _ if self.previous.is_some() => self.previous = Some((lsn, kind == Kind::MessageInside)),
            _ => {}
        }
        Ok(place)
    }
}

/// The offset from UTC of a time that the product can read.
fn zone(at: &[u8]) -> Result<&[u8]> {
    timestamp::parse(at).map_err(|error| format!("{error:?}: {}", at.escape_ascii()))?;
    // The signs before are those of the date.
    let sign = at.iter().rposition(|byte| matches!(byte, b'+' | b'-')).ok_or("a time without a zone")?;
    let (time, zone) = at.split_at(sign);
    if time.contains(&b':') { Ok(zone) } else { Err(format!("{} has no zone", at.escape_ascii()).into()) }
}

/// What was kept of it, had it been captured.
fn elide(messages: &[Message]) -> Vec<Message> {
    let mut kept = Vec::new();
    for transaction in messages.chunk_by(|_, next| next.kind != Kind::Begin) {
        match (transaction.split_at_checked(HEAD), transaction.len().checked_sub(TAIL)) {
            (Some((head, _)), Some(tail)) if transaction.len() > WHOLE => {
                kept.extend_from_slice(head);
                kept.extend(transaction.iter().skip(tail).cloned());
            }
            _ => kept.extend_from_slice(transaction),
        }
    }
    kept
}

/// Of streamed transactions: where a block is cut depends on the server's memory, and all changes look alike.
fn runs(messages: &[Message]) -> Vec<Message> {
    let mut runs: Vec<Message> = Vec::new();
    for message in messages {
        let goes_on = message.kind == Kind::BlockStart
            && runs
                .last()
                .is_some_and(|last| last.kind == Kind::BlockStop && last.transaction == message.transaction);
        if goes_on {
            runs.pop();
            continue;
        }
        match runs.last_mut() {
            Some(last) if last.text == message.text => last.times += 1,
            _ => runs.push(Message { place: Place::default(), ..message.clone() }),
        }
    }
    runs
}
