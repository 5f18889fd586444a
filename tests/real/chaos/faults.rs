//! What happens to the product, its servers and the network.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::world::World;
use crate::random::Random;
use crate::support::proxy::Proxy;
use crate::support::{Result, nap};

/// How many bytes may pass at the most before a connection is cut in the middle of something.
const CUT_WITHIN: u64 = 200_000;
/// How long to wait for them.
const CUT_LIMIT: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    SluiceKilled,
    SluiceTerminated,
    SluicePaused,
    PostgresFast,
    PostgresImmediate,
    WalsenderTerminated,
    BrokerStopped,
    BrokerKilled,
    BrokerStalled,
    PostgresReset,
    PostgresCut,
    PostgresStalled,
    PostgresThrottled,
    BrokerReset,
    BrokerCut,
    BrokerSilent,
    BrokerThrottled,
}

use Fault::{
    BrokerCut, BrokerKilled, BrokerReset, BrokerSilent, BrokerStalled, BrokerStopped, BrokerThrottled,
    PostgresCut, PostgresFast, PostgresImmediate, PostgresReset, PostgresStalled, PostgresThrottled,
    SluiceKilled, SluicePaused, SluiceTerminated, WalsenderTerminated,
};

const ALL: [Fault; 17] = [
    SluiceKilled,
    SluiceTerminated,
    SluicePaused,
    PostgresFast,
    PostgresImmediate,
    WalsenderTerminated,
    BrokerStopped,
    BrokerKilled,
    BrokerStalled,
    PostgresReset,
    PostgresCut,
    PostgresStalled,
    PostgresThrottled,
    BrokerReset,
    BrokerCut,
    BrokerSilent,
    BrokerThrottled,
];

/// One step of a schedule, with everything that chance decides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    fault: Fault,
    /// The pause before it.
    before: Duration,
    /// How long it lasts, where it is up to us.
    lasts: Duration,
    /// Whether the product is killed and started again while it lasts.
    kills: bool,
    bytes: u64,
}

/// One of each fault, in an order and with details that the seed determines.
pub(crate) fn round(random: &mut Random) -> Vec<Step> {
    let mut order = ALL;
    random.shuffle(&mut order);
    let step = |fault| Step {
        fault,
        before: Duration::from_millis(random.between(0, 1500)),
        lasts: Duration::from_millis(random.between(200, 2500)),
        kills: random.percent(40),
        bytes: random.between(1, CUT_WITHIN),
    };
    order.map(step).to_vec()
}

/// How often each has happened.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) start: Instant,
    faults: BTreeMap<Fault, u32>,
    kills_during: u32,
    /// What was done, for who looks for the reason of a fault.
    pub(crate) steps: Vec<String>,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), faults: BTreeMap::new(), kills_during: 0, steps: Vec::new() }
    }

    pub(crate) fn count(&self) -> u32 {
        self.faults.values().sum::<u32>() + self.kills_during
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (fault, times) in &self.faults {
            writeln!(f, "  {times:>5} {fault:?}")?;
        }
        write!(f, "  {:>5} killed during another fault", self.kills_during)
    }
}

impl Step {
    pub(crate) fn take(&self, world: &mut World<'_>, tally: &mut Tally) -> Result<()> {
        nap(self.before);
        world.still_there()?;
        tally.steps.push(format!("after {:.1?}: {self:?}", tally.start.elapsed()));
        self.cause(world, tally).map_err(|error| format!("{self:?}: {error}"))?;
        *tally.faults.entry(self.fault).or_default() += 1;
        Ok(())
    }

    fn cause(&self, world: &mut World<'_>, tally: &mut Tally) -> Result<()> {
        match self.fault {
            SluiceKilled => world.kill_sluice(),
            SluiceTerminated => world.restart_sluice(),
            SluicePaused => world.pause_sluice(self.lasts),
            PostgresFast => {
                world.postgres.stop_fast()?;
                self.meanwhile(world, tally)?;
                world.postgres.start_again()
            }
            PostgresImmediate => {
                world.postgres.stop_immediate()?;
                self.meanwhile(world, tally)?;
                world.postgres.start_again()
            }
            WalsenderTerminated => world
                .session()?
                .query("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active_pid IS NOT NULL")
                .map(drop),
            BrokerStopped => {
                world.kafka.stop()?;
                self.meanwhile(world, tally)?;
                world.kafka.start_again()
            }
            BrokerKilled => {
                world.kafka.kill9()?;
                self.meanwhile(world, tally)?;
                world.kafka.start_again()
            }
            BrokerStalled => {
                world.kafka.pause()?;
                self.meanwhile(world, tally)?;
                world.kafka.resume()
            }
            PostgresReset => {
                world.to_postgres.cut();
                Ok(())
            }
            BrokerReset => {
                world.to_kafka.cut();
                Ok(())
            }
            PostgresCut => {
                self.cut(&world.to_postgres);
                Ok(())
            }
            BrokerCut => {
                self.cut(&world.to_kafka);
                Ok(())
            }
            PostgresStalled => {
                world.to_postgres.stall();
                self.meanwhile(world, tally)?;
                world.to_postgres.resume();
                Ok(())
            }
            BrokerSilent => {
                world.to_kafka.stall();
                self.meanwhile(world, tally)?;
                world.to_kafka.resume();
                Ok(())
            }
            PostgresThrottled => {
                world.to_postgres.throttle(Some(self.rate()));
                self.meanwhile(world, tally)?;
                world.to_postgres.throttle(None);
                Ok(())
            }
            BrokerThrottled => {
                world.to_kafka.throttle(Some(self.rate()));
                self.meanwhile(world, tally)?;
                world.to_kafka.throttle(None);
                Ok(())
            }
        }
    }

    /// Lets the fault last, and where it is so decided kills the product in the middle of it.
    fn meanwhile(&self, world: &mut World<'_>, tally: &mut Tally) -> Result<()> {
        nap(self.lasts / 2);
        if self.kills {
            match self.fault {
                BrokerSilent | BrokerThrottled => world.kill_and_forget_sluice()?,
                _ => world.kill_sluice()?,
            }
            tally.kills_during += 1;
        }
        nap(self.lasts / 2);
        Ok(())
    }

    /// Bytes in a second through a slow network.
    fn rate(&self) -> u64 {
        self.bytes / 4 + 1000
    }

    fn cut(&self, proxy: &Proxy) {
        proxy.cut_after(self.bytes);
        let mut waited = Duration::ZERO;
        while proxy.will_cut() && waited < CUT_LIMIT {
            let step = Duration::from_millis(20);
            nap(step);
            waited += step;
        }
        // The load may be too small for so many bytes.
        if proxy.will_cut() {
            proxy.never_mind();
            proxy.cut();
        }
    }
}
