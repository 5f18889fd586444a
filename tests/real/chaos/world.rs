//! The servers, the network between them, and the product, each of which can be made to fail.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;

use super::schema;
use crate::context::Context;
use crate::ops::pipeline::Pipeline;
use crate::ops::sluice::{self, Ended, Sluice};
use crate::support::broker_client::create_topic;
use crate::support::kafka::Kafka;
use crate::support::postgres::Postgres;
use crate::support::proxy::Proxy;
use crate::support::session::Session;
use crate::support::{Result, ports};

/// How the product is started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Program {
    /// Before the configuration file.
    pub(crate) arguments: &'static [&'static str],
    pub(crate) variables: &'static [(&'static str, &'static str)],
}

/// As its users start it.
pub(crate) const USUAL: Program = Program { arguments: &["run"], variables: &[] };

pub(crate) struct World<'a> {
    pub(crate) postgres: Arc<Postgres>,
    pub(crate) kafka: Arc<Kafka>,
    /// Between the product and PostgreSQL.
    pub(crate) to_postgres: Proxy,
    /// Between the product and the broker. Everybody else goes round it.
    pub(crate) to_kafka: Proxy,
    /// The pipeline as seen past the proxies.
    pub(crate) pipeline: Pipeline<'a>,
    place: (PathBuf, PathBuf),
    file: String,
    program: Program,
    sluice: Option<Sluice>,
}

impl<'a> World<'a> {
    pub(crate) async fn start(context: &'a Context, program: Program) -> Result<Self> {
        // A walsender that cannot reach its client holds up a stop of the server for this long.
        let postgres = context.own_postgres(&[("wal_sender_timeout", "5s")])?;
        let to_postgres = Proxy::start(postgres.port())?;
        let behind = ports::free()?;
        let to_kafka = Proxy::start(behind)?;
        let kafka = broker(context, behind, to_kafka.port())?;
        let through = crate::support::session::Address { port: to_postgres.port(), ..postgres.address() };
        let pipeline = Pipeline::new(context, &through, &format!("127.0.0.1:{}", to_kafka.port()))
            .with("[tables]", "include", "\"public.*\"")
            .with("[tables]", "exclude", "[\"public.truth\"]")
            .librdkafka("socket.timeout.ms", "10000");
        let place = sluice::folder(context)?;
        let file = pipeline.write(&place.0)?.to_str().ok_or("a path that is not UTF-8")?.to_owned();
        let mut pipeline = pipeline.beside(postgres.address());
        pipeline.bootstrap = kafka.bootstrap();
        let world =
            Self { postgres, kafka, to_postgres, to_kafka, pipeline, place, file, program, sluice: None };
        schema::create(&mut world.session()?)?;
        for (table, partitions) in schema::PARTITIONS {
            create_topic(&world.kafka.bootstrap(), &world.topic(table), partitions, &[]).await?;
        }
        Ok(world)
    }

    pub(crate) fn session(&self) -> Result<Session> {
        self.postgres.session("postgres")
    }

    /// The topic of a table, or of the messages.
    pub(crate) fn topic(&self, table: &str) -> String {
        let name = if table == schema::MESSAGES { table.to_owned() } else { format!("public.{table}") };
        self.pipeline.topic(&name)
    }

    /// The product's log.
    pub(crate) fn log(&self) -> &Path {
        &self.place.1
    }

    /// Starts the product.
    pub(crate) fn start_sluice(&mut self) -> Result<()> {
        let place = self.place.clone();
        let arguments: Vec<&str> =
            self.program.arguments.iter().copied().chain([self.file.as_str()]).collect();
        self.sluice = Some(Sluice::start(place, &arguments, self.program.variables, None)?);
        Ok(())
    }

    pub(crate) fn sluice(&self) -> Result<&Sluice> {
        Ok(self.sluice.as_ref().ok_or("it is not running")?)
    }

    /// Kills the product and starts it again.
    pub(crate) fn kill_sluice(&mut self) -> Result<()> {
        self.still_there()?;
        self.sluice()?.kill9()?;
        self.start_sluice()
    }

    /// The same while the network holds back what the product had sent to the broker: that is lost with it. Nothing
    /// fences a dead instance off, and a request of its that arrived seconds later would repeat old records behind new
    /// ones.
    pub(crate) fn kill_and_forget_sluice(&mut self) -> Result<()> {
        self.still_there()?;
        self.sluice()?.kill9()?;
        self.to_kafka.cut();
        self.start_sluice()
    }

    /// Tells the product to stop, in good order, and starts it again.
    pub(crate) fn restart_sluice(&mut self) -> Result<()> {
        self.stop_sluice()?;
        self.start_sluice()
    }

    /// Tells the product to stop; it must drain and say that it has.
    pub(crate) fn stop_sluice(&mut self) -> Result<Ended> {
        self.still_there()?;
        self.sluice.take().ok_or("it is not running")?.terminate()
    }

    pub(crate) fn pause_sluice(&self, time: Duration) -> Result<()> {
        self.sluice()?.signal(Signal::STOP)?;
        crate::support::nap(time);
        self.sluice()?.signal(Signal::CONT)
    }

    /// No fault is a reason to give up.
    pub(crate) fn still_there(&self) -> Result<()> {
        match self.sluice()?.has_ended()? {
            None => Ok(()),
            Some(status) => {
                let errors = self.sluice()?.errors()?;
                let line = errors.lines().next_back().unwrap_or_default();
                Err(format!("it has given up ({status}): {line}").into())
            }
        }
    }
}

/// A broker with a listener of its own for those who come through the proxy: a client goes where the broker says it is.
fn broker(context: &Context, behind: u16, proxy: u16) -> Result<Arc<Kafka>> {
    let listeners = format!(
        "PLAINTEXT://127.0.0.1:@PORT@,CONTROLLER://127.0.0.1:@CONTROLLER_PORT@,PROXIED://127.0.0.1:{behind}"
    );
    let advertised = format!("PLAINTEXT://127.0.0.1:@PORT@,PROXIED://127.0.0.1:{proxy}");
    context.own_kafka(&[
        ("listeners", &listeners),
        ("advertised.listeners", &advertised),
        ("listener.security.protocol.map", "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT"),
    ])
}
