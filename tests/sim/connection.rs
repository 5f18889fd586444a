//! One connection of the server: login, catalog questions, then the walsender.
//!
//! It is stepped: each step reads what has come, sends what there is to send and never waits. What wakes it is the
//! link, new WAL, or its own clock.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::link::{Heard, Link};
use super::scripted::{auth_ok, error, key, message, one_row, parameter, ready};
use super::server::{Phase, Slot};
use super::walsender::Streaming;
use super::world::{Shared, lsn};

/// Above this nothing more is decoded until some of it has left.
pub(crate) const OUT_LIMIT: usize = 16 << 10;

/// Serves a connection until it ends.
pub(crate) async fn serve(world: Shared, link: Link, id: u64) {
    let wake = link.server();
    let mut connection = Connection {
        world: Rc::clone(&world),
        link: link.clone(),
        id,
        input: Vec::new(),
        output: Vec::new(),
        state: State::Startup,
        stream: None,
        over: false,
        leaves_at: Instant::now(),
    };
    while !connection.over {
        connection.step();
        if connection.over {
            break;
        }
        let deadline = connection.deadline();
        tokio::select! {
            biased;
            () = wake.notified() => {}
            () = sleep_until(deadline) => {}
        }
    }
    connection.close();
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Startup,
    Query,
    /// `CREATE_REPLICATION_SLOT` waits for running transactions.
    MakingSlot,
    Streaming,
    /// The client's `CopyDone` was answered.
    Done,
    /// What is written goes out, then the connection is closed.
    Leaving,
}

pub(crate) struct Connection {
    pub(crate) world: Shared,
    pub(crate) link: Link,
    pub(crate) id: u64,
    pub(crate) input: Vec<u8>,
    pub(crate) output: Vec<u8>,
    pub(crate) state: State,
    pub(crate) stream: Option<Streaming>,
    pub(crate) over: bool,
    /// When it closes although not everything that is written has gone out.
    pub(crate) leaves_at: Instant,
}

impl Connection {
    fn deadline(&self) -> Instant {
        if self.state == State::Leaving {
            return self.leaves_at;
        }
        let far = Instant::now() + Duration::from_hours(1);
        let Some(stream) = &self.stream else { return far };
        let timeout = self.world.plan.wal_sender_timeout;
        let half = timeout
            .map_or(far, |timeout| stream.last_reply + if stream.pinged { timeout } else { timeout / 2 });
        let soon = Instant::now() + Duration::from_millis(1);
        // What is owed is looked at again at the next tick.
        let owed = stream.next_keepalive > Instant::now() && self.wants_keepalive(stream);
        if owed { half.min(soon) } else { half.max(soon) }
    }

    fn close(&mut self) {
        self.link.close_server();
        if self.link.was_cut_at_its_byte() {
            self.world.count("cut at a byte");
        }
        let mut server = self.world.server.borrow_mut();
        server.links.remove(&self.id);
        server.lost.push(self.link.clone());
        drop(server);
        self.release();
        self.world.note(format_args!("connection {}: closed", self.id));
    }

    /// The slot is free again.
    pub(crate) fn release(&self) {
        if let Some(slot) = &mut self.world.server.borrow_mut().slot
            && slot.active == Some(self.id)
        {
            slot.active = None;
        }
    }

    fn step(&mut self) {
        if self.state == State::Leaving {
            self.push();
            self.over |= self.output.is_empty() || Instant::now() >= self.leaves_at;
            return;
        }
        // The process went with its server, whatever the network did to the connection.
        if !self.world.server.borrow().links.contains_key(&self.id) {
            self.over = true;
            return;
        }
        if self.world.server.borrow_mut().terminated.remove(&self.id) {
            let text = "terminating connection due to administrator command";
            return self.refuse("FATAL", "57P01", text);
        }
        let heard = self.link.hear(&mut self.input);
        while let Some(length) = self.frame_length() {
            let frame: Vec<u8> = self.input.drain(..length).collect();
            self.take(&frame);
            if self.over {
                return;
            }
        }
        if heard == Heard::End {
            self.over = true;
            return;
        }
        match self.state {
            State::MakingSlot => self.make_slot(),
            State::Streaming => self.walk(),
            _ => {}
        }
        self.push();
    }

