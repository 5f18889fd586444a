//! Logical messages (`pg_logical_emit_message`): a topic of their own, keyed by prefix, content in base64.

use super::error::EncodeError;
use super::json::{self, Quotes};
use super::value::push_base64;
use super::{Encoder, Outcome};
use crate::decode::LogicalMessage;
use crate::event::Source;
use crate::record::Record;
use crate::time::UnixMicros;

/// A message belongs to no table.
const NO_TABLE: &[u8] = b"\"schema\":\"\",\"table\":\"\",\"txId\":";

impl Encoder {
    /// Encodes a logical message. One outside of a transaction has no `transaction` in `source`.
    pub fn encode_message<E: From<EncodeError>>(
        &mut self,
        message: &LogicalMessage<'_>,
        source: &Source,
        now: UnixMicros,
        emit: &mut dyn FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<Outcome, E> {
        self.prepare(source, now);
        let buffers = &mut self.buffers;
        let prefix =
            self.charset.decode(message.prefix, &mut buffers.scratch.text).map_err(EncodeError::from)?;
        let (key, value) = (&mut buffers.new_key, &mut buffers.values);
        key.extend_from_slice(b"{\"prefix\":");
        let prefix_start = key.len();
        json::push_string(key, prefix, Quotes::Single);
        let prefix = key.get(prefix_start..).unwrap_or_default();
        value.extend_from_slice(b"{\"op\":\"m\",\"ts_ms\":");
        json::push_number(value, now.millis());
        value.push(b',');
        self.envelope.push_source(value, NO_TABLE, source.lsn);
        value.extend_from_slice(b",\"transaction\":null,\"message\":{\"prefix\":");
        value.extend_from_slice(prefix);
        value.extend_from_slice(b",\"content\":\"");
        push_base64(value, message.content);
        value.extend_from_slice(b"\"}}");
        key.push(b'}');
        let (headers, count) = self.headers.assemble(None, None);
        emit(Record {
            topic: &self.message_topic,
            key: Some(key),
            value: Some(value),
            headers: headers.get(..count).unwrap_or_default(),
        })?;
        Ok(Outcome::Written { records: 1, unchanged: 0 })
    }
}
