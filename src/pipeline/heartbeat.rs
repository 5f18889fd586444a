//! Status updates while one message waits for something else: its table is looked up, its topic is made.
//!
//! The message lies in the read buffer as long as that takes, so nothing is read; but the server must hear of us.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::time::{Instant, sleep_until};

use crate::clock::Clock;
use crate::pipeline::acknowledgement::Status;
use crate::postgres::client::StatusSender;
use crate::postgres::error::ClientError;

/// What it takes to tell the server where we stand, again and again.
#[derive(Debug)]
pub struct Heartbeat<'a, C> {
    /// Sends it.
    pub sender: StatusSender<'a, C>,
    /// Where we stand; that does not change meanwhile.
    pub status: Status,
    /// Wall-clock time.
    pub clock: Clock,
    /// When the next update is due.
    pub next: &'a mut Instant,
    /// How long after that the one behind it.
    pub every: Duration,
    /// When the server was last heard of, or not listened to.
    pub last_heard: &'a mut Instant,
}

impl<C: AsyncWrite + Unpin> Heartbeat<'_, C> {
    /// Waits for `work` and sends what falls due meanwhile.
    pub async fn beside<T>(mut self, work: impl Future<Output = T>) -> Result<T, ClientError> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => {
                    *self.last_heard = Instant::now();
                    return Ok(done);
                }
                () = sleep_until(*self.next) => self.beat().await?,
            }
        }
    }

    async fn beat(&mut self) -> Result<(), ClientError> {
        let Status { write, flush } = self.status;
        self.sender.send(write, flush, flush, self.clock.now(), false).await?;
        *self.next = Instant::now() + self.every;
        Ok(())
    }
}
