//! The walsender: what a slot's consumer is sent, what it is asked, and what of its answers is a broken promise.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::connection::{Connection, OUT_LIMIT, State};
use super::database::{Item, What};
use super::scripted::{complete, copy_both, copy_data, copy_done, parameter, ready, report};
use super::server::Phase;
use super::world::{Shared, lsn, wall};

/// Messages sent and records skipped in one step, so that replies come in between.
const BURST: usize = 40;

/// A walsender.
#[expect(clippy::struct_excessive_bools, reason = "a walsender keeps such flags, each for itself")]
pub(crate) struct Streaming {
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
    pub(crate) last_reply: Instant,
    pub(crate) pinged: bool,
    reply_now: bool,
    pub(crate) next_keepalive: Instant,
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

impl Connection {
    pub(crate) fn start(&mut self, wanted: u64) {
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

    pub(crate) fn status(&mut self, frame: &[u8]) {
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

    pub(crate) fn copy_done(&mut self) {
        match &mut self.stream {
            Some(stream) => stream.client_done = true,
            None => self.world.fail("CopyDone without a stream"),
        }
    }

    /// Decodes and sends.
    pub(crate) fn walk(&mut self) {
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

    pub(crate) fn wants_keepalive(&self, stream: &Streaming) -> bool {
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
