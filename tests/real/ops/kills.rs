//! SIGKILL at any moment: the next start loses nothing, and what it repeats is the same as before.

use std::hash::{BuildHasher as _, Hasher as _};
use std::time::Duration;

use crate::ops::load::{Load, verify};
use crate::ops::pipeline::Pipeline;
use crate::suite::Suite;
use crate::support::nap;

const KILLS: u32 = 5;
/// A kill comes at a random moment of this time after the start.
const SPAN: u64 = 900;

pub(crate) fn register(suite: &mut Suite) {
    suite.postgres([12, 15, 18], "kill9_loses_nothing", async |context| {
        let pipeline = Pipeline::new(context, &context.postgres()?, &context.kafka()?);
        Load::prepare(&mut pipeline.session()?)?;
        // The first one makes the slot: only what commits behind it is streamed.
        let sluice = pipeline.stream()?;
        let load = Load::start(&pipeline.address)?;
        load.writes(20)?;
        sluice.kill9()?;
        for _ in 1..KILLS {
            let sluice = pipeline.run()?;
            nap(Duration::from_millis(random() % SPAN));
            sluice.kill9()?;
        }
        let sluice = pipeline.stream()?;
        load.writes(20)?;
        load.finish()?;
        pipeline.catches_up(&sluice)?;
        sluice.terminate()?;
        let seen = verify(&pipeline)?;
        assert!(seen.transactions >= 40, "{seen:?}");
        Ok(())
    });
}

fn random() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}
