//! Events from payloads alone, for the `decode` command: no catalog, no stream, one JSON object a payload.
//!
//! What a payload does not tell is not guessed: tables have no key, LSNs and times are 0.

use super::charset::Charset;
use super::topic::TemplateError;
use super::{EncodeError, EncodeOptions, Encoder, PlanError};
use crate::decode::{Commit, Decoded, RowChange, Truncate, timestamp};
use crate::event::{Source, TransactionId};
use crate::lsn::Lsn;
use crate::record::Record;
use crate::time::UnixMicros;

/// Why a payload gives no event.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// The table cannot be prepared.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The row cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// Not a payload that a stream without two-phase decoding and stream-changes has.
    #[error("this payload is no event; see it with --output ast")]
    NoEvent,
}

/// Turns one payload after the other into an event.
#[derive(Debug)]
pub struct PayloadEvents {
    encoder: Encoder,
    xid: u32,
    ordinal: u64,
    event: Vec<u8>,
}

impl PayloadEvents {
    /// Before the first payload. Text is taken for UTF-8.
    pub fn new() -> Result<Self, TemplateError> {
        let encoder = Encoder::new(&EncodeOptions::new("decode", ""), Charset::utf8())?;
        Ok(Self { encoder, xid: 0, ordinal: 0, event: Vec::new() })
    }

    /// The event of one payload.
    pub fn event(&mut self, decoded: &Decoded<'_>) -> Result<&[u8], PayloadError> {
        self.event.clear();
        match decoded {
            Decoded::Begin(begin) => {
                self.xid = begin.xid.unwrap_or(0);
                self.ordinal = 0;
                self.status("BEGIN", None);
            }
            Decoded::Commit(commit) => {
                self.status("END", time(commit));
                self.xid = 0;
            }
            Decoded::Change(change) => self.change(change)?,
            Decoded::Truncate(truncate) => self.truncate(truncate)?,
            Decoded::Message(message) => {
                let source = self.next_source();
                let _written = self.encoder.encode_message(
                    message,
                    &source,
                    UnixMicros(0),
                    &mut keep_in(&mut self.event),
                )?;
            }
            Decoded::TwoPhase(_) | Decoded::Streamed(_) => return Err(PayloadError::NoEvent),
        }
        Ok(&self.event)
    }

    fn next_source(&mut self) -> Source {
        self.ordinal += 1;
        Source {
            lsn: Lsn::INVALID,
            transaction: Some(TransactionId { xid: u64::from(self.xid), first_lsn: Lsn::INVALID }),
            ordinal: self.ordinal,
            time: UnixMicros(0),
            commit_time_known: false,
            last_commit: None,
        }
    }

    /// In the form of the reference's transaction topic.
    fn status(&mut self, status: &str, at: Option<UnixMicros>) {
        let at = at.map_or_else(|| "null".to_owned(), |at| at.millis().to_string());
        let text = format!("{{\"status\":\"{status}\",\"id\":\"{}\",\"ts_ms\":{at}}}", self.xid);
        self.event.extend_from_slice(text.as_bytes());
    }

    fn change(&mut self, change: &RowChange<'_>) -> Result<(), PayloadError> {
        let source = self.next_source();
        let plan = self.encoder.plan(change, None)?;
        let _written = self.encoder.encode_change(
            &plan,
            change,
            &source,
            UnixMicros(0),
            &mut keep_in(&mut self.event),
        )?;
        if self.event.is_empty() {
            // A delete whose key the server did not send.
            self.event.extend_from_slice(b"{\"before\":null,\"after\":null,\"op\":\"d\"}");
        }
        Ok(())
    }

    /// One table is one event; several are an array of them.
    fn truncate(&mut self, truncate: &Truncate<'_>) -> Result<(), PayloadError> {
        let source = self.next_source();
        let is_list = truncate.relations.len() > 1;
        for (index, relation) in truncate.tables().enumerate() {
            if is_list {
                self.event.push(if index == 0 { b'[' } else { b',' });
            }
            let plan = self.encoder.plan_relation(relation, None)?;
            let _written =
                self.encoder.encode_truncate(&plan, &source, UnixMicros(0), &mut keep_in(&mut self.event))?;
        }
        if is_list {
            self.event.push(b']');
        }
        Ok(())
    }
}

/// What takes a record's value over.
fn keep_in(event: &mut Vec<u8>) -> impl FnMut(Record<'_>) -> Result<(), EncodeError> {
    |record| {
        event.extend_from_slice(record.value.unwrap_or_default());
        Ok(())
    }
}

fn time(commit: &Commit<'_>) -> Option<UnixMicros> {
    commit.at.and_then(|at| timestamp::parse(at).ok())
}

#[cfg(test)]
mod tests {
    use super::PayloadEvents;
    use crate::decode::test_decoding::TestDecoding;

    #[test]
    fn every_payload_gives_one_json_value() {
        let mut decoder = TestDecoding::new();
        let mut events = PayloadEvents::new().unwrap();
        let payloads: [&[u8]; 7] = [
            b"BEGIN 745",
            b"table public.t: INSERT: id[integer]:1 v[text]:'it''s'",
            b"table public.t: UPDATE: old-key: id[integer]:1 new-tuple: id[integer]:2 v[text]:null",
            b"table public.t: DELETE: (no-tuple-data)",
            b"table public.a, public.b: TRUNCATE: (no-flags)",
            b"message: transactional: 1 prefix: p, sz: 2 content:hi",
            b"COMMIT 745 (at 2026-01-02 03:04:05.678901+00)",
        ];
        let values: Vec<serde_json::Value> = payloads
            .iter()
            .map(|payload| {
                serde_json::from_slice(events.event(&decoder.decode(payload).unwrap()).unwrap()).unwrap()
            })
            .collect();
        assert_eq!(values[1]["after"]["v"], "it's");
        assert_eq!((&values[2]["op"], &values[2]["before"]["id"]), (&"u".into(), &1.into()));
        assert_eq!(values[4][1]["source"]["table"], "b");
        assert_eq!(values[6]["ts_ms"], 1_767_323_045_678_i64);
    }
}
