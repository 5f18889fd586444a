//! Every mode against every kind of server, beside libpq with the same settings.

use std::path::Path;

use ::pgsluice::postgres::client::{Mode, Roots, SendCertificate, SslMode, connect};

use crate::certificates::Certificates;
use crate::psql;
use crate::suite::Suite;
use crate::support::Result;
use crate::support::postgres::Postgres;
use crate::tls::server;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Clear,
    Encrypted,
    Refused,
}

use Outcome::{Clear, Encrypted, Refused};

/// What the six modes come to, from `disable` to `verify-full`.
type Modes = [Outcome; 6];

struct Case {
    /// The server's certificate; `None`: it has no TLS.
    certificate: Option<&'static str>,
    /// The file that the client trusts.
    roots: Option<&'static str>,
    expected: Modes,
    /// Where libpq does otherwise, and why.
    libpq: Option<(Modes, &'static str)>,
}

const fn case(certificate: &'static str, roots: Option<&'static str>, expected: Modes) -> Case {
    Case { certificate: Some(certificate), roots, expected, libpq: None }
}

const NO_TLS: Modes = [Clear, Clear, Clear, Refused, Refused, Refused];
/// Without a file nothing is verified but by the strict modes, which know none of the tests' authorities.
const UNVERIFIED: Modes = [Clear, Clear, Encrypted, Encrypted, Refused, Refused];
/// Everything is as it should be.
const GOOD: Modes = [Clear, Clear, Encrypted, Encrypted, Encrypted, Encrypted];
/// The authority is right and the name is not.
const WRONG_NAME: Modes = [Clear, Clear, Encrypted, Encrypted, Encrypted, Refused];
/// With a file of authorities every mode asks them; `prefer` then goes on without.
const WRONG_CHAIN: Modes = [Clear, Clear, Clear, Refused, Refused, Refused];

const CASES: [Case; 20] = [
    Case { certificate: None, roots: None, expected: NO_TLS, libpq: None },
    Case { certificate: None, roots: Some("ca"), expected: NO_TLS, libpq: None },
    case("server", None, UNVERIFIED),
    case("server", Some("ca"), GOOD),
    case("server", Some("other_ca"), WRONG_CHAIN),
    case("server", Some("same_name_ca"), WRONG_CHAIN),
    case("rsa_sha256", Some("ca"), GOOD),
    case("self_signed", None, UNVERIFIED),
    case("self_signed", Some("self_signed"), GOOD),
    case("self_signed", Some("ca"), WRONG_CHAIN),
    case("elsewhere", None, UNVERIFIED),
    case("elsewhere", Some("ca"), WRONG_NAME),
    case("expired", None, UNVERIFIED),
    case("expired", Some("ca"), WRONG_CHAIN),
    case("cn_only", None, UNVERIFIED),
    Case {
        certificate: Some("cn_only"),
        roots: Some("ca"),
        expected: WRONG_NAME,
        libpq: Some((
            GOOD,
            "takes the CN for a name where there is no other; it is refused here, with the remedy",
        )),
    },
    case("version1", None, UNVERIFIED),
    Case {
        certificate: Some("version1"),
        roots: Some("ca"),
        expected: WRONG_CHAIN,
        libpq: Some((GOOD, "takes X.509 version 1, and its CN; it is refused here, with the remedy")),
    },
    Case {
        certificate: Some("rsa_short"),
        roots: None,
        expected: WRONG_CHAIN,
        libpq: Some((
            UNVERIFIED,
            "takes an RSA key of 1024 bits where nothing is verified; rustls never does",
        )),
    },
    case("rsa_short", Some("ca"), WRONG_CHAIN),
];

pub(crate) fn register(suite: &mut Suite) {
    suite.postgres([12, 15, 18], "every_mode_against_every_certificate", async |context| {
        let server = context.own_postgres(&[])?;
        let home = psql::empty_home(context)?;
        let libpq = psql::major();
        for case in &CASES {
            show(&server, case.certificate)?;
            for (mode, expected) in SslMode::ALL.into_iter().zip(case.expected) {
                let what = format!("{:?} by {:?}, {}", case.certificate, case.roots, mode.name());
                assert_eq!(ours(&server, mode, case.roots).await?, expected, "{what}");
                if libpq.is_some() {
                    let libpq = libpqs(&conninfo(&server, mode, case.roots)?, &home)?;
                    let index = SslMode::ALL.iter().position(|other| *other == mode).unwrap_or_default();
                    let (modes, why) = case.libpq.unwrap_or((case.expected, "agrees"));
                    assert_eq!(Some(&libpq), modes.get(index), "{what}: libpq {why}");
                }
            }
        }
        std::fs::remove_dir_all(home)?;
        Ok(())
    });
}

fn show(server: &Postgres, certificate: Option<&str>) -> Result<()> {
    if let Some(name) = certificate {
        server::show(server, name)?;
    }
    server.set_conf("ssl", if certificate.is_some() { "on" } else { "off" })?;
    server.reload()
}

async fn ours(server: &Postgres, mode: SslMode, roots: Option<&str>) -> Result<Outcome> {
    let mut options = server::options(server, mode, roots)?;
    if roots.is_none() {
        // Not what the user of this machine trusts.
        options.tls.roots = Roots::System;
    }
    options.tls.client.send = SendCertificate::Never;
    Ok(match connect(&options, Mode::Sql).await {
        Ok(connection) if connection.tls().is_some() => Encrypted,
        Ok(_) => Clear,
        Err(_) => Refused,
    })
}

fn conninfo(server: &Postgres, mode: SslMode, roots: Option<&str>) -> Result<String> {
    let roots = match roots {
        Some(name) => format!(" sslrootcert='{}'", Certificates::get()?.certificate(name).display()),
        None => String::new(),
    };
    let (port, mode) = (server.port(), mode.name());
    Ok(format!("host=localhost port={port} user=postgres dbname=postgres sslmode={mode}{roots}"))
}

/// What it makes of a connection string, without anything of the user's own.
fn libpqs(conninfo: &str, home: &Path) -> Result<Outcome> {
    let answer = psql::ask(conninfo, home, &[], "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")?;
    match answer.as_deref() {
        Ok("t") => Ok(Encrypted),
        Ok("f") => Ok(Clear),
        Ok(other) => Err(format!("psql said {other}").into()),
        Err(_) => Ok(Refused),
    }
}
