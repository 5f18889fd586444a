//! `pgsluice tail`: changes on the terminal, over a temporary slot.

use std::io::{BufWriter, IsTerminal};

use clap::Args;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::app::line;
use crate::cli::run::stop_on_signal;
use crate::cli::source::login_by_url;
use crate::clock::Clock;
use crate::encode::terminal::TerminalEncoder;
use crate::error::{Disposition, Exit, Failure};
use crate::lsn::Lsn;
use crate::pipeline::acknowledgement::Acknowledgement;
use crate::pipeline::delivery::Delivery;
use crate::pipeline::emitter::{Counts, Emitter, Format};
use crate::pipeline::options::Intervals;
use crate::pipeline::reader::Reader;
use crate::pipeline::start::{PLUGIN_OPTIONS, verify_wal_level};
use crate::pipeline::stream::{Ended, Session};
use crate::pipeline::table_filter::{Rule, TableFilter};
use crate::pipeline::transaction::XidEpoch;
use crate::pipeline::{PipelineError, PipelineStatus};
use crate::postgres::catalog::Catalog;
use crate::postgres::client::{Login, Mode};
use crate::postgres::protocol::walsender::{CreateSlot, SnapshotAction};
use crate::sink::reports::Reports;
use crate::sink::terminal::TerminalSink;

/// What `tail` takes.
#[derive(Debug, Args)]
pub struct TailArgs {
    /// libpq URL or keyword/value string of the database.
    #[arg(value_name = "URL", env = "PGSLUICE_DSN", hide_env_values = true)]
    url: String,
    /// Show only tables that match this pattern, such as `public.*`; may be given more than once.
    #[arg(long, value_name = "PATTERN", default_value = "*.*")]
    table: Vec<String>,
}

/// Lines in flight at most; each counts as delivered when it is written.
const CAPACITY: usize = 1024;
/// Output collected before it is written.
const OUTPUT_BUFFER: usize = 64 << 10;

/// Prints changes until it is told to stop, or until nobody reads them.
pub async fn execute(args: TailArgs, colours: bool) -> Result<(), Failure> {
    let login = login_by_url(&args.url)?;
    let rules = args.table.into_iter().map(|include| Rule { include, exclude: Vec::new() });
    let format =
        Format::Lines { encoder: TerminalEncoder::new(colours), filter: TableFilter::new(rules.collect()) };
    let stop = stop_on_signal()?;
    match stream(&login, format, stop).await {
        Ok(Ended::Stopped) => Ok(()),
        Ok(Ended::ServerShutdown) => {
            Err(Failure::text(Exit::SourceUnreachable, "the server is shutting down"))
        }
        Err(error) => match error.disposition() {
            Disposition::Stop(Exit::Clean) => Ok(()),
            disposition => Err(Failure::text(disposition.exit(), line(&error))),
        },
    }
}

async fn stream(
    login: &Login,
    mut format: Format,
    stop: watch::Receiver<bool>,
) -> Result<Ended, PipelineError> {
    let server = Catalog::new(login.clone()).server().await?;
    verify_wal_level(&server)?;
    let mut connection = login.connect(Mode::Replication).await?;
    // The process id makes the name free, and the slot goes with the connection.
    let name = format!("pgsluice_tail_{}", std::process::id());
    let slot = CreateSlot {
        name: &name,
        plugin: "test_decoding",
        temporary: true,
        snapshot: SnapshotAction::Nothing,
    };
    let created = connection.create_slot(&slot).await?;
    let stream = connection.start_replication(&name, Lsn::INVALID, &PLUGIN_OPTIONS).await?;
    if std::io::stderr().is_terminal() {
        tracing::warn!(from = %created.consistent_point, "showing what commits from now on; Ctrl-C ends it");
    }

    let reports = Reports::new(CAPACITY);
    let output = BufWriter::with_capacity(OUTPUT_BUFFER, std::io::stdout());
    let sink = TerminalSink::new(output, reports.clone());
    let mut delivery = Delivery::new(sink, reports, usize::MAX, None);
    let (status, _watched) = watch::channel(PipelineStatus::default());
    let clock = Clock::system();
    let session = Session {
        reader: Reader::new(Instant::now(), !stream.stream().is_unix()),
        stream,
        emitter: Emitter {
            format: &mut format,
            delivery: &mut delivery,
            ack: Acknowledgement::new(Lsn::INVALID),
            epoch: XidEpoch::new(server.next_xid),
            open: None,
            last_commit: None,
            now: clock.now(),
            counts: Counts::default(),
        },
        intervals: Intervals::for_server(server.wal_sender_timeout, std::time::Duration::from_secs(5)),
        end_lsn: None,
        status: &status,
        clock,
    };
    session.run(stop).await
}
