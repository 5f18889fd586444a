//! A logical slot read over a replication connection, byte for byte as the server frames it. Nothing is confirmed, so
//! that the slot can be read again.

use postgres_protocol::message::frontend;

use super::Result;
use super::session::{Address, Session, error_text, literal, quoted};

/// A plugin option; None is a name without a value.
pub(crate) type PluginOption = (String, Option<String>);

/// A stream of replication that has begun.
#[derive(Debug)]
pub(crate) struct Walsender {
    session: Session,
}

impl Walsender {
    /// Starts to stream `slot` from where it stands. `settings` are the `options` of the startup packet.
    pub(crate) fn start(
        address: &Address,
        settings: &str,
        slot: &str,
        options: &[PluginOption],
    ) -> Result<Self> {
        let parameters = [("replication", "database"), ("options", settings)];
        let mut session = Session::open_with(address, &address.database, &parameters)?;
        let options: Vec<String> = options.iter().map(written).collect();
        let list = if options.is_empty() { String::new() } else { format!(" ({})", options.join(", ")) };
        let sql = format!("START_REPLICATION SLOT {} LOGICAL 0/0{list}", quoted(slot));
        session.send(|out| frontend::query(&sql, out))?;
        loop {
            match session.message()? {
                (b'W', _) => return Ok(Self { session }),
                (b'E', body) => return Err(format!("{}, in: {sql}", error_text(&body)).into()),
                _ => {}
            }
        }
    }

    /// The next message, with the tag and the length before it.
    pub(crate) fn message(&mut self) -> Result<Vec<u8>> {
        let (tag, body) = self.session.message()?;
        if tag == b'E' {
            return Err(error_text(&body).into());
        }
        let mut message = vec![tag];
        message.extend_from_slice(&u32::try_from(body.len() + 4)?.to_be_bytes());
        message.extend_from_slice(&body);
        Ok(message)
    }

    /// Ends the stream and waits until the slot is free.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.session.send(|out| {
            frontend::copy_done(out);
            Ok(())
        })?;
        self.session.rows().map(drop)
    }
}

/// As the replication command wants it, which knows no escape but a doubled quote.
fn written((name, value): &PluginOption) -> String {
    match value {
        Some(value) => format!("{} {}", quoted(name), literal(value)),
        None => quoted(name),
    }
}
