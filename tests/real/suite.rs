//! How a test is declared: once, for some majors of PostgreSQL or for the broker.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};

use crate::context::Context;
use crate::support::Result;

/// Far above what any test takes on a busy machine.
const TEST_LIMIT: Duration = Duration::from_mins(5);

/// Every test of this binary. One named `pg15::some_test` uses PostgreSQL 15 (and the broker if it likes), one named
/// `kafka::some_test` the broker alone.
#[derive(Default)]
pub(crate) struct Suite {
    trials: Vec<Trial>,
}

impl Suite {
    /// Declares a test for each of `majors`, such as `support::postgres::MAJORS`. It runs on a current-thread runtime.
    pub(crate) fn postgres<T>(&mut self, majors: impl IntoIterator<Item = u16>, name: &str, test: T)
    where
        T: AsyncFn(&Context) -> Result<()> + Send + Sync + 'static,
    {
        self.postgres_within(TEST_LIMIT, majors, name, test);
    }

    /// The same for a test that may take longer, or less.
    pub(crate) fn postgres_within<T>(
        &mut self,
        limit: Duration,
        majors: impl IntoIterator<Item = u16>,
        name: &str,
        test: T,
    ) where
        T: AsyncFn(&Context) -> Result<()> + Send + Sync + 'static,
    {
        let test = Arc::new(test);
        for major in majors {
            let test = Arc::clone(&test);
            self.add(&format!("pg{major}"), name, Some(major), move |context| run(limit, &*test, context));
        }
    }

    /// Declares a test that needs the broker and no PostgreSQL.
    pub(crate) fn broker<T>(&mut self, name: &str, test: T)
    where
        T: AsyncFn(&Context) -> Result<()> + Send + Sync + 'static,
    {
        self.add("kafka", name, None, move |context| run(TEST_LIMIT, &test, context));
    }

    pub(crate) fn into_trials(self) -> Vec<Trial> {
        self.trials
    }

    fn add(
        &mut self,
        group: &str,
        name: &str,
        major: Option<u16>,
        test: impl FnOnce(&Context) -> Result<()> + Send + 'static,
    ) {
        let name = format!("{group}::{name}");
        let runner = {
            let name = name.clone();
            move || {
                let context = Context::new(&name, major);
                // A panic is caught here, so that it too is told with the servers' logs.
                let outcome = catch_unwind(AssertUnwindSafe(|| test(&context)));
                let place = PANIC_PLACE.take();
                judge(outcome.map_err(|panic| format!("{place}: {}", panic_text(panic.as_ref()))), context)
            }
        };
        self.trials.push(Trial::test(name, runner));
    }
}

/// A test has passed when it says so, has used the servers it was declared for, and could be cleaned up after.
fn judge(
    outcome: std::result::Result<Result<()>, String>,
    context: Context,
) -> std::result::Result<(), Failed> {
    let outcome = match outcome {
        Ok(Ok(())) => context.check_used(),
        Ok(Err(error)) => Err(error.to_string()),
        Err(panic) => Err(panic),
    };
    let logs = context.logs();
    let cleaned = context.clean_up().map_err(|error| format!("cleaning up after the test: {error}"));
    outcome.and(cleaned).map_err(|message| format!("{message}\n{logs}").into())
}

fn run<T: AsyncFn(&Context) -> Result<()>>(limit: Duration, test: &T, context: &Context) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // A test that hangs fails by its name, with the logs, instead of taking the whole run with it.
    let limited = runtime.block_on(async { tokio::time::timeout(limit, test(context)).await });
    limited.unwrap_or_else(|_| Err(format!("the test has not ended in {limit:?}").into()))
}

thread_local! {
    /// Where this thread's test failed an assertion.
    static PANIC_PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Has every panic leave its place behind, for the message of the test it ends. Called once, before the tests.
pub(crate) fn note_places_of_panics() {
    let usual = take_hook();
    set_hook(Box::new(move |panic| {
        PANIC_PLACE.set(panic.location().map(ToString::to_string).unwrap_or_default());
        usual(panic);
    }));
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text =
        panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a text")
}
