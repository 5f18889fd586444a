//! The records of one changed row, and of one truncated table.

use std::ops::Range;

use super::envelope::{Envelope, Op};
use super::error::EncodeError;
use super::headers::OtherKey;
use super::plan::TablePlan;
use super::row::{Rows, UnknownColumns};
use super::value::Target;
use super::{Encoder, RecordBuf, key};
use crate::decode::{Operation, RowChange};
use crate::event::Source;
use crate::lsn::Lsn;
use crate::record::Record;
use crate::time::UnixMicros;

/// What a deleted row gives. The half of a changed key that concerns the old key follows it too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeleteMode {
    /// An event `d`, then a record with the same key and without a value.
    #[default]
    EventAndTombstone,
    /// The event alone.
    Event,
    /// The record without a value alone.
    Tombstone,
    /// Nothing.
    Skip,
    /// An event `u` whose `after` is the deleted row, as far as it was sent, and `"__deleted":true`.
    Soft,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// Its records were handed out.
    Written {
        /// How many.
        records: usize,
        /// How many columns of the new row were left out because the server did not send them.
        unchanged: usize,
    },
    /// Nothing was handed out: its columns are not the plan's. Make a new plan and encode it again; where even
    /// that one does not fit, the row contradicts itself.
    StalePlan,
    /// Nothing was handed out: a delete for which the server sent no key, or which leaves only a tombstone while
    /// the table has no key.
    DeleteWithoutKey,
    /// Nothing was handed out, as configured.
    Skipped,
}

/// Which of the two rows of a change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    New,
    Old,
}

/// One record, as places in the buffers.
struct Part {
    /// Whose key it has.
    key: Option<Side>,
    /// Where its value is.
    value: Option<Range<usize>>,
    /// Whether the other row's key goes into a header.
    names_other_key: bool,
    /// Whether it holds the new row.
    holds_new: bool,
}

/// The records of a change: at most an event and a tombstone of the old row, and an event of the new one.
type Parts = [Option<Part>; 3];

impl Encoder {
    /// Encodes a changed row; `now` is the time of handling it. Each record is given to `emit`, in order.
    pub fn encode_change<E: From<EncodeError>>(
        &mut self,
        plan: &TablePlan,
        change: &RowChange<'_>,
        source: &Source,
        now: UnixMicros,
        emit: &mut dyn FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<Outcome, E> {
        self.prepare(source, now);
        let mut positions = std::mem::take(&mut self.buffers.positions);
        let parts =
            Rows::new(plan, change, &mut positions).map(|rows| self.write(&rows, change.op, source.lsn));
        self.buffers.positions = positions;
        match parts {
            None => Ok(Outcome::StalePlan),
            Some(Err(error)) => Err(error.into()),
            Some(Ok(Err(outcome))) => Ok(outcome),
            Some(Ok(Ok(parts))) => self.emit(plan, &parts, emit),
        }
    }

    /// Encodes the truncation of one table: an event without a key.
    pub fn encode_truncate<E: From<EncodeError>>(
        &mut self,
        plan: &TablePlan,
        source: &Source,
        now: UnixMicros,
        emit: &mut dyn FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<Outcome, E> {
        self.prepare(source, now);
        let values = &mut self.buffers.values;
        values.extend_from_slice(b"{\"before\":null,\"after\":null");
        self.envelope.push_end(values, &plan.source, source.lsn, Op::Truncate);
        let part = Part { key: None, value: Some(0..values.len()), names_other_key: false, holds_new: false };
        self.emit(plan, &[Some(part), None, None], emit)
    }

    fn write(
        &mut self,
        rows: &Rows<'_>,
        op: Operation,
        lsn: Lsn,
    ) -> Result<Result<Parts, Outcome>, EncodeError> {
        let RecordBuf { new_key, old_key, values, unknown, scratch, .. } = &mut self.buffers;
        let mut writer = Writer {
            rows,
            envelope: &self.envelope,
            lsn,
            target: Target { out: values, scratch, charset: &self.charset },
            unknown,
        };
        if op == Operation::Delete {
            return writer.delete(old_key, self.delete);
        }
        if !rows.has_new() {
            return Err(EncodeError::RowMissing { table: rows.plan.name.clone() });
        }
        let has_key = writer.with_buffer(new_key, key::push_new_key)?;
        if op == Operation::Insert {
            let event = writer.event(Op::Create, false, After::New)?;
            return Ok(Ok([Some(Part::new_row(has_key, event)), None, None]));
        }
        if has_key && rows.has_old() {
            writer.with_buffer(old_key, key::push_old_key)?;
            if old_key != new_key {
                return writer.moved(self.delete).map(Ok);
            }
        }
        let event = writer.event(Op::Update, true, After::New)?;
        Ok(Ok([Some(Part::new_row(has_key, event)), None, None]))
    }

    fn emit<E>(
        &self,
        plan: &TablePlan,
        parts: &Parts,
        emit: &mut dyn FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<Outcome, E> {
        let buffers = &self.buffers;
        let mut records = 0;
        for part in parts.iter().flatten() {
            let (key, other) = match part.key {
                None => (None, None),
                Some(Side::New) => (Some(&buffers.new_key), Some(OtherKey::Old(&buffers.old_key))),
                Some(Side::Old) => (Some(&buffers.old_key), Some(OtherKey::New(&buffers.new_key))),
            };
            let unchanged = buffers.unknown.json().filter(|_| part.holds_new);
            let (headers, count) = self.headers.assemble(other.filter(|_| part.names_other_key), unchanged);
            emit(Record {
                topic: &plan.topic,
                key: key.map(Vec::as_slice),
                value: part.value.as_ref().and_then(|range| buffers.values.get(range.clone())),
                headers: headers.get(..count).unwrap_or_default(),
            })?;
            records += 1;
        }
        Ok(Outcome::Written { records, unchanged: buffers.unknown.count() })
    }
}

impl Part {
    /// The event of a new row whose key did not change.
    fn new_row(has_key: bool, event: Range<usize>) -> Self {
        Self {
            key: has_key.then_some(Side::New),
            value: Some(event),
            names_other_key: false,
            holds_new: true,
        }
    }
}

/// What `after` is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    New,
    Null,
    /// The old row, marked as deleted.
    Deleted,
}

/// Writes the events of one change.
struct Writer<'a> {
    rows: &'a Rows<'a>,
    envelope: &'a Envelope,
    lsn: Lsn,
    target: Target<'a>,
    unknown: &'a mut UnknownColumns,
}

impl Writer<'_> {
    /// A deleted row.
    fn delete(
        &mut self,
        old_key: &mut Vec<u8>,
        mode: DeleteMode,
    ) -> Result<Result<Parts, Outcome>, EncodeError> {
        if mode == DeleteMode::Skip {
            return Ok(Err(Outcome::Skipped));
        }
        if !self.rows.has_old() {
            return Ok(Err(Outcome::DeleteWithoutKey));
        }
        let has_key = self.with_buffer(old_key, key::push_old_key)?;
        let [event, tombstone] = self.old_row(mode, has_key, false)?;
        if event.is_none() && tombstone.is_none() {
            return Ok(Err(Outcome::DeleteWithoutKey));
        }
        Ok(Ok([event, tombstone, None]))
    }

