//! One seed, from the first process to the end: processes that live and die, faults, and the final judgement.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use pgsluice::app;
use pgsluice::clock::Clock;
use pgsluice::encode::EncodeOptions;
use pgsluice::error::{Exit, Failure};
use pgsluice::pipeline::options::SlotOptions;
use pgsluice::pipeline::start::Supervised;
use pgsluice::pipeline::table_filter::{Rule, TableFilter};
use pgsluice::pipeline::{PipelineOptions, PipelineStatus};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::broker::SimBroker;
use super::link::Cut;
use super::plan::Plan;
use super::rng::Rng;
use super::server::{Phase, SimDial};
use super::walsender::lacking_before;
use super::world::{Shared, World, lsn, step_wall, wall};

/// So many polls without a moment passing are a spin.
const SPIN: u64 = 200_000;
/// In so much time everything must be delivered, recorded and confirmed once the faults are over.
const CALM: Duration = Duration::from_mins(15);
/// In so much time the kernels find out that a connection is dead, by the options it is opened with.
const KEEPALIVE: Duration = Duration::from_mins(2);

/// What came of a seed.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) violation: Option<String>,
    pub(crate) trace: Vec<String>,
    pub(crate) counts: BTreeMap<&'static str, u64>,
}

/// What a run shows and judges.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mode {
    /// Keeps the trace.
    pub(crate) trace: bool,
    /// Prints it as it comes.
    pub(crate) print: bool,
    /// Only what consumers see counts: no rule about what is recorded or confirmed on the way.
    pub(crate) outcome_only: bool,
}

/// Runs a seed on a runtime of its own.
pub(crate) fn run(seed: u64, mode: Mode) -> Outcome {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let tasks = tokio::task::LocalSet::new();
    let shown: Cell<Option<Shared>> = Cell::new(None);
    let simulation = async {
        let world = World::new(Plan::new(seed), mode);
        shown.set(Some(Rc::clone(&world)));
        world.note(format_args!("{:?}", world.plan));
        tokio::select! {
            biased;
            () = world.failed.notified() => {}
            () = Box::pin(simulate(&world)) => {}
        }
        world.virtual_seconds.set(world.elapsed().as_secs());
    };
    let panicked = catch_unwind(AssertUnwindSafe(|| tasks.block_on(&runtime, simulation))).is_err();
    let world = shown.take().expect("a world");
    world.tally("repeats", world.database.borrow().history.repeats());
    world.tally("records stored", world.broker.borrow().stored);
    world.tally("virtual seconds", world.virtual_seconds.get());
    let violation = world.violation().or(panicked.then(|| "a panic".to_owned()));
    Outcome { violation, trace: world.trace(), counts: world.counts() }
}

async fn simulate(world: &Shared) {
    let work = tokio::task::spawn_local(work(Rc::clone(world)));
    let faults = tokio::task::spawn_local(faults(Rc::clone(world)));
    let mut rng = Rng::new(world.plan.seed, 6);
    let mut number = 0;
    while !work.is_finished() {
        number += 1;
        if live_and_die(world, number, &mut rng, &work, &faults).await {
            return;
        }
        sleep(Duration::from_millis(rng.between(0, 3000))).await;
    }
    faults.abort();
    calm(world);
    let started = Instant::now();
    loop {
        number += 1;
        let (stop, stopped) = watch::channel(false);
        let (status, _watched) = watch::channel(PipelineStatus::default());
        world.note(format_args!("process {number}, which nothing disturbs, starts"));
        let process = app::run(supervised(world, number), world.plan.seed ^ number, stopped, &status);
        let mut process = pin!(Mortal::new(Box::pin(process), None, world));
        if end(world, &mut process, &stop, started).await {
            return;
        }
    }
}

/// The sessions of the database.
async fn work(world: Shared) {
    let mut rng = Rng::new(world.plan.seed, 7);
    let mut left = world.plan.steps;
    while left > 0 {
        if world.server.borrow_mut().phase() == Phase::Up {
            left -= 1;
            let did = world.database.borrow_mut().step();
            world.note(format_args!("- {did}, WAL ends at {}", lsn(world.database.borrow().end)));
            world.server.borrow().wake();
        }
        let pause = match rng.between(0, 99) {
            0..=1 => rng.scale(100, 20_000),
            2..=39 => 0,
            _ => rng.between(0, world.plan.pause),
        };
        if pause > 0 {
            sleep(Duration::from_millis(pause)).await;
        } else if world.server.borrow().phase != Phase::Up {
            sleep(Duration::from_millis(50)).await;
        } else {
            tokio::task::yield_now().await;
        }
    }
}

