//! What the server is told: received, delivered, recorded, confirmed. Pure.
//!
//! The rules, each from how a slot behaves (manual, "Streaming Replication Protocol"):
//! - Only the end of a transaction, a non-transactional message or a keepalive outside a transaction is a
//!   position. Never a row's: rows of one COPY share it, and overlapping transactions go back.
//! - A position is confirmed when every record before it is durable *and* the progress record that names it
//!   is durable too.
//! - A confirmed position never goes back, and is never beyond what was received.
//! - `0/0` means "no information" and is what goes out before anything is recorded.

use crate::lsn::Lsn;

/// The four positions of a connection. `confirmed <= recorded <= delivered <= received`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Positions {
    /// The furthest position the server has sent.
    pub received: Lsn,
    /// Everything before it is durable in the sink.
    pub delivered: Lsn,
    /// A durable progress record names it.
    pub recorded: Lsn,
    /// It was sent to the server as flushed.
    pub confirmed: Lsn,
}

/// A status update to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The furthest position received.
    pub write: Lsn,
    /// The position up to which the server may forget.
    pub flush: Lsn,
}

/// Tracks the positions and decides when a status update is due.
#[derive(Debug)]
pub struct Acknowledgement {
    positions: Positions,
    /// A transaction has begun and not ended.
    in_transaction: bool,
    /// The server asked for a reply and has not had one.
    reply_due: bool,
    /// The server asked, and what it wants to hear of may not be recorded yet: a server that shuts down waits until
    /// its last position is confirmed.
    reply_wanted: bool,
    last_sent: Option<Status>,
}

impl Acknowledgement {
    /// A connection that starts at `start`, the recorded position, or `0/0` for a new pipeline.
    pub fn new(start: Lsn) -> Self {
        let positions =
            Positions { received: start, delivered: start, recorded: start, confirmed: Lsn::INVALID };
        Self { positions, in_transaction: false, reply_due: false, reply_wanted: false, last_sent: None }
    }

    /// The positions now.
    pub fn positions(&self) -> Positions {
        self.positions
    }

    /// Whether a transaction is open.
    pub fn in_transaction(&self) -> bool {
        self.in_transaction
    }

    /// Whether the server waits for an answer.
    pub fn reply_due(&self) -> bool {
        self.reply_due
    }

    /// Whether the server has asked since the delivered position was last recorded: progress is recorded at once.
    pub fn reply_wanted(&self) -> bool {
        self.reply_wanted
    }

    /// A message with this `dataStart` arrived.
    pub fn received(&mut self, lsn: Lsn) {
        self.positions.received = self.positions.received.max(lsn);
    }

    /// A transaction began.
    pub fn begin(&mut self) {
        self.in_transaction = true;
    }

    /// A transaction ended here: the position that holds once its records are durable.
    pub fn commit(&mut self, end: Lsn) -> Lsn {
        self.in_transaction = false;
        self.received(end);
        end
    }

    /// A message outside any transaction ended here. `None` inside one: it must not confirm what is open.
    pub fn message_outside(&mut self, lsn: Lsn) -> Option<Lsn> {
        self.received(lsn);
        (!self.in_transaction && lsn >= self.positions.delivered).then_some(lsn)
    }

    /// A keepalive. The position that holds once everything before it is durable; `None` inside a transaction,
    /// and for one that goes back, as after a reconnect.
    pub fn keepalive(&mut self, wal_end: Lsn, reply_requested: bool) -> Option<Lsn> {
        self.received(wal_end);
        self.reply_due |= reply_requested;
        self.reply_wanted |= reply_requested;
        (!self.in_transaction && wal_end > self.positions.delivered).then_some(wal_end)
    }

    /// Everything before `lsn` is durable.
    pub fn delivered(&mut self, lsn: Lsn) {
        self.positions.delivered = self.positions.delivered.max(lsn);
    }

    /// A progress record for `lsn` is durable.
    pub fn recorded(&mut self, lsn: Lsn) {
        self.positions.recorded = self.positions.recorded.max(lsn).min(self.positions.delivered);
        self.reply_wanted &= self.positions.recorded < self.positions.delivered;
    }

    /// The status update that stands for now.
    pub fn status(&self) -> Status {
        #[cfg(feature = "sabotage")]
        if let Some(wrong) = crate::sabotage::status(&self.positions) {
            return wrong;
        }
        Status { write: self.positions.received, flush: self.positions.recorded }
    }

    /// Whether an update is due without the timer: the server asked, or there is something new to confirm.
    /// An update that says nothing new would make the server send a keepalive, and so on without end.
    pub fn status_due(&self) -> bool {
        self.reply_due || self.last_sent.is_none_or(|sent| sent.flush < self.positions.recorded)
    }

    /// A status update went out.
    pub fn sent(&mut self, status: Status) {
        self.reply_due = false;
        self.positions.confirmed = self.positions.confirmed.max(status.flush);
        self.last_sent = Some(status);
    }
}

#[cfg(test)]
mod tests {
    use super::Acknowledgement;
    use crate::lsn::Lsn;

    #[test]
    fn nothing_is_confirmed_on_receipt() {
        let mut ack = Acknowledgement::new(Lsn::INVALID);
        ack.begin();
        ack.received(Lsn(10));
        ack.commit(Lsn(20));
        assert_eq!(ack.status().flush, Lsn::INVALID);
        assert_eq!(ack.status().write, Lsn(20));
        ack.delivered(Lsn(20));
        assert_eq!(ack.status().flush, Lsn::INVALID, "delivered is not recorded");
        ack.recorded(Lsn(20));
        assert_eq!(ack.status().flush, Lsn(20));
    }

    #[test]
    fn a_keepalive_inside_a_transaction_confirms_nothing() {
        let mut ack = Acknowledgement::new(Lsn(5));
        ack.begin();
        assert_eq!(ack.keepalive(Lsn(50), false), None);
        ack.commit(Lsn(40));
        assert_eq!(ack.keepalive(Lsn(60), false), Some(Lsn(60)));
    }

    #[test]
    fn positions_never_go_back() {
        let mut ack = Acknowledgement::new(Lsn(100));
        assert_eq!(ack.keepalive(Lsn(40), true), None);
        ack.delivered(Lsn(40));
        ack.recorded(Lsn(40));
        assert_eq!((ack.status().flush, ack.status().write), (Lsn(100), Lsn(100)));
        assert!(ack.reply_due());
    }

    #[test]
    fn nothing_beyond_the_delivered_is_ever_recorded() {
        let mut ack = Acknowledgement::new(Lsn(1));
        ack.recorded(Lsn(9));
        assert_eq!(ack.status().flush, Lsn(1));
    }

    #[test]
    fn an_update_that_says_nothing_new_waits_for_the_timer() {
        let mut ack = Acknowledgement::new(Lsn(1));
        assert!(ack.status_due(), "the first one tells the server where we are");
        ack.sent(ack.status());
        assert_eq!(ack.keepalive(Lsn(9), false), Some(Lsn(9)));
        assert!(!ack.status_due(), "a keepalive that asks for nothing is no reason to answer");
        ack.keepalive(Lsn(9), true);
        assert!(ack.status_due());
        ack.sent(ack.status());
        ack.delivered(Lsn(9));
        ack.recorded(Lsn(9));
        assert!(ack.status_due());
    }
}