    fn push(&mut self) {
        while !self.output.is_empty() {
            match self.link.say(&self.output) {
                None => {
                    self.over = true;
                    return;
                }
                Some(0) => return,
                Some(count) => drop(self.output.drain(..count)),
            }
        }
    }

    fn frame_length(&self) -> Option<usize> {
        let at = usize::from(self.state != State::Startup);
        let length = self.input.get(at..at + 4)?;
        let total = at + usize::try_from(u32::from_be_bytes(length.try_into().unwrap())).unwrap();
        (self.input.len() >= total).then_some(total)
    }

    fn take(&mut self, frame: &[u8]) {
        if self.state == State::Startup {
            return self.log_in();
        }
        match frame[0] {
            b'Q' => {
                let text = std::str::from_utf8(&frame[5..frame.len() - 1]).unwrap().to_owned();
                self.query(&text);
            }
            b'd' if frame[5] == b'r' => self.status(frame),
            b'c' => self.copy_done(),
            b'X' => self.over = true,
            other => self.world.fail(format_args!("a message {:?} of the client", char::from(other))),
        }
    }

    pub(crate) fn say(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
    }

    pub(crate) fn refuse(&mut self, severity: &str, code: &str, text: &str) {
        self.say(&error(severity, code, text));
        if severity == "FATAL" {
            self.leave();
        } else {
            self.say(&ready());
        }
    }

    pub(crate) fn leave(&mut self) {
        self.state = State::Leaving;
        self.leaves_at = Instant::now() + Duration::from_secs(2);
    }

    fn log_in(&mut self) {
        self.state = State::Query;
        let phase = self.world.server.borrow_mut().phase();
        match phase {
            Phase::Starting(_) => return self.refuse("FATAL", "57P03", "the database system is starting up"),
            Phase::Stopping => return self.refuse("FATAL", "57P03", "the database system is shutting down"),
            Phase::Up | Phase::Down(_) => {}
        }
        let session = [
            auth_ok(),
            parameter("server_version", "15.18"),
            parameter("server_encoding", "UTF8"),
            parameter("TimeZone", "UTC"),
            key(u32::try_from(self.id).unwrap(), &[1, 2, 3, 4]),
            ready(),
        ];
        self.say(&session.concat());
    }

    fn query(&mut self, text: &str) {
        if text.is_empty() {
            let answer = [message(b'I', b""), ready()].concat();
            return self.say(&answer);
        }
        if text == "IDENTIFY_SYSTEM" {
            let end = lsn(self.world.database.borrow().end);
            let row = [
                ("systemid", Some("7300000000000000001")),
                ("timeline", Some("1")),
                ("xlogpos", Some(end.as_str())),
                ("dbname", Some("shop")),
            ];
            return self.say(&one_row(&row, "IDENTIFY_SYSTEM"));
        }
        if text.starts_with("CREATE_REPLICATION_SLOT ") {
            self.state = State::MakingSlot;
            self.link.is_waited_for();
            return;
        }
        if let Some(rest) = text.strip_prefix("START_REPLICATION SLOT \"s\" LOGICAL ") {
            let start: pgsluice::lsn::Lsn = rest.split(' ').next().unwrap().parse().unwrap();
            return self.start(start.0);
        }
        match self.catalog(text) {
            Some(rows) => self.answer(&rows),
            None => self.world.fail(format_args!("a query nobody knows: {text}")),
        }
    }

    fn make_slot(&mut self) {
        let Some(point) = self.world.database.borrow_mut().make_slot() else { return };
        self.world.note(format_args!("slot made at {}", lsn(point)));
        let slot = Slot { confirmed: point, saved: point, restart: point, active: None };
        let mut server = self.world.server.borrow_mut();
        server.slot = Some(slot);
        server.positions.insert(point);
        drop(server);
        let point = lsn(point);
        let row = [
            ("slot_name", Some("s")),
            ("consistent_point", Some(point.as_str())),
            ("snapshot_name", None),
            ("output_plugin", Some("test_decoding")),
        ];
        self.state = State::Query;
        self.say(&one_row(&row, "CREATE_REPLICATION_SLOT"));
    }
}
