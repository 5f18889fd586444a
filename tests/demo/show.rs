//! The show itself: load, events and lag side by side, until it is over.

use std::time::Duration;

use pgsluice::lsn::Lsn;
use pgsluice::postgres::client::Login;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::envelope::{Event, Kind};
use crate::line;
use crate::load::{self, Pace};
use crate::pipeline::Pipeline;
use crate::reader;
use crate::screen::Screen;
use crate::seen::Seen;
use crate::servers::Servers;
use crate::stop::Parent;
use crate::support::Result;
use crate::watcher::{Look, Watcher};

/// By when every kind of event has come and the slot has no lag.
const LIMIT: Duration = Duration::from_mins(3);
const TICK: Duration = Duration::from_millis(200);
/// Events of one kind and table that are shown one by one before the rest is only counted.
const ALIKE: u64 = 4;

pub(crate) struct Show<'a> {
    screen: &'a Screen,
    servers: &'a Servers,
    pipeline: &'a Pipeline,
    attended: bool,
    seen: Seen,
    alike: Option<Alike>,
    /// When the last event came.
    heard: Instant,
}

/// A row of events of one kind and table.
struct Alike {
    kind: Kind,
    table: String,
    count: u64,
}

impl<'a> Show<'a> {
    pub(crate) fn new(
        screen: &'a Screen,
        servers: &'a Servers,
        pipeline: &'a Pipeline,
        attended: bool,
    ) -> Self {
        let seen = Seen::default();
        Self { screen, servers, pipeline, attended, seen, alike: None, heard: Instant::now() }
    }

    /// Goes on until it is told to stop or, unattended, until all has been seen.
    pub(crate) async fn run(mut self, login: &Login, mut told: watch::Receiver<bool>) -> Result<Seen> {
        let until = if self.attended { "Ctrl-C" } else { "every kind of event has come and the lag is zero" };
        self.screen.step(&format!("the shop lives; below, what comes back from Kafka, until {until}"))?;
        let parent = Parent::now();
        let mut watcher = Watcher::new(login, self.pipeline.slot()).await?;
        let mut events = reader::read(&self.servers.bootstrap(), &self.servers.name())?;
        let pace = if self.attended { Pace::ATTENDED } else { Pace::UNATTENDED };
        let load = load::run(self.screen, login, pace);
        tokio::pin!(load);
        let deadline = Instant::now() + LIMIT;
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut loading = true;
        let mut written: Option<Lsn> = None;
        loop {
            tokio::select! {
                done = &mut load, if loading => {
                    done?;
                    loading = false;
                }
                event = events.recv() => {
                    self.show(&Event::of(&event.ok_or("the reader of Kafka has ended")??)?)?;
                }
                _ = ticks.tick() => {
                    self.pipeline.still_runs()?;
                    let is_quiet = self.heard.elapsed() >= 2 * TICK;
                    if is_quiet {
                        self.end_of_alike()?;
                    }
                    let look = watcher.look(self.screen).await?;
                    let missing = self.seen.missing();
                    if !loading {
                        let written = *written.get_or_insert(look.wal_end);
                        let done = self.is_confirmed(&look, written) && is_quiet && missing.is_none();
                        if done {
                            return Ok(self.seen);
                        }
                    }
                    if Instant::now() > deadline && (missing.is_some() || !self.attended) {
                        return Err(too_late(missing, look.lag).into());
                    }
                    if parent.is_gone() {
                        return Err("what had started the demo is gone".into());
                    }
                }
                _ = told.wait_for(|told| *told) => {
                    self.end_of_alike()?;
                    return Ok(self.seen);
                }
            }
        }
    }

    /// Whether all that was written is confirmed. On a server that others write to as well, the lag may never be
    /// zero: there it is enough that the position at the end of the load is.
    fn is_confirmed(&self, look: &Look, written: Lsn) -> bool {
        if self.servers.has_own_postgres() { look.lag == 0 } else { look.confirmed >= written }
    }

    fn show(&mut self, event: &Event) -> Result<()> {
        self.heard = Instant::now();
        self.seen.note(event);
        let is_alike =
            self.alike.as_ref().is_some_and(|alike| alike.kind == event.kind && alike.table == event.table);
        if !is_alike {
            self.end_of_alike()?;
        }
        let alike = self.alike.get_or_insert_with(|| Alike {
            kind: event.kind,
            table: event.table.clone(),
            count: 0,
        });
        alike.count += 1;
        if alike.count <= ALIKE {
            let (word, colour) = line::word(event.kind);
            self.screen.line(word, colour, &line::rest(event))?;
        }
        Ok(())
    }

    /// Says how many events were only counted.
    fn end_of_alike(&mut self) -> Result<()> {
        if let Some(alike) = self.alike.take()
            && let Some(more) = alike.count.checked_sub(ALIKE).filter(|more| *more > 0)
        {
            let (word, colour) = line::word(alike.kind);
            self.screen.line(word, colour, &format!("{:<11} … and {more} more", alike.table))?;
        }
        Ok(())
    }
}

fn too_late(missing: Option<String>, lag: u64) -> String {
    let missing = missing.map_or_else(
        || "every kind of event has come".to_owned(),
        |kinds| format!("these have not come: {kinds}"),
    );
    format!("after {LIMIT:?} of load {missing}, and the slot's lag is {lag} bytes")
}
