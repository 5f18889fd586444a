//! A sink for people: the value of each record is a text that goes to standard output.

use std::io::Write;

use crate::record::Record;
use crate::sink::reports::{Reports, Ticket};
use crate::sink::{Sink, SinkError};

/// Writes values to `W`. A record is durable once it has been written; what `poll` finds buffered it flushes.
#[derive(Debug)]
pub struct TerminalSink<W> {
    output: W,
    reports: Reports,
}

impl<W: Write> TerminalSink<W> {
    /// A sink that writes to `output`.
    pub fn new(output: W, reports: Reports) -> Self {
        Self { output, reports }
    }
}

impl<W: Write> Sink for TerminalSink<W> {
    fn produce(&mut self, record: &Record<'_>, ticket: Ticket) -> Result<(), SinkError> {
        if let Some(value) = record.value {
            self.output.write_all(value).map_err(|error| output_error(&error))?;
        }
        self.reports.delivered(ticket);
        Ok(())
    }

    fn poll(&mut self) -> Result<(), SinkError> {
        self.output.flush().map_err(|error| output_error(&error))
    }

    async fn prepare_topic(&mut self, _topic: &str) -> Result<(), SinkError> {
        Ok(())
    }
}

fn output_error(error: &std::io::Error) -> SinkError {
    match error.kind() {
        std::io::ErrorKind::BrokenPipe => SinkError::Closed,
        kind => SinkError::Output(kind),
    }
}
