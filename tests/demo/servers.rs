//! The two servers: of our own, or the user's, named by the variables that the tests know too
//! (`PGSLUICE_TEST_PG12` … `PGSLUICE_TEST_PG18`, `PGSLUICE_TEST_KAFKA`).

use std::path::Path;

use pgsluice::postgres::client::{ConnectOptions, Login, Mode, SslMode};
use pgsluice::secret::Secret;
use pgsluice::secret_source::SecretSource;

use crate::screen::Screen;
use crate::support::kafka::Kafka;
use crate::support::postgres::{MAJORS, Postgres};
use crate::support::session::{Address, quoted};
use crate::support::{Result, broker_client, given};

/// The major that is started when the user names no server.
const MAJOR: u16 = 17;
/// Database, slot, pipeline and topics are called so on servers of our own.
const OWN_NAME: &str = "shop";
/// The role that pgsluice logs in as on a server of our own, by SCRAM-SHA-256.
const ROLE: &str = "cdc";
const ROLE_PASSWORD: &str = "demo only";

/// The servers of this run.
pub(crate) struct Servers {
    postgres: PostgresServer,
    kafka: Broker,
}

enum PostgresServer {
    Started(Postgres),
    Given(Address),
}

enum Broker {
    Started(Kafka),
    Given(String),
}

impl Servers {
    pub(crate) fn start(screen: &Screen) -> Result<Self> {
        let postgres = start_postgres(screen)?;
        let kafka = start_kafka(screen)?;
        Ok(Self { postgres, kafka })
    }

    /// What database, slot and pipeline are called, and what the topics' names begin with. On a server that others
    /// use too nobody else has this name.
    pub(crate) fn name(&self) -> String {
        match (&self.postgres, &self.kafka) {
            (PostgresServer::Started(_), Broker::Started(_)) => OWN_NAME.to_owned(),
            _ => format!("pgsluice_demo_{}", std::process::id()),
        }
    }

    /// Whether nobody else writes to the PostgreSQL server.
    pub(crate) fn has_own_postgres(&self) -> bool {
        matches!(self.postgres, PostgresServer::Started(_))
    }

    /// The broker's `host:port`.
    pub(crate) fn bootstrap(&self) -> String {
        match &self.kafka {
            Broker::Started(broker) => broker.bootstrap(),
            Broker::Given(bootstrap) => bootstrap.clone(),
        }
    }

    /// Where pgsluice logs in, and as whom: with no more rights than it needs, where the server is ours.
    pub(crate) fn source(&self) -> Address {
        let address = self.address();
        let (user, password) = match self.postgres {
            PostgresServer::Started(_) => (ROLE.to_owned(), Some(ROLE_PASSWORD.to_owned())),
            PostgresServer::Given(_) => (address.user, address.password),
        };
        Address { user, password, database: self.name(), ..address }
    }

    /// Makes the database; how the load and the watcher log in there.
    pub(crate) async fn make_database(&self) -> Result<Login> {
        let address = self.address();
        let name = self.name();
        let create = format!("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0", quoted(&name));
        let mut role = String::new();
        if let PostgresServer::Started(_) = self.postgres {
            role = format!(
                "CREATE ROLE {ROLE} LOGIN REPLICATION PASSWORD '{ROLE_PASSWORD}' IN ROLE scram_group"
            );
        }
        let mut session = login(&address, &address.database).connect(Mode::Sql).await?;
        // Each on its own: CREATE DATABASE must not stand in a transaction with others.
        for sql in [create, role] {
            session.query(&sql).await?;
        }
        Ok(login(&address, &name))
    }

    /// Removes what was made on servers of the user's own. Servers of ours go as a whole.
    pub(crate) async fn clean_up(&self, screen: &Screen) -> Result<()> {
        let name = self.name();
        if let PostgresServer::Given(address) = &self.postgres {
            screen.step(&format!("dropping slot and database {name}")).ok();
            let mut session = login(address, &address.database).connect(Mode::Sql).await?;
            session
                .query(&format!(
                    "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots \
                     WHERE slot_name = '{name}' AND active"
                ))
                .await?;
            session
                .query(&format!(
                    "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{name}'"
                ))
                .await?;
            session.query(&format!("DROP DATABASE IF EXISTS {}", quoted(&name))).await?;
        }
        if let Broker::Given(bootstrap) = &self.kafka {
            screen.step(&format!("deleting the topics {name}.* and the progress topic")).ok();
            broker_client::delete_topics(bootstrap, &format!("{name}.")).await?;
            broker_client::delete_topics(bootstrap, &format!("pgsluice.progress.{name}")).await?;
        }
        Ok(())
    }

    /// Where the superuser logs in.
    fn address(&self) -> Address {
        match &self.postgres {
            PostgresServer::Started(server) => server.address(),
            PostgresServer::Given(address) => address.clone(),
        }
    }
}

fn start_postgres(screen: &Screen) -> Result<PostgresServer> {
    for major in MAJORS.into_iter().rev() {
        if let Some(address) = given::postgres(major)? {
            let Address { host, port, .. } = &address;
            screen.step(&format!("using the PostgreSQL server of PGSLUICE_TEST_PG{major}, {host}:{port}"))?;
            return Ok(PostgresServer::Given(address));
        }
    }
    screen.step(&format!("starting PostgreSQL {MAJOR} with wal_level = logical"))?;
    let server = Postgres::start(MAJOR, &[])?;
    tell_place(screen, &format!("127.0.0.1:{}", server.port()), server.log())?;
    Ok(PostgresServer::Started(server))
}

fn start_kafka(screen: &Screen) -> Result<Broker> {
    if let Some(bootstrap) = given::kafka() {
        screen.step(&format!("using the Kafka broker of PGSLUICE_TEST_KAFKA, {bootstrap}"))?;
        return Ok(Broker::Given(bootstrap));
    }
    screen.step("starting an Apache Kafka broker (some seconds)")?;
    let broker = Kafka::start(&[])?;
    tell_place(screen, &broker.bootstrap(), broker.log())?;
    Ok(Broker::Started(broker))
}

fn tell_place(screen: &Screen, address: &str, log: &Path) -> Result<()> {
    Ok(screen.remark(&format!("    it serves on {address}; its log is {}", log.display()))?)
}

fn login(address: &Address, database: &str) -> Login {
    let mut options = ConnectOptions::new(&address.host, &address.user, database);
    options.port = address.port;
    options.tls.mode = SslMode::Prefer;
    "pgsluice demo".clone_into(&mut options.application_name);
    let password = address.password.clone().map(|password| SecretSource::Literal(Secret::new(password)));
    Login { options, password, credentials: None }
}
