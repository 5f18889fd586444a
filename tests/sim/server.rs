//! The server as a whole: whether it is up, its slot, its connections.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use pgsluice::postgres::client::{ConnectOptions, Connection, Dial, LoginError, Mode, connect_with};

use pgsluice::postgres::transport::dial::{DialError, Dialed};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::connection;
use super::link::{ClientEnd, Cut, Link, Way, Weather};
use super::plan::Plan;
use super::rng::Rng;
use super::world::Shared;

/// The slot.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) confirmed: u64,
    /// What is on disk of it.
    pub(crate) saved: u64,
    /// Where decoding starts to read.
    pub(crate) restart: u64,
    /// The connection that streams it.
    pub(crate) active: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Up,
    /// A fast shutdown waits for its walsenders.
    Stopping,
    Down(Instant),
    /// It answers, but only to say that it is starting.
    Starting(Instant),
}

pub(crate) struct Server {
    pub(crate) rng: Rng,
    pub(crate) phase: Phase,
    pub(crate) slot: Option<Slot>,
    pub(crate) links: BTreeMap<u64, (Link, Rc<Notify>)>,
    /// Links whose server end is gone and whose client may not know.
    pub(crate) lost: Vec<Link>,
    next_connection: u64,
    /// The greatest position ever confirmed.
    pub(crate) confirmed_ever: u64,
    /// Connections that an administrator ends.
    pub(crate) terminated: BTreeSet<u64>,
    /// Positions at which a client may go on.
    pub(crate) positions: BTreeSet<u64>,
}

impl Server {
    pub(crate) fn new(plan: &Plan) -> Self {
        let first = 0x0150_0000;
        let slot =
            plan.slot_exists.then_some(Slot { confirmed: first, saved: first, restart: first, active: None });
        Self {
            rng: Rng::new(plan.seed, 3),
            phase: Phase::Up,
            slot,
            links: BTreeMap::new(),
            lost: Vec::new(),
            next_connection: 0,
            confirmed_ever: 0,
            terminated: BTreeSet::new(),
            positions: std::iter::once(first).collect(),
        }
    }

    /// Whether it takes connections: a server that was down comes up when it is time.
    pub(crate) fn phase(&mut self) -> Phase {
        let now = Instant::now();
        if let Phase::Down(until) = self.phase
            && now >= until
        {
            self.phase = Phase::Starting(until + Duration::from_millis(self.rng.between(0, 500)));
        }
        if let Phase::Starting(until) = self.phase
            && now >= until
        {
            self.phase = Phase::Up;
        }
        self.phase
    }

    /// New WAL, or a new state: every connection looks again.
    pub(crate) fn wake(&self) {
        for (_, notify) in self.links.values() {
            notify.notify_one();
        }
    }

    /// What is on disk of the slot is what it is now.
    pub(crate) fn checkpoint(&mut self) {
        if let Some(slot) = &mut self.slot {
            slot.saved = slot.confirmed;
            if self.rng.chance(700) {
                slot.restart = slot.confirmed;
            }
        }
    }

    /// Every connection breaks; the slot is what was on disk of it.
    pub(crate) fn go_down(&mut self, time: Duration) {
        for (link, _) in self.links.values() {
            link.cut(if self.rng.chance(500) { Cut::Reset } else { Cut::Closed });
            link.server().notify_one();
        }
        self.links.clear();
        self.phase = Phase::Down(Instant::now() + time);
        if let Some(slot) = &mut self.slot {
            slot.confirmed = slot.saved;
            slot.restart = slot.restart.min(slot.saved);
            slot.active = None;
        }
    }
}

/// The network to the simulated server.
#[derive(Clone)]
pub(crate) struct SimDial(pub(crate) Shared);

impl SimDial {
    fn weather(&self, mode: Mode) -> Weather {
        let (world, mut server) = (&self.0, self.0.server.borrow_mut());
        let rng = &mut server.rng;
        let capacity = usize::try_from(rng.scale(512, 200_000)).unwrap();
        let chunk = *rng.pick(&[30, 300, 300, 5000, 1 << 20, 1 << 20, 1 << 20, 1 << 20]);
        let cuts = if world.stormy.get() { world.plan.cuts } else { 0 };
        let cut = rng.chance(cuts).then(|| {
            let kind = *rng.pick(&[Cut::Reset, Cut::Reset, Cut::Closed, Cut::HalfOpen, Cut::Silent]);
            if mode == Mode::Replication && rng.chance(700) {
                (kind, Way::Down, rng.scale(400, 40_000))
            } else if rng.chance(500) {
                (kind, Way::Down, rng.between(1, 3000))
            } else {
                (kind, Way::Up, rng.between(1, 2000))
            }
        });
        let chunk = if world.plan.long_rows > 0 { chunk.max(5000) } else { chunk };
        Weather { capacity, chunk, cut }
    }

    fn open(&self, mode: Mode) -> Result<ClientEnd, DialError> {
        let refused =
            |kind: std::io::ErrorKind| DialError::Connect { address: "sim".to_owned(), source: kind.into() };
        if matches!(self.0.server.borrow_mut().phase(), Phase::Down(_)) {
            return Err(refused(std::io::ErrorKind::ConnectionRefused));
        }
        let weather = self.weather(mode);
        let mut server = self.0.server.borrow_mut();
        server.next_connection += 1;
        let id = server.next_connection;
        let rng = Rng::new(server.rng.next(), 4);
        let link = Link::new(weather, rng);
        server.links.insert(id, (link.clone(), link.server()));
        self.0.note(format_args!("connection {id}: {mode:?} {:?}", weather.cut));
        tokio::task::spawn_local(connection::serve(Rc::clone(&self.0), link.clone(), id));
        Ok(ClientEnd(link))
    }
}

impl Dial for SimDial {
    type Stream = ClientEnd;

    async fn dial(&self, mode: Mode) -> Result<Connection<ClientEnd>, LoginError> {
        let dial = async || {
            let stream = self.open(mode)?;
            Ok(Dialed { stream, round_trip: self.0.plan.near })
        };
        let options = ConnectOptions::new("sim", "ada", "shop");
        Ok(connect_with(dial, &options, mode).await?)
    }

    async fn dial_with_buffer(
        &self,
        mode: Mode,
        _receive_buffer: Option<u32>,
    ) -> Result<Connection<ClientEnd>, LoginError> {
        self.dial(mode).await
    }
}
