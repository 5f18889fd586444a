//! The ends that come from outside: Ctrl-C, a lost parent, a demo that hangs.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, getppid};
use tokio::sync::watch;

use crate::support::{self, Result, process, run, tell};

/// How long pgsluice may take to drain, and what was made on the user's servers to go, once a signal has come.
const FAREWELL_LIMIT: Duration = Duration::from_secs(30);
/// The longest an unattended demo may take, fetching the servers included.
const TOTAL_LIMIT: Duration = Duration::from_mins(15);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing is there yet that would need an end in good order.
    Beginning,
    /// Events are being shown; on a terminal, Ctrl-C is how that is meant to end.
    Showing { attended: bool },
    /// It is over, and all that is left is to stop the servers.
    Over { succeeded: bool },
}

static STAGE: Mutex<Stage> = Mutex::new(Stage::Beginning);
static CHANGED: Condvar = Condvar::new();
static TOLD: Mutex<Option<watch::Sender<bool>>> = Mutex::new(None);

/// Has signals end the demo in good order, and an unattended one fail instead of hanging.
pub(crate) fn prepare(attended: bool) -> Result<()> {
    process::before_a_signal_ends_this(farewell);
    // A run watches for signals.
    run::current()?;
    if !attended {
        std::thread::Builder::new().name("clock".to_owned()).spawn(out_of_time)?;
    }
    Ok(())
}

/// Turns true when the demo is told to stop. From now on a signal waits for [`over`] before it ends the process.
pub(crate) fn from_now_on_in_good_order(attended: bool) -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    *locked(&TOLD) = Some(sender);
    *locked(&STAGE) = Stage::Showing { attended };
    receiver
}

/// Says that nothing but the servers is left to stop.
pub(crate) fn over(succeeded: bool) {
    *locked(&STAGE) = Stage::Over { succeeded };
    CHANGED.notify_all();
}

/// Notices that the process which started this one is gone, as when `make` is killed.
pub(crate) struct Parent(Option<Pid>);

impl Parent {
    pub(crate) fn now() -> Self {
        Self(getppid())
    }

    pub(crate) fn is_gone(&self) -> bool {
        getppid() != self.0
    }
}

/// Runs on the signals' thread: lets the demo end in good order. Answers the exit code, where it is not the signal's.
fn farewell(signal: Signal) -> Option<i32> {
    let Stage::Showing { attended } = *locked(&STAGE) else { return None };
    if let Some(told) = &*locked(&TOLD) {
        told.send_replace(true);
    }
    let showing = |stage: &mut Stage| matches!(*stage, Stage::Showing { .. });
    let (stage, _) = CHANGED
        .wait_timeout_while(locked(&STAGE), FAREWELL_LIMIT, showing)
        .unwrap_or_else(PoisonError::into_inner);
    let succeeded = *stage == Stage::Over { succeeded: true };
    (attended && succeeded && signal == Signal::INT).then_some(0)
}

#[expect(clippy::exit, reason = "the thread that should have ended the process hangs")]
fn out_of_time() {
    support::nap(TOTAL_LIMIT);
    tell(&format!(
        "demo: failed: it has not ended in {TOTAL_LIMIT:?}; the last step shown is the one that hangs"
    ));
    support::finish();
    std::process::exit(1)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
