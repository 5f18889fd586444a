//! Logins by certificate, and TLS without a question before it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use ::pgsluice::postgres::auth::Method;
use ::pgsluice::postgres::client::{ConnectOptions, Mode, Negotiation, SslMode, connect};
use ::pgsluice::postgres::error::ClientError;
use ::pgsluice::postgres::transport::tls::TlsError;

use crate::certificates::Certificates;
use crate::context::Context;
use crate::suite::Suite;
use crate::support::Result;
use crate::support::postgres::{MAJORS, Postgres};
use crate::tls::server;

const HBA: &str = "hostssl all cert_user 127.0.0.1/32 cert\nhost all all 127.0.0.1/32 trust\n";

pub(crate) fn register(suite: &mut Suite) {
    suite.postgres([12, 15, 18], "logs_in_by_certificate", by_certificate);
    suite.postgres(MAJORS, "tls_without_a_question", async |context| {
        let server = server::start(context, Some("server"))?;
        let mut options = server::options(&server, SslMode::VerifyFull, Some("ca"))?;
        options.tls.negotiation = Negotiation::Direct;
        for mode in [Mode::Sql, Mode::Replication] {
            match connect(&options, mode).await {
                Ok(connection) => assert!(server.major() >= 17 && connection.tls().is_some()),
                // Older servers take the handshake for a packet of absurd length and close.
                Err(error) => {
                    assert!(server.major() < 17, "{error}");
                    let cut = matches!(error, ClientError::Tls(TlsError::Interrupted { .. }));
                    assert!(cut && error.to_string().contains("PostgreSQL 17"), "{error:?}");
                }
            }
        }
        Ok(())
    });
}

async fn by_certificate(context: &Context) -> Result<()> {
    let server = server::start(context, Some("server"))?;
    server.put_file("ca.crt", &fs::read(Certificates::get()?.certificate("ca"))?)?;
    server.put_file("pg_hba.conf", HBA.as_bytes())?;
    server.set_conf("ssl_ca_file", "ca.crt")?;
    server.restart()?;
    server.session("postgres")?.query("CREATE ROLE cert_user LOGIN REPLICATION")?;
    for mode in [Mode::Sql, Mode::Replication] {
        let connection = connect(&login(&server, Some("client"))?, mode).await?;
        assert_eq!(connection.method(), Method::Trust);
    }
    // A certificate of another name, none, and one of an authority that the server does not know.
    for (certificate, says) in [
        (Some("server"), "certificate authentication failed"),
        (None, "client certificate"),
        (Some("self_signed"), "does not take"),
    ] {
        let error = connect(&login(&server, certificate)?, Mode::Sql).await.err().ok_or("it was let in")?;
        assert!(error.to_string().contains(says), "{certificate:?}: {error}");
    }
    Ok(())
}

fn login(server: &Postgres, certificate: Option<&str>) -> Result<ConnectOptions> {
    let mut options = server::options(server, SslMode::VerifyFull, Some("ca"))?;
    "cert_user".clone_into(&mut options.user);
    if let Some(name) = certificate {
        let files = Certificates::get()?;
        options.tls.client.certificate = Some(files.certificate(name));
        options.tls.client.key = Some(private(files.key(name))?);
    }
    Ok(options)
}

/// A key that only its owner may read.
pub(super) fn private(key: PathBuf) -> Result<PathBuf> {
    fs::set_permissions(&key, Permissions::from_mode(0o600))?;
    Ok(key)
}
