//! `pgsluice decode`: the parser you can hold in your hand.

use std::io::{BufRead, BufWriter, Read, Write};

use clap::{Args, ValueEnum};

use crate::decode::ast::Ast;
use crate::decode::test_decoding::TestDecoding;
use crate::encode::payload_events::PayloadEvents;
use crate::error::{Exit, Failure, chain};
use crate::postgres::client::StreamEvent;
use crate::postgres::protocol::frame::{DEFAULT_STREAM_LIMIT, Limits};

/// What `decode` takes.
#[derive(Debug, Args)]
pub struct DecodeArgs {
    /// How payloads are told apart on standard input.
    #[arg(long, value_enum, default_value_t = Framing::Lines)]
    framing: Framing,
    /// What is printed for each payload.
    #[arg(long, value_enum, default_value_t = Output::Events)]
    output: Output,
}

/// How payloads are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Framing {
    /// One payload a line. A payload that holds a line break needs one of the others.
    Lines,
    /// One payload a line, in hexadecimal.
    Hex,
    /// A raw stream of the server's CopyData messages.
    Copydata,
}

/// What is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Events without what only a catalog knows: keys and type modifiers.
    Events,
    /// The parse, with every part of the payload's text.
    Ast,
}

/// Decodes standard input to standard output. A payload that cannot be decoded is reported on standard error, and
/// the next one goes on.
pub fn execute(args: &DecodeArgs) -> Result<(), Failure> {
    let mut printer = Printer {
        decoder: TestDecoding::new(),
        events: PayloadEvents::new().map_err(|error| Failure::new(Exit::Fatal, &error))?,
        output: args.output,
        out: BufWriter::new(std::io::stdout().lock()),
        number: 0,
        failed: 0,
    };
    let input = std::io::stdin().lock();
    let outcome = match args.framing {
        Framing::Lines => printer.lines(input, |line| Ok(line.to_vec())),
        Framing::Hex => printer.lines(input, from_hex),
        Framing::Copydata => printer.copy_data(input),
    };
    match outcome.and_then(|()| printer.out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::new(Exit::Fatal, &error)),
        Ok(()) if printer.failed > 0 => Err(Failure::text(
            Exit::Fatal,
            format!("{} of {} payloads could not be decoded", printer.failed, printer.number),
        )),
        Ok(()) => Ok(()),
    }
}

struct Printer<W> {
    decoder: TestDecoding,
    events: PayloadEvents,
    output: Output,
    out: W,
    number: u64,
    failed: u64,
}

impl<W: Write> Printer<W> {
    fn lines(
        &mut self,
        mut input: impl BufRead,
        unframe: impl Fn(&[u8]) -> Result<Vec<u8>, String>,
    ) -> std::io::Result<()> {
        let mut line = Vec::new();
        loop {
            line.clear();
            if input.read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            if line.last() == Some(&b'\n') {
                line.pop();
            }
            match unframe(&line) {
                Ok(payload) => self.payload(&payload)?,
                Err(reason) => self.refuse(&reason),
            }
        }
    }

    fn copy_data(&mut self, mut input: impl Read) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        input.read_to_end(&mut bytes)?;
        let limits = Limits::streaming(DEFAULT_STREAM_LIMIT);
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            match StreamEvent::next(rest, limits) {
                Ok(Some((StreamEvent::XLogData(message), length))) => {
                    self.payload(message.payload)?;
                    rest = rest.get(length..).unwrap_or_default();
                }
                Ok(Some((_, length))) => rest = rest.get(length..).unwrap_or_default(),
                Ok(None) => {
                    self.refuse("the input ends within a message");
                    return Ok(());
                }
                Err(error) => {
                    self.refuse(&error.to_string());
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn payload(&mut self, payload: &[u8]) -> std::io::Result<()> {
        self.number += 1;
        let decoded = match self.decoder.decode(payload) {
            Ok(decoded) => decoded,
            Err(error) => {
                self.failed += 1;
                complain(self.number, &error.to_string());
                return Ok(());
            }
        };
        match self.output {
            Output::Ast => serde_json::to_writer(&mut self.out, &Ast(&decoded))?,
            Output::Events => match self.events.event(&decoded) {
                Ok(event) => self.out.write_all(event)?,
                Err(error) => {
                    self.failed += 1;
                    complain(self.number, &chain(&error));
                    return Ok(());
                }
            },
        }
        self.out.write_all(b"\n")
    }

    /// Input that is not even a payload.
    fn refuse(&mut self, reason: &str) {
        self.number += 1;
        self.failed += 1;
        complain(self.number, reason);
    }
}

/// One line, whatever names the reason holds: a line break in one would look like the next payload's.
fn complain(number: u64, reason: &str) {
    let mut line = String::with_capacity(reason.len());
    for character in reason.chars() {
        if character.is_control() { line.extend(character.escape_default()) } else { line.push(character) }
    }
    // Standard error may be closed; the exit code says it all the same.
    drop(writeln!(std::io::stderr(), "payload {number}: {line}"));
}

fn from_hex(line: &[u8]) -> Result<Vec<u8>, String> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let line = line.trim_ascii();
    line.chunks(2)
        .map(|pair| match pair {
            [high, low] => {
                let value = digit(high)? * 16 + digit(low)?;
                u8::try_from(value).ok()
            }
            _ => None,
        })
        .collect::<Option<Vec<u8>>>()
        .ok_or_else(|| "not an even number of hexadecimal digits".to_owned())
}

#[cfg(test)]
mod tests {
    use super::from_hex;

    #[test]
    fn hexadecimal() {
        assert_eq!(from_hex(b"00fF10").unwrap(), [0, 255, 16]);
        assert!(from_hex(b"0").is_err() && from_hex(b"0g").is_err());
    }
}
