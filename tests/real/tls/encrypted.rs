//! Both kinds of connection over TLS: a query, and a stream.

use std::time::Duration;

use ::pgsluice::lsn::Lsn;
use ::pgsluice::postgres::client::{Mode, SslMode, StreamEvent, Verification, connect};
use ::pgsluice::postgres::protocol::walsender::{CreateSlot, SnapshotAction};

use crate::suite::Suite;
use crate::support::postgres::MAJORS;
use crate::tls::server;

/// Enough for several reads, each of many records.
const ROWS: usize = 20_000;

pub(crate) fn register(suite: &mut Suite) {
    suite.postgres(MAJORS, "queries_and_streams_over_tls", async |context| {
        let server = server::start(context, Some("server"))?;
        let options = server::options(&server, SslMode::VerifyFull, Some("ca"))?;
        let mut sql = connect(&options, Mode::Sql).await?;
        let session = sql.tls().ok_or("it is not encrypted")?;
        assert_eq!((session.protocol.as_str(), session.verification), ("TLSv1.3", Verification::Name));
        let told = sql.query("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()").await?;
        let told = told.first().ok_or("no answer")?;
        assert_eq!((told.value(0, "ssl"), told.value(0, "version")), (Some("t"), Some("TLSv1.3")));

        sql.query("CREATE TABLE public.t (id int PRIMARY KEY, v text)").await?;
        let mut connection = connect(&options, Mode::Replication).await?;
        let slot = CreateSlot {
            name: "over_tls",
            plugin: "test_decoding",
            temporary: true,
            snapshot: SnapshotAction::Nothing,
        };
        connection.create_slot(&slot).await?;
        sql.query(&format!(
            "INSERT INTO public.t SELECT n, repeat('x', n % 500) FROM generate_series(1, {ROWS}) n"
        ))
        .await?;
        let mut stream = connection.start_replication("over_tls", Lsn::INVALID, &[]).await?;
        assert!(stream.stream().is_tls());
        let (mut rows, mut most) = (0, 0);
        while rows < ROWS {
            let read = tokio::time::timeout(Duration::from_secs(30), stream.fill()).await??;
            most = most.max(read);
            while let Some((event, length)) = StreamEvent::next(stream.buffered(), stream.limits())? {
                if let StreamEvent::XLogData(message) = event {
                    rows += usize::from(message.payload.starts_with(b"table public.t: INSERT:"));
                }
                stream.consume(length);
            }
        }
        // A read brings more than one record of TLS, or the reader of the pipeline would take each for the last.
        assert!(most > 32 << 10, "the largest of all reads brought {most} bytes");
        stream.stop(Duration::from_secs(5)).await?;
        sql.close(Duration::from_secs(1)).await;
        Ok(())
    });
}