/// The faults of server, broker and clock.
async fn faults(world: Shared) {
    let mut rng = Rng::new(world.plan.seed, 8);
    if world.plan.fault_gap == 0 {
        return;
    }
    loop {
        sleep(Duration::from_millis(rng.between(0, 2 * world.plan.fault_gap))).await;
        if rng.chance(200) {
            bury_the_dead(&world);
        }
        match rng.between(0, 99) {
            0..=9 => crash(&world, rng.scale(50, 20_000)),
            10..=15 => shut_down(&world, &mut rng).await,
            16..=35 => {
                world.count("checkpoint");
                world.server.borrow_mut().checkpoint();
            }
            36..=55 => stall(&world, &mut rng),
            56..=65 => {
                world.count("failed report");
                world.broker.borrow_mut().fail();
            }
            66..=72 => {
                world.count("broker refuses");
                world.broker.borrow_mut().refusals = rng.between(1, 5);
            }
            73..=80 => {
                world.count("clock step");
                let hours = i64::try_from(rng.between(0, 48)).unwrap() - 24;
                step_wall(hours * 3_600_000_000 + 17);
            }
            81..=85 => terminate_one(&world, &mut rng),
            _ => cut_one(&world, &mut rng),
        }
    }
}

/// Without a timeout of the walsender, and while a slot is made, only the kernels' keepalives find dead connections.
fn bury_the_dead(world: &World) {
    let mut server = world.server.borrow_mut();
    let lost = std::mem::take(&mut server.lost);
    for link in server.links.values().map(|(link, _)| link).chain(&lost) {
        if world.plan.wal_sender_timeout.is_none() || link.is_patient() {
            link.bury();
        }
    }
}

/// The kernels find every dead connection by now.
fn bury_all(world: &World) {
    let server = world.server.borrow();
    for link in server.links.values().map(|(link, _)| link).chain(&server.lost) {
        link.bury();
    }
}

fn crash(world: &World, down: u64) {
    let mut server = world.server.borrow_mut();
    if server.phase() != Phase::Up && server.phase != Phase::Stopping {
        return;
    }
    world.count("server crash");
    server.go_down(Duration::from_millis(down));
    drop(server);
    world.database.borrow_mut().crash();
}

async fn shut_down(world: &World, rng: &mut Rng) {
    if world.server.borrow_mut().phase() != Phase::Up {
        return;
    }
    world.count("fast shutdown");
    world.server.borrow_mut().phase = Phase::Stopping;
    world.database.borrow_mut().crash();
    world.server.borrow().wake();
    let give_up = Instant::now() + Duration::from_secs(8);
    while world.server.borrow().slot.as_ref().is_some_and(|slot| slot.active.is_some())
        && Instant::now() < give_up
    {
        sleep(Duration::from_millis(20)).await;
    }
    let mut server = world.server.borrow_mut();
    if rng.chance(800) {
        server.checkpoint();
    }
    server.go_down(Duration::from_millis(rng.scale(50, 5000)));
}

fn stall(world: &World, rng: &mut Rng) {
    world.count("broker stall");
    let time = if world.plan.endless_stall { 400_000 } else { rng.scale(10, 6000) };
    let mut broker = world.broker.borrow_mut();
    broker.stalled_until = broker.stalled_until.max(Instant::now() + Duration::from_millis(time));
}

fn terminate_one(world: &World, rng: &mut Rng) {
    let mut server = world.server.borrow_mut();
    if server.links.is_empty() {
        return;
    }
    let number = rng.index(server.links.len());
    world.count("terminated by an administrator");
    let id = *server.links.keys().nth(number).unwrap();
    server.terminated.insert(id);
    server.wake();
}

fn cut_one(world: &World, rng: &mut Rng) {
    let server = world.server.borrow();
    if server.links.is_empty() {
        return;
    }
    let number = rng.index(server.links.len());
    let kind = *rng.pick(&[Cut::Reset, Cut::Closed, Cut::HalfOpen, Cut::Silent]);
    world.count("cut at a moment");
    server.links.values().nth(number).unwrap().0.cut(kind);
}

