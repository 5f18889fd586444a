//! One connection of the server: login, catalog questions, then the walsender.
//!
//! It is stepped: each step reads what has come, sends what there is to send and never waits. What wakes it is the
//! link, new WAL, or its own clock.

use std::rc::Rc;
use std::time::Duration;

use pgsluice::postgres::catalog::queries;
use pgsluice::table::TableName;
use tokio::time::{Instant, sleep_until};

use super::database::{Item, What};
use super::link::{Heard, Link};
use super::scripted::{
    auth_ok, complete, copy_both, copy_data, copy_done, data_row, error, key, message, one_row, parameter,
    ready, report, row_description,
};
use super::server::{Phase, Slot};
use super::text::TABLES;
use super::world::{Shared, wall};

/// Above this nothing more is decoded until some of it has left.
const OUT_LIMIT: usize = 16 << 10;
/// Messages sent and records skipped in one step, so that replies come in between.
const BURST: usize = 40;

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
enum State {
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

/// A walsender.
#[expect(clippy::struct_excessive_bools, reason = "a walsender keeps such flags, each for itself")]
struct Streaming {
    start: u64,
    /// The next item.
    item: usize,
    /// The next message of the item: 0 is BEGIN.
    next: usize,
    /// The end of what was decoded.
    sent: u64,
    /// The last LSN that a message carried.
    told: u64,
    write: u64,
    flush: u64,
    last_reply: Instant,
    pinged: bool,
    reply_now: bool,
    next_keepalive: Instant,
    /// It has said that the client is behind, and nothing has happened since.
    said_behind: bool,
    began: Instant,
    statuses: u64,
    asked: u64,
    advances: u64,
    client_done: bool,
}

impl Streaming {
    /// A walsender that has caught up says so, once, to a client that does not know.
    fn is_to_be_told(&self) -> bool {
        !self.said_behind && self.write < self.sent && self.flush < self.sent
    }
}

struct Connection {
    world: Shared,
    link: Link,
    id: u64,
    input: Vec<u8>,
    output: Vec<u8>,
    state: State,
    stream: Option<Streaming>,
    over: bool,
    /// When it closes although not everything that is written has gone out.
    leaves_at: Instant,
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
    fn release(&self) {
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

    fn say(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
    }

    fn refuse(&mut self, severity: &str, code: &str, text: &str) {
        self.say(&error(severity, code, text));
        if severity == "FATAL" {
            self.leave();
        } else {
            self.say(&ready());
        }
    }

    fn leave(&mut self) {
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

    fn answer(&mut self, rows: &[Vec<Option<String>>]) {
        let width = rows.first().map_or(1, Vec::len);
        let mut answer = row_description(&vec!["c"; width]);
        for row in rows {
            let values: Vec<Option<&str>> = row.iter().map(Option::as_deref).collect();
            answer.extend(data_row(&values));
        }
        answer.extend(complete(&format!("SELECT {}", rows.len())));
        answer.extend(ready());
        self.say(&answer);
    }

    /// The rows of a catalog question.
    fn catalog(&self, text: &str) -> Option<Vec<Vec<Option<String>>>> {
        let row = |values: &[Option<&str>]| values.iter().map(|value| value.map(str::to_owned)).collect();
        let database = self.world.database.borrow();
        if text == queries::SERVER {
            let timeout = self.world.plan.wal_sender_timeout;
            let timeout = timeout.map_or("0".to_owned(), |timeout| format!("{}ms", timeout.as_millis()));
            let next_xid = database.next_xid().to_string();
            let (version, wal, name) = (Some("150018"), Some("logical"), Some("shop"));
            let role = [Some("ada"), Some("t"), Some(timeout.as_str())];
            let server =
                [version, Some("15.18"), Some("UTF8"), wal, Some("f"), Some(next_xid.as_str()), name];
            return Some(vec![row(&[&server[..], &role[..]].concat())]);
        }
        if text.contains("txid_visible_in_snapshot") {
            // What has committed is visible at once, or a little later.
            let visible = self.world.server.borrow_mut().rng.chance(800);
            return Some(vec![row(&[Some(if visible { "t" } else { "f" })])]);
        }
        if text == queries::slot("s", 150_018) {
            let server = self.world.server.borrow();
            let Some(slot) = &server.slot else { return Some(Vec::new()) };
            let (active, pid) = (slot.active.is_some(), slot.active.map(|id| id.to_string()));
            let (restart, confirmed, end) = (lsn(slot.restart), lsn(slot.confirmed), lsn(database.end));
            let active = Some(if active { "t" } else { "f" });
            return Some(vec![row(&[
                Some("logical"),
                Some("test_decoding"),
                Some("shop"),
                Some("f"),
                active,
                pid.as_deref(),
                Some(&restart),
                Some(&confirmed),
                Some("reserved"),
                None,
                None,
                Some(&end),
                None,
                None,
            ])]);
        }
        let entry = |table: &super::text::Table| {
            let oid = table.oid.to_string();
            let primary = table.keyed.then_some("[\"id\"]");
            let immediate = if table.keyed { "t" } else { "f" };
            let names = [Some(oid.as_str()), Some(table.schema), Some(table.name), Some("r")];
            let rest = [Some(table.identity), Some("p"), Some(immediate), primary, None];
            row(&[&names[..], &rest[..]].concat())
        };
        if text == queries::all_tables() {
            return Some(TABLES.iter().map(entry).collect());
        }
        for table in &TABLES {
            let name = TableName { schema: table.schema.to_owned(), table: table.name.to_owned() };
            if text == queries::one_table(&name) {
                return Some(vec![entry(table)]);
            }
            if text == queries::columns(table.oid) {
                let column = |name, printed, oid, kind| {
                    let start = [Some(name), Some(printed), Some("f"), Some("-1"), Some(oid), Some(kind)];
                    row(&[&start[..], &[None, None, None]].concat())
                };
                return Some(vec![column("id", "integer", "23", "int4"), column("v", "text", "25", "text")]);
            }
        }
        None
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

    fn start(&mut self, wanted: u64) {
        let world = Rc::clone(&self.world);
        let mut server = world.server.borrow_mut();
        let Some(slot) = &mut server.slot else {
            drop(server);
            return self.refuse("ERROR", "42704", "replication slot \"s\" does not exist");
        };
        if let Some(other) = slot.active {
            drop(server);
            let text = format!("replication slot \"s\" is active for PID {other}");
            return self.refuse("ERROR", "55006", &text);
        }
        slot.active = Some(self.id);
        let start = wanted.max(slot.confirmed);
        let restart = slot.restart;
        let now = Instant::now();
        let items = &world.database.borrow().items;
        self.stream = Some(Streaming {
            start,
            item: items.partition_point(|item| item.end <= restart),
            next: 0,
            sent: restart,
            told: restart,
            write: 0,
            flush: 0,
            last_reply: now,
            pinged: false,
            reply_now: false,
            next_keepalive: now,
            said_behind: false,
            began: now,
            statuses: 0,
            asked: 0,
            advances: 0,
            client_done: false,
        });
        world.note(format_args!(
            "connection {}: streams from {} (asked {})",
            self.id,
            lsn(start),
            lsn(wanted)
        ));
        self.state = State::Streaming;
        self.say(&copy_both());
    }

    fn status(&mut self, frame: &[u8]) {
        let Some(stream) = &mut self.stream else {
            return self.world.fail("a status update without a stream");
        };
        let number = |at: usize| u64::from_be_bytes(frame[5 + at..13 + at].try_into().unwrap());
        let (write, flush, apply, ask) = (number(1), number(9), number(17), frame[5 + 33] == 1);
        self.world.note(format_args!(
            "connection {}: status write {} flush {} apply {} ask {ask}",
            self.id,
            lsn(write),
            lsn(flush),
            lsn(apply)
        ));
        stream.last_reply = Instant::now();
        stream.pinged = false;
        stream.said_behind = false;
        stream.reply_now |= ask;
        stream.statuses += 1;
        let told = stream.told.max(stream.start);
        if write > told || flush > told {
            self.world.fail_on_the_way(format_args!(
                "a position beyond what was sent: write {}, flush {}, sent {}",
                lsn(write),
                lsn(flush),
                lsn(told)
            ));
        }
        if flush < stream.flush {
            let text = format_args!("the confirmed position went back to {}", lsn(flush)).to_string();
            self.world.fail_on_the_way(text);
        }
        stream.advances += u64::from(flush > stream.flush);
        stream.write = write;
        stream.flush = flush;
        if flush != 0 {
            self.confirm(flush);
        }
        self.judge_chatter();
    }

    /// The rules of a confirmation.
    fn confirm(&self, flush: u64) {
        let world = &self.world;
        let recorded = {
            let mut broker = world.broker.borrow_mut();
            broker.advance(world);
            broker.recorded()
        };
        if recorded < flush {
            world.fail_on_the_way(format_args!(
                "{} is confirmed, but only {} is recorded",
                lsn(flush),
                lsn(recorded)
            ));
        }
        if let Some(lacking) = lacking_before(world, flush) {
            world.fail_on_the_way(format_args!(
                "{} is confirmed, but {lacking} is not in the topics",
                lsn(flush)
            ));
        }
        let mut server = world.server.borrow_mut();
        server.confirmed_ever = server.confirmed_ever.max(flush);
        if let Some(slot) = &mut server.slot {
            slot.confirmed = if world.plan.old_server { flush } else { slot.confirmed.max(flush) };
        }
    }

    /// A client that answers what asks for nothing makes the server send again, and so on without end.
    fn judge_chatter(&self) {
        let Some(stream) = &self.stream else { return };
        let status = self.world.plan.wal_sender_timeout.map_or(10_000, |t| (t.as_millis() / 3).min(10_000));
        let on_time = stream.began.elapsed().as_millis() / status.max(1);
        let reasons = stream.asked + stream.advances + u64::try_from(on_time).unwrap() + 4;
        if stream.statuses > reasons {
            self.world
                .fail_on_the_way(format_args!("{} status updates for {reasons} reasons", stream.statuses));
        }
    }

    fn copy_done(&mut self) {
        match &mut self.stream {
            Some(stream) => stream.client_done = true,
            None => self.world.fail("CopyDone without a stream"),
        }
    }

    /// Decodes and sends.
    fn walk(&mut self) {
        let world = Rc::clone(&self.world);
        let Some(mut stream) = self.stream.take() else { return };
        let database = world.database.borrow();
        let mut caught_up = false;
        for _ in 0..BURST {
            if self.output.len() > OUT_LIMIT {
                break;
            }
            // In the middle of a transaction the client's CopyDone has to wait.
            if stream.client_done && stream.next == 0 {
                break;
            }
            let Some(item) = database.items.get(stream.item) else {
                stream.said_behind &= stream.sent >= database.end;
                stream.sent = stream.sent.max(database.end);
                caught_up = true;
                break;
            };
            if item.start < stream.start {
                stream.item += 1;
                stream.sent = item.end;
                continue;
            }
            self.send_next(&mut stream, item);
        }
        drop(database);
        if stream.client_done && stream.next == 0 && self.state == State::Streaming {
            if world.server.borrow_mut().rng.chance(500) {
                self.keepalive(&mut stream, false);
            }
            self.say(&[copy_done(), complete("COPY 0"), complete("START_REPLICATION"), ready()].concat());
            self.state = State::Done;
            self.release();
            world.note(format_args!("connection {}: the client ended the stream", self.id));
            return;
        }
        self.look_at_the_clock(&mut stream, caught_up);
        self.stream = Some(stream);
        if !caught_up && self.output.len() <= OUT_LIMIT {
            self.link.server().notify_one();
        }
    }

    fn send_next(&mut self, stream: &mut Streaming, item: &Item) {
        match &item.what {
            What::Message(text) => {
                self.data(stream, item.end, text.as_bytes());
                self.legal(item.end);
                stream.item += 1;
                stream.sent = item.end;
            }
            What::Transaction(transaction) => {
                let number = stream.next;
                stream.next += 1;
                // What was decoded ends before the commit record until that is done with.
                stream.sent = item.start;
                let xid = transaction.xid & u64::from(u32::MAX);
                if number == 0 {
                    self.world.note(format_args!("sends {xid} of {}", lsn(item.end)));
                    self.data(stream, transaction.begin, format!("BEGIN {xid}").as_bytes());
                } else if let Some((at, text)) = transaction.rows.get(number - 1) {
                    self.data(stream, *at, text.as_bytes());
                } else {
                    let text = format!("COMMIT {xid} (at {})", transaction.committed_at);
                    self.legal(item.end);
                    self.data(stream, item.end, text.as_bytes());
                    stream.item += 1;
                    stream.next = 0;
                    // A keepalive that goes out while the commit record is decoded names the record's start.
                    if stream.reply_now || self.world.server.borrow_mut().rng.chance(20) {
                        stream.reply_now = false;
                        self.keepalive(stream, false);
                    }
                    stream.sent = item.end;
                }
            }
        }
    }

    /// A client may go on here.
    fn legal(&self, position: u64) {
        self.world.server.borrow_mut().positions.insert(position);
    }

    fn data(&mut self, stream: &mut Streaming, start: u64, payload: &[u8]) {
        let aside = self.world.server.borrow_mut().rng.between(0, 999);
        match aside {
            0..=4 => self.say(&report(b'N', "WARNING", "01000", "by the way")),
            5..=9 => self.say(&parameter("application_name", "pgsluice")),
            _ => {}
        }
        stream.told = stream.told.max(start);
        let at = start.to_be_bytes();
        self.say(&copy_data(
            &[b"w", &at[..], &at[..], &wall().to_postgres().to_be_bytes(), payload].concat(),
        ));
    }

    fn keepalive(&mut self, stream: &mut Streaming, ask: bool) {
        stream.told = stream.told.max(stream.sent);
        stream.asked += u64::from(ask);
        if stream.next == 0 {
            self.legal(stream.sent);
        }
        stream.next_keepalive = Instant::now() + Duration::from_millis(1);
        let time = wall().to_postgres().to_be_bytes();
        self.world.note(format_args!("connection {}: keepalive {} ask {ask}", self.id, lsn(stream.sent)));
        self.say(&copy_data(&[b"k", &stream.sent.to_be_bytes()[..], &time, &[u8::from(ask)]].concat()));
    }

    fn is_stopping(&self) -> bool {
        self.world.server.borrow().phase == Phase::Stopping
    }

    fn wants_keepalive(&self, stream: &Streaming) -> bool {
        stream.reply_now || stream.is_to_be_told() || self.is_stopping()
    }

    fn look_at_the_clock(&mut self, stream: &mut Streaming, caught_up: bool) {
        let now = Instant::now();
        if let Some(timeout) = self.world.plan.wal_sender_timeout {
            if now >= stream.last_reply + timeout {
                self.world.count("walsender timeout");
                self.over = true;
                return;
            }
            if !stream.pinged && now >= stream.last_reply + timeout / 2 {
                stream.pinged = true;
                self.keepalive(stream, true);
            }
        }
        if now < stream.next_keepalive || self.output.len() > OUT_LIMIT {
            return;
        }
        if stream.reply_now {
            stream.reply_now = false;
            return self.keepalive(stream, false);
        }
        if !caught_up {
            return;
        }
        let replicated = if stream.flush == 0 { stream.write } else { stream.flush };
        if self.is_stopping() {
            if replicated == stream.sent && self.output.is_empty() {
                self.world.note(format_args!("connection {}: the shutdown goes on", self.id));
                self.say(&complete("COPY 0"));
                self.leave();
            } else if !stream.pinged {
                stream.pinged = true;
                self.keepalive(stream, true);
            }
        } else if stream.is_to_be_told() && !stream.pinged {
            stream.said_behind = true;
            self.keepalive(stream, false);
        }
    }
}

/// The first transaction or message before `position` that is not whole in the topics.
pub(crate) fn lacking_before(world: &Shared, position: u64) -> Option<String> {
    let database = world.database.borrow();
    let mut checked = world.checked.get();
    while let Some(item) = database.items.get(checked)
        && item.group.is_none_or(|group| database.history.is_complete(group))
    {
        checked += 1;
    }
    world.checked.set(checked);
    let item = database.items.get(checked)?;
    (item.start < position).then(|| format!("what committed at {}", lsn(item.end)))
}

pub(crate) fn lsn(position: u64) -> String {
    pgsluice::lsn::Lsn(position).to_string()
}
