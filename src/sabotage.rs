//! Deliberate faults, so that the simulator can show that it finds them. Only with the feature `sabotage`.

use std::cell::Cell;

use crate::lsn::Lsn;
use crate::pipeline::acknowledgement::{Positions, Status};

#[cfg(not(debug_assertions))]
compile_error!(
    "the feature sabotage breaks every promise on purpose: it is for tests alone, never for a release"
);

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// What was received is confirmed.
    AcknowledgeOnReceipt,
    /// A keepalive counts as delivered although records before it are in flight.
    KeepaliveInFlight,
    /// A transaction that a broken connection left open goes on behind its last row, by LSN.
    ResumeByRow,
    /// What is delivered is confirmed, recorded or not.
    ConfirmBeforeRecord,
    /// A row's LSN is taken for a position.
    RowAsPosition,
    /// The position is the byte behind the commit's end.
    OneByteFurther,
}

thread_local! {
    static CHOSEN: Cell<Option<Fault>> = const { Cell::new(None) };
    /// The greatest LSN of a row in this process, and what it was when the connection broke.
    static ROWS: Cell<(Lsn, Lsn)> = const { Cell::new((Lsn::INVALID, Lsn::INVALID)) };
}

/// Chooses the fault of this thread.
pub fn choose(fault: Option<Fault>) {
    CHOSEN.set(fault);
}

/// Whether this fault is chosen.
pub fn is(fault: Fault) -> bool {
    CHOSEN.get() == Some(fault)
}

/// The status update that a fault makes of these positions.
pub(crate) fn status(positions: &Positions) -> Option<Status> {
    let flush = match CHOSEN.get()? {
        Fault::AcknowledgeOnReceipt => positions.received,
        Fault::ConfirmBeforeRecord => positions.delivered,
        _ => return None,
    };
    Some(Status { write: positions.received, flush })
}

/// A process connects: for the first time, or `again` after a connection broke.
pub(crate) fn connects(again: bool) {
    let greatest = if again { ROWS.get().0 } else { Lsn::INVALID };
    ROWS.set((greatest, greatest));
}

/// Whether a row counts as handled on the connection before this one.
pub(crate) fn skips_row(lsn: Lsn) -> bool {
    let (greatest, before) = ROWS.get();
    ROWS.set((greatest.max(lsn), before));
    is(Fault::ResumeByRow) && lsn <= before
}