fn supervised(world: &Shared, number: u64) -> Supervised<SimBroker, SimDial> {
    let rules = vec![Rule { include: "public.*".to_owned(), exclude: vec!["public.hidden".to_owned()] }];
    let options = PipelineOptions {
        name: "sim".to_owned(),
        login: SimDial(Rc::clone(world)),
        slot: SlotOptions { name: "s".to_owned(), create: true, plugin: "test_decoding" },
        tables: TableFilter::new(rules),
        encode: EncodeOptions::new("sim", "shop"),
        start_timeout: Duration::from_secs(30),
        drain_timeout: world.plan.drain_timeout,
        accept_gap: false,
        end_lsn: None,
    };
    Supervised::new(options, SimBroker(Rc::clone(world)), format!("i{number}"), Clock::of(wall))
}

/// A process from its start to its end, of whatever kind. `true`: it has seen the end of the world.
async fn live_and_die(
    world: &Shared,
    number: u64,
    rng: &mut Rng,
    work: &JoinHandle<()>,
    faults: &JoinHandle<()>,
) -> bool {
    let (stop, stopped) = watch::channel(false);
    let (status, _watched) = watch::channel(PipelineStatus::default());
    let polls = rng.chance(world.plan.deaths).then(|| rng.scale(1, 20_000));
    let stop_at = rng.chance(world.plan.stops).then(|| Duration::from_millis(rng.scale(1, 20_000)));
    world.note(format_args!("process {number} starts: dies after {polls:?} polls, stops at {stop_at:?}"));
    let process = app::run(supervised(world, number), world.plan.seed ^ number, stopped, &status);
    let mut process = pin!(Mortal::new(Box::pin(process), polls, world));
    let mut told = None;
    let started = Instant::now();
    loop {
        if let Ok(outcome) = timeout(Duration::from_millis(250), &mut process).await {
            judge_end(world, outcome, told.is_some());
            return world.violation().is_some();
        }
        if stop_at.is_some_and(|at| started.elapsed() >= at) && told.is_none() {
            world.count("stop request");
            stop.send_replace(true);
            told = Some(Instant::now());
        }
        let patience = world.plan.drain_timeout + Duration::from_secs(25);
        if told.is_some_and(|told| told.elapsed() > patience) {
            world.fail(format_args!("told to stop, it goes on after {patience:?}"));
            return true;
        }
        if work.is_finished() && told.is_none() && rng.chance(600) {
            // It has to get over whatever it is in the middle of.
            world.count("process that survives");
            faults.abort();
            calm(world);
            process.polls_left = None;
            return end(world, &mut process, &stop, Instant::now()).await;
        }
        if work.is_finished() {
            world.count("process killed at the end");
            return false;
        }
    }
}

/// How a process may end: by dying, or with an outage as its reason.
fn judge_end(world: &World, outcome: Option<Result<(), Failure>>, told: bool) {
    match outcome {
        None => world.count("process death"),
        Some(Ok(())) if told => world.count("clean stop"),
        Some(Ok(())) => world.fail("the process ended although nobody told it to"),
        Some(Err(failure)) => match failure.exit {
            Exit::DrainDeadline if told => world.count("drain deadline"),
            Exit::SlotInUse | Exit::SourceUnreachable | Exit::SinkUnreachable => {
                world.count("start given up");
            }
            exit => world.fail(format_args!("the process gave up, {exit:?}: {}", failure.message)),
        },
    }
}

/// The faults are over.
fn calm(world: &World) {
    world.stormy.set(false);
    for (link, _) in world.server.borrow().links.values() {
        link.disarm();
    }
    bury_the_dead(world);
    let mut server = world.server.borrow_mut();
    if server.phase == Phase::Stopping {
        server.go_down(Duration::from_millis(100));
    }
    drop(server);
    let mut broker = world.broker.borrow_mut();
    broker.refusals = 0;
    drop(broker);
    let mut database = world.database.borrow_mut();
    while database.wind_up() {}
    drop(database);
    world.server.borrow().wake();
    world.note(format_args!("calm: the last commit is made"));
}

