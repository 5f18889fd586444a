//! What a message may have to wait for, and what goes on meanwhile; and a server that says nothing.

use std::time::Duration;

use pgsluice::error::Disposition;
use pgsluice::pipeline::PipelineError;
use pgsluice::pipeline::stream::Ended;
use pgsluice::postgres::catalog::CatalogError;
use pgsluice::postgres::error::ClientError;
use tokio::time::Instant;

use super::support::catalog::ScriptedCatalog;
use super::support::held_sink::Hold;
use super::support::scripted::keepalive;
use super::support::walsender::{Options, Rig, Walsender, transaction};

const SECOND: Duration = Duration::from_secs(1);

fn events(catalog: &ScriptedCatalog) -> Rig {
    let mut rig = Rig::new(Options { format: catalog.events("*"), ..Options::default() });
    rig.intervals.status = 2 * SECOND;
    rig.intervals.silence = 20 * SECOND;
    rig
}

/// A new table's topic is made by a broker that takes its time.
#[tokio::test(start_paused = true)]
async fn status_updates_go_on_while_a_topic_is_made() {
    let mut rig = events(&ScriptedCatalog::default());
    rig.play(async |server: &mut Walsender| {
        server.send(&[keepalive(0x80, true)]).await;
        server.until(SECOND, |server| server.flush() == 0x80).await;
        server.sink.preparing_takes(60 * SECOND);
        server.send(&[transaction(0x100, 7, 0..2, 0x200)]).await;
        let before = server.ledger.told().len();
        server.pause(59 * SECOND).await;
        let told = server.ledger.told();
        assert!((28..=31).contains(&(told.len() - before)), "{} updates in a minute", told.len() - before);
        assert!(told.iter().all(|(_, status)| status.flush <= 0x80));
        assert!(server.produced().is_empty());
        // The wait was ours, so the server has not been silent.
        server.settle().await;
        assert_eq!((server.produced().len(), server.flush()), (2, 0x200));
        assert!(!server.is_over());
    })
    .await;
}

/// A catalog that does not answer ends the connection, to be tried again, and the server hears of us until then.
#[tokio::test(start_paused = true)]
async fn a_catalog_that_is_silent_is_not_waited_for_without_end() {
    let catalog = ScriptedCatalog::default();
    let mut rig = events(&catalog);
    rig.play(async |server: &mut Walsender| {
        catalog.silent.set(true);
        server.settle().await;
        let (start, before) = (Instant::now(), server.ledger.told().len());
        server.send(&[transaction(0x100, 7, 0..2, 0x200)]).await;
        let outcome = server.outcome().await;
        let Err(error) = outcome else { panic!("{outcome:?}") };
        assert!(
            matches!(error, PipelineError::Catalog(CatalogError::Client(ClientError::Timeout { .. }))),
            "{error:?}"
        );
        assert!(matches!(error.disposition(), Disposition::Retry(_)));
        assert!((19 * SECOND..22 * SECOND).contains(&start.elapsed()), "{:?}", start.elapsed());
        assert!(server.ledger.told().len() >= before + 9);
        assert_eq!(server.flush(), 0);
    })
    .await;
    catalog.silent.set(false);
    rig.play(async |server: &mut Walsender| {
        server.send(&[transaction(0x100, 7, 0..2, 0x200)]).await;
        server.settle().await;
        assert_eq!((server.produced().len(), server.flush()), (2, 0x200));
    })
    .await;
}

/// The server streams a transaction before others see what it did; its tables are looked up once they can be.
#[tokio::test(start_paused = true)]
async fn a_transaction_that_is_not_visible_yet_is_waited_for() {
    let catalog = ScriptedCatalog::default();
    let mut rig = events(&catalog);
    rig.play(async |server: &mut Walsender| {
        catalog.behind.set(true);
        server.send(&[transaction(0x100, 7, 0..2, 0x200)]).await;
        server.pause(2 * SECOND).await;
        assert!(server.produced().is_empty());
        catalog.behind.set(false);
        server.until(Duration::from_millis(50), |server| server.produced().len() == 2).await;
    })
    .await;
}

/// But not without end: a commit that waits for a synchronous standby may wait for us.
#[tokio::test(start_paused = true)]
async fn a_transaction_that_does_not_become_visible_is_not_waited_for_without_end() {
    let catalog = ScriptedCatalog::default();
    let mut rig = events(&catalog);
    rig.play(async |server: &mut Walsender| {
        catalog.behind.set(true);
        server.send(&[transaction(0x100, 7, 0..2, 0x200)]).await;
        let took = server.until(4 * SECOND, |server| server.produced().len() == 2).await;
        assert!(took > 2 * SECOND, "{took:?}");
        assert!(server.ledger.told().len() >= 2, "the server heard of us meanwhile");
    })
    .await;
}

/// A server that does not even answer a question is gone, whatever the socket says.
#[tokio::test(start_paused = true)]
async fn a_server_that_is_silent_is_given_up() {
    let mut rig = events(&ScriptedCatalog::default());
    rig.play(async |server: &mut Walsender| {
        for _ in 0..5 {
            server.pause(19 * SECOND).await;
            server.send(&[keepalive(0x80, false)]).await;
        }
        let start = Instant::now();
        let outcome = server.outcome().await;
        assert!(matches!(outcome, Err(PipelineError::Client(ClientError::Closed { .. }))), "{outcome:?}");
        assert!((20 * SECOND..21 * SECOND).contains(&start.elapsed()), "{:?}", start.elapsed());
    })
    .await;
    assert!(rig.ledger.told().iter().any(|(_, status)| status.reply), "it was asked");
}

/// While the sink takes nothing, nothing is read: what the server says is not heard, and its silence is none.
#[tokio::test(start_paused = true)]
async fn nobody_is_silent_who_is_not_listened_to() {
    let mut rig = Rig::new(Options { records: 10, ..Options::default() });
    rig.intervals.silence = 20 * SECOND;
    rig.play(async |server: &mut Walsender| {
        server.sink.hold(Hold::Everything);
        server.send(&[transaction(0x100, 7, 0..20, 0x200)]).await;
        server.pause(60 * SECOND).await;
        assert!(!server.is_over());
        server.sink.release();
        server.settle().await;
        assert_eq!(server.flush(), 0x200);
    })
    .await;
}

/// A run with an end stops there by itself, with everything before it confirmed.
#[tokio::test(start_paused = true)]
async fn a_stream_with_an_end_stops_behind_it() {
    for (last, confirmed) in [(transaction(0x200, 8, 2..4, 0x300), 0x300), (keepalive(0x280, false), 0x280)] {
        let mut rig = Rig { end_lsn: Some(0x280), ..Rig::default() };
        rig.play(async |server: &mut Walsender| {
            server.send(&[transaction(0x100, 7, 0..2, 0x200)]).await;
            server.settle().await;
            assert!(!server.is_over());
            server.send(&[last]).await;
            server.finish().await;
            let outcome = server.outcome().await;
            assert!(matches!(outcome, Ok(Ended::Stopped)), "{outcome:?}");
            assert_eq!(server.flush(), confirmed);
        })
        .await;
    }
}
