//! The program itself: what it does with the keys of its configuration, and what it says.

use crate::certificates::Certificates;
use crate::context::Context;
use crate::ops::pipeline::Pipeline;
use crate::suite::Suite;
use crate::support::Result;
use crate::support::postgres::Postgres;
use crate::support::session::Address;
use crate::tls::server;

pub(crate) fn register(suite: &mut Suite) {
    suite.postgres([12, 15, 18], "the_program_streams_over_tls", async |context| {
        let server = server::start(context, Some("server"))?;
        let pipeline = pipeline(context, &server)?;
        let mut session = server.session("postgres")?;
        session.query("CREATE TABLE t (id int PRIMARY KEY)")?;
        let sluice = pipeline.stream()?;
        session.query("INSERT INTO t SELECT generate_series(1, 1000)")?;
        pipeline.catches_up(&sluice)?;
        let encrypted = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_replication USING (pid)";
        assert_eq!(session.query(encrypted)?, [[Some("t".to_owned())]]);
        sluice.terminate()?;
        assert_eq!(pipeline.events("public.t")?.len(), 1000);

        let check = pipeline.command(&["check"])?.ended()?;
        let line = check.output.lines().find(|line| line.contains(" tls ")).ok_or("no line about TLS")?;
        assert!(line.contains("pass") && line.contains("verified with its name"), "{line}");
        let unverified =
            pipeline.with("source", "sslmode", "\"prefer\"").with("source", "sslrootcert", "\"\"");
        let check = unverified.command(&["check"])?.ended()?;
        let line = check.output.lines().find(|line| line.contains(" tls ")).ok_or("no line about TLS")?;
        assert!(line.contains("warn") && line.contains("not verified"), "{line}");
        Ok(())
    });
    suite.postgres([15], "no_tls_as_asked_for_is_code_4", async |context| {
        let server = server::start(context, None)?;
        let pipeline = pipeline(context, &server)?;
        pipeline.refusal()?.refused(4, &["does not offer TLS", "verify-full", "sslmode = disable"]);
        server::show(&server, "elsewhere")?;
        server.set_conf("ssl", "on")?;
        server.restart()?;
        pipeline.refusal()?.refused(4, &["elsewhere.example", "localhost"]);
        let nowhere = pipeline.with("source", "sslrootcert", "\"/no/such/file\"");
        nowhere.refusal()?.refused(4, &["sslrootcert", "/no/such/file", "not found"]);
        let check = nowhere.command(&["check"])?.ended()?;
        let line = check.output.lines().find(|line| line.contains("fail")).ok_or("no line about TLS")?;
        assert!(line.contains(" tls ") && line.contains("/no/such/file"), "{line}");
        Ok(())
    });
}

/// In the strictest mode.
fn pipeline<'a>(context: &'a Context, server: &Postgres) -> Result<Pipeline<'a>> {
    let address = Address { host: "localhost".to_owned(), ..server.address() };
    let authority = Certificates::get()?.certificate("ca");
    Ok(Pipeline::new(context, &address, &context.kafka()?).with("source", "sslmode", "\"verify-full\"").with(
        "source",
        "sslrootcert",
        &format!("{:?}", authority.display().to_string()),
    ))
}