    /// An updated row whose key changed: the end of the old one, the beginning of the new one.
    fn moved(&mut self, mode: DeleteMode) -> Result<Parts, EncodeError> {
        let [event, tombstone] = self.old_row(mode, true, true)?;
        let created = self.event(Op::Create, false, After::New)?;
        let created =
            Part { key: Some(Side::New), value: Some(created), names_other_key: true, holds_new: true };
        Ok([event, tombstone, Some(created)])
    }

    /// Event and tombstone of a row that is gone. A tombstone without a key would say nothing.
    fn old_row(
        &mut self,
        mode: DeleteMode,
        has_key: bool,
        names_other_key: bool,
    ) -> Result<[Option<Part>; 2], EncodeError> {
        let event = match mode {
            DeleteMode::EventAndTombstone | DeleteMode::Event => {
                Some(self.event(Op::Delete, true, After::Null)?)
            }
            DeleteMode::Soft => Some(self.event(Op::Update, true, After::Deleted)?),
            DeleteMode::Tombstone | DeleteMode::Skip => None,
        };
        let has_tombstone = has_key && matches!(mode, DeleteMode::EventAndTombstone | DeleteMode::Tombstone);
        let part =
            |value| Part { key: has_key.then_some(Side::Old), value, names_other_key, holds_new: false };
        Ok([event.map(|event| part(Some(event))), has_tombstone.then(|| part(None))])
    }

    /// One event; where it stands among the values.
    fn event(&mut self, op: Op, has_before: bool, after: After) -> Result<Range<usize>, EncodeError> {
        let start = self.target.out.len();
        // A `d` always shows what the server sent of its row, a `u` only under an identity that shows rows.
        let has_before =
            has_before && self.rows.has_old() && (op == Op::Delete || self.rows.plan.shows_old_rows);
        self.target.out.extend_from_slice(b"{\"before\":");
        if has_before {
            self.rows.push_old(&mut self.target)?;
        } else {
            self.target.out.extend_from_slice(b"null");
        }
        self.target.out.extend_from_slice(b",\"after\":");
        match after {
            After::New => self.rows.push_new(&mut self.target, self.unknown)?,
            After::Null => self.target.out.extend_from_slice(b"null"),
            After::Deleted => self.push_deleted()?,
        }
        self.envelope.push_end(self.target.out, &self.rows.plan.source, self.lsn, op);
        Ok(start..self.target.out.len())
    }

    /// The old row and `"__deleted":true`.
    fn push_deleted(&mut self) -> Result<(), EncodeError> {
        let start = self.target.out.len();
        self.rows.push_old(&mut self.target)?;
        let is_empty = self.target.out.len() == start + 2;
        self.target.out.pop();
        let mark: &[u8] = if is_empty { b"\"__deleted\":true}" } else { b",\"__deleted\":true}" };
        self.target.out.extend_from_slice(mark);
        Ok(())
    }

    /// Lets `write` append to `buffer` instead of the values.
    fn with_buffer<T>(
        &mut self,
        buffer: &mut Vec<u8>,
        write: impl Fn(&Rows<'_>, &mut Target<'_>) -> Result<T, EncodeError>,
    ) -> Result<T, EncodeError> {
        let scratch = &mut *self.target.scratch;
        write(self.rows, &mut Target { out: buffer, scratch, charset: self.target.charset })
    }
}
