//! The only places where a task or a thread starts: each has a name and an owner.

use std::future::Future;
use std::ops::Deref;
use std::thread;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A task on the runtime, aborted when the handle is dropped.
#[derive(Debug)]
pub struct Task<T> {
    handle: Option<JoinHandle<T>>,
}

impl<T> Task<T> {
    /// Lets the task run for as long as the process does.
    pub fn detach(mut self) {
        self.handle = None;
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if let Some(handle) = &self.handle {
            handle.abort();
        }
    }
}

/// Starts `future` beside the caller.
pub fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Task<T> {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that spawns tasks")]
    let handle = tokio::spawn(future);
    Task { handle: Some(handle) }
}

/// A blocking call could not be made, or ended without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the thread {0} could not be started or ended without an answer")]
pub struct ThreadLost(&'static str);

/// Runs a blocking call on a thread of its own. Dropping the future leaves the thread to end by itself.
pub async fn blocking<T: Send + 'static>(
    name: &'static str,
    call: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ThreadLost> {
    let (answer, receiver) = oneshot::channel();
    let work = move || {
        // The receiver is gone when the caller has given up; then nobody wants the answer.
        drop(answer.send(call()));
    };
    thread::Builder::new().name(name.to_owned()).spawn(work).or(Err(ThreadLost(name)))?;
    receiver.await.or(Err(ThreadLost(name)))
}

/// A value whose destructor may block: it is dropped on a thread of its own.
#[derive(Debug)]
pub struct DropElsewhere<T: Send + 'static> {
    name: &'static str,
    /// `None` only while being dropped.
    value: Option<T>,
}

impl<T: Send + 'static> DropElsewhere<T> {
    /// Takes the value over; `name` is the thread's.
    pub fn new(name: &'static str, value: T) -> Self {
        Self { name, value: Some(value) }
    }
}

impl<T: Send + 'static> Deref for DropElsewhere<T> {
    type Target = T;

    fn deref(&self) -> &T {
        #[expect(clippy::expect_used, reason = "only dropping takes the value")]
        self.value.as_ref().expect("the value is there until it is dropped")
    }
}

impl<T: Send + 'static> Drop for DropElsewhere<T> {
    fn drop(&mut self) {
        let value = self.value.take();
        let work = move || drop(value);
        if let Err(error) = thread::Builder::new().name(self.name.to_owned()).spawn(work) {
            tracing::debug!(%error, thread = self.name, "no thread to drop a value on; it was dropped here");
        }
    }
}
