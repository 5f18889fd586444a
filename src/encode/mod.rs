//! From decoded changes to records: the reference connector's envelope as JSON, in buffers that are used again.
//! Pure: no IO, no clock.
//!
//! A [`TablePlan`] holds what is constant for a table, the [`Encoder`] what is constant for a transaction. One
//! change gives none to three records; all of them are written before the first is handed out, so an error never
//! leaves half a change behind.

mod change;
pub mod charset;
mod envelope;
mod error;
mod headers;
mod json;
mod key;
mod message;
pub mod payload_events;
pub mod plan;
mod row;
pub mod terminal;
pub mod topic;
mod value;

pub use change::{DeleteMode, Outcome};
pub use error::{EncodeError, PlanError};
pub use plan::{Printed, TablePlan};
pub use value::ValueError;

use std::fmt;

use charset::Charset;
use envelope::Envelope;
use headers::ChangeHeaders;
use row::UnknownColumns;
use topic::{TemplateError, TopicTemplate};
use value::Scratch;

use crate::decode::{Relation, RowChange};
use crate::event::Source;
use crate::table::Table;
use crate::time::UnixMicros;

/// Memory that a buffer keeps for the next change; what one big row took beyond it is given back.
const KEPT_BYTES: usize = 1 << 20;

/// What the records of a pipeline have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodeOptions {
    /// Starts the names of topics and is the `name` in `source`.
    pub prefix: String,
    /// Name of the database.
    pub database: String,
    /// Template of the tables' topics.
    pub topic: String,
    /// What a deleted row gives.
    pub delete: DeleteMode,
}

impl EncodeOptions {
    /// The defaults of everything that has one.
    pub fn new(prefix: impl Into<String>, database: impl Into<String>) -> Self {
        Self {
            prefix: prefix.into(),
            database: database.into(),
            topic: TopicTemplate::DEFAULT.to_owned(),
            delete: DeleteMode::default(),
        }
    }
}

/// Encodes changes into records.
pub struct Encoder {
    charset: Charset,
    template: TopicTemplate,
    delete: DeleteMode,
    message_topic: String,
    envelope: Envelope,
    headers: ChangeHeaders,
    buffers: RecordBuf,
}

/// The buffers of the records of one change.
#[derive(Default)]
struct RecordBuf {
    /// Key of the new row, of a message.
    new_key: Vec<u8>,
    /// Key of the old row.
    old_key: Vec<u8>,
    /// The values, one behind the other.
    values: Vec<u8>,
    /// Columns left out of the new row.
    unknown: UnknownColumns,
    /// Where the plan's columns stand in the old row.
    positions: Vec<u32>,
    /// For values.
    scratch: Scratch,
}

impl RecordBuf {
    /// Empties the buffers, and gives back what a big row took.
    fn clear(&mut self) {
        for buffer in [&mut self.new_key, &mut self.old_key, &mut self.values] {
            buffer.clear();
            buffer.shrink_to(KEPT_BYTES);
        }
        self.unknown.clear();
        self.scratch.shrink_to(KEPT_BYTES);
    }
}

impl Encoder {
    /// An encoder of text in `charset`. Fails on characters that a topic's name cannot hold.
    pub fn new(options: &EncodeOptions, charset: Charset) -> Result<Self, TemplateError> {
        topic::check_text(&options.prefix)?;
        Ok(Self {
            charset,
            template: TopicTemplate::new(&options.topic, &options.prefix)?,
            delete: options.delete,
            message_topic: format!("{}.message", options.prefix),
            envelope: Envelope::new(&options.prefix, &options.database),
            headers: ChangeHeaders::default(),
            buffers: RecordBuf::default(),
        })
    }

    /// Prepares the table of a change; see [`TablePlan::new`] for what it is without a table of the catalog.
    pub fn plan(&self, change: &RowChange<'_>, table: Option<&Table>) -> Result<TablePlan, PlanError> {
        TablePlan::new(change.relation, table, Printed::of(change), &self.charset, &self.template)
    }

    /// Prepares a table of which no row was seen yet.
    pub fn plan_relation(
        &self,
        relation: Relation<'_>,
        table: Option<&Table>,
    ) -> Result<TablePlan, PlanError> {
        TablePlan::new(relation, table, Printed::Nothing, &self.charset, &self.template)
    }

    /// Readies the buffers and what is constant for the transaction.
    fn prepare(&mut self, source: &Source, now: UnixMicros) {
        self.buffers.clear();
        self.envelope.prepare(source, now);
        self.headers.prepare(source);
    }
}

impl fmt::Debug for Encoder {
    /// Without the buffers: they hold row values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder")
            .field("charset", &self.charset.name())
            .field("template", &self.template)
            .field("delete", &self.delete)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