/// The faults are over: the process must deliver, record and confirm everything, and stop. `false`: the aftermath of
/// a fault lasted for longer than a start tries.
async fn end<F>(
    world: &Shared,
    process: &mut Pin<&mut Mortal<F>>,
    stop: &watch::Sender<bool>,
    started: Instant,
) -> bool
where
    F: Future<Output = Result<(), Failure>>,
{
    while !is_settled(world) {
        if let Ok(outcome) = timeout(Duration::from_millis(100), &mut *process).await {
            if let Some(Err(failure)) = &outcome
                && matches!(failure.exit, Exit::SlotInUse | Exit::SinkUnreachable | Exit::SourceUnreachable)
                && started.elapsed() < CALM
            {
                return false;
            }
            world.fail(format_args!("the last process ended: {outcome:?}, {}", standing(world)));
            return true;
        }
        if started.elapsed() > KEEPALIVE {
            bury_all(world);
        }
        if started.elapsed() > CALM {
            world.fail(format_args!("not settled after {CALM:?}: {}", standing(world)));
            return true;
        }
    }
    if let Err(violation) = world.database.borrow().history.finish() {
        world.fail(violation);
    } else if world.plan.ends_with_shutdown {
        shut_down_for_good(world, process).await;
    } else {
        stop.send_replace(true);
        match timeout(world.plan.drain_timeout + Duration::from_secs(5), &mut *process).await {
            Ok(Some(Ok(()))) => world.count("orderly end"),
            other => world.fail(format_args!("the last process does not stop in order: {other:?}")),
        }
    }
    true
}

/// A fast shutdown must not be held up by a pipeline that has nothing left to do.
async fn shut_down_for_good<F: Future>(world: &Shared, process: &mut Pin<&mut Mortal<F>>)
where
    F::Output: std::fmt::Debug,
{
    world.database.borrow_mut().crash();
    world.server.borrow_mut().phase = Phase::Stopping;
    world.server.borrow().wake();
    let started = Instant::now();
    while world.server.borrow().slot.as_ref().is_some_and(|slot| slot.active.is_some()) {
        let waited = timeout(Duration::from_millis(50), &mut *process).await;
        if let Ok(outcome) = waited {
            return world.fail(format_args!("the process ended with the server: {outcome:?}"));
        }
        if started.elapsed() > Duration::from_secs(10) {
            return world.fail(format_args!("the server's shutdown hangs: {}", standing(world)));
        }
    }
    world.count("orderly shutdown");
}

/// Whether everything that committed is delivered, recorded and confirmed.
fn is_settled(world: &Shared) -> bool {
    let last =
        world.database.borrow().items.iter().rev().find(|item| item.group.is_some()).map(|item| item.end);
    let mut broker = world.broker.borrow_mut();
    broker.advance(world);
    let (recorded, sound) = (broker.recorded(), broker.is_sound());
    drop(broker);
    let Some(last) = last else { return sound && world.server.borrow().slot.is_some() };
    let confirmed = world.server.borrow().slot.as_ref().map_or(0, |slot| slot.confirmed);
    sound && recorded >= last && confirmed >= last && lacking_before(world, u64::MAX).is_none()
}

fn standing(world: &Shared) -> String {
    let lacking = lacking_before(world, u64::MAX);
    let (recorded, end) = (world.broker.borrow().recorded(), world.database.borrow().end);
    let slot = world.server.borrow().slot.clone();
    format!("WAL ends at {}, recorded {}, slot {slot:?}, lacking {lacking:?}", lsn(end), lsn(recorded))
}

/// A process that dies after so many polls, in whatever state it is.
struct Mortal<F> {
    process: Option<Pin<Box<F>>>,
    polls_left: Option<u64>,
    world: Shared,
    /// When it was last polled, and how often since.
    spin: (Instant, u64),
}

impl<F: Future> Mortal<F> {
    fn new(process: Pin<Box<F>>, polls_left: Option<u64>, world: &Shared) -> Self {
        Self { process: Some(process), polls_left, world: Rc::clone(world), spin: (Instant::now(), 0) }
    }
}

impl<F: Future> Future for Mortal<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let now = Instant::now();
        self.spin = if self.spin.0 == now { (now, self.spin.1 + 1) } else { (now, 0) };
        if self.spin.1 > SPIN {
            self.world.fail("the process spins: time stands still");
        }
        self.world.tally("polls of a process", 1);
        match &mut self.polls_left {
            Some(0) => {
                self.process = None;
                return Poll::Ready(None);
            }
            Some(left) => *left -= 1,
            None => {}
        }
        let Some(process) = &mut self.process else { return Poll::Ready(None) };
        process.as_mut().poll(cx).map(Some)
    }
}
