//! Can we log in, for SQL and for replication?

use std::os::unix::fs::PermissionsExt as _;

use crate::check::{Report, tls};
use crate::pipeline::PipelineOptions;
use crate::postgres::auth::Method;
use crate::postgres::catalog::{Catalog, CatalogError, Server};
use crate::postgres::client::conninfo::passfile;
use crate::postgres::client::{LoginError, Mode};
use crate::postgres::error::ClientError;

/// A password file should be its owner's alone.
pub(super) fn check_secret(report: &mut Report, options: &PipelineOptions) {
    let Some(source) = &options.login.password else { return check_passfile(report, options) };
    let Some(path) = source.file() else { return };
    match std::fs::metadata(path) {
        Ok(found) if found.permissions().mode() & 0o077 != 0 => {
            report.warn(
                "password file",
                format!("{} can be read by others", path.display()),
                format!("chmod 600 {}", path.display()),
            );
        }
        Ok(_) => report.pass("password file", path.display().to_string()),
        // The login says what is wrong with it.
        Err(_) => {}
    }
}

/// A file of passwords that others can read is not used, which the login would only say in the log.
fn check_passfile(report: &mut Report, options: &PipelineOptions) {
    let named = options.login.options.passfile.clone();
    let Some(path) = named.or_else(passfile::usual).filter(|path| path.exists()) else { return };
    match passfile::verify_mode(&path) {
        Ok(()) => report.pass("password file", path.display().to_string()),
        Err(problem) => {
            let seen = format!("{} is not used: {problem}", path.display());
            report.warn("password file", seen, format!("chmod 600 {}", path.display()));
        }
    }
}

/// Logs in for SQL. `None`: nothing else can be asked of the server.
pub(super) async fn check_sql(report: &mut Report, options: &PipelineOptions) -> Option<(Catalog, Server)> {
    let mut catalog = Catalog::new(options.login.clone());
    let to = &options.login.options;
    match catalog.server().await {
        Ok(server) => {
            let mut seen =
                format!("{} at {}:{}, database {}", server.role, to.host, to.port, server.database);
            let mut is_md5 = false;
            if let Ok(connection) = catalog.connection().await {
                tls::check(report, to, connection.tls());
                seen = format!("{seen}, by {}", connection.method().name());
                is_md5 = connection.method() == Method::Md5;
            }
            if is_md5 {
                let repair = "SET password_encryption = 'scram-sha-256', set the role's password again, and ask for \
                              scram-sha-256 in pg_hba.conf: PostgreSQL gives MD5 up";
                report.warn("login", seen, repair);
            } else {
                report.pass("login", seen);
            }
            Some((catalog, server))
        }
        Err(error) => {
            report.fail(stage(&error), crate::error::chain(&error), hint(&error));
            None
        }
    }
}

/// Logs in for replication: the right, and the line in `pg_hba.conf`, are asked for by using them.
pub(super) async fn check_replication(report: &mut Report, options: &PipelineOptions) {
    let login = async {
        let mut connection = options.login.connect(Mode::Replication).await?;
        connection.identify_system().await.map_err(LoginError::from)
    };
    match login.await {
        Ok(system) => report.pass("replication login", format!("system {}", system.system_id)),
        Err(error) => report.fail(
            "replication login",
            crate::error::chain(&error),
            format!(
                "ALTER ROLE \"{}\" WITH REPLICATION (RDS: GRANT rds_replication TO it), and a line for this database \
                 in pg_hba.conf",
                options.login.options.user
            ),
        ),
    }
}

/// How far it came.
fn stage(error: &CatalogError) -> &'static str {
    match error {
        CatalogError::Login(LoginError::Client(ClientError::Dial(_))) => "connection",
        CatalogError::Login(LoginError::Client(ClientError::Tls(_))) => "tls",
        _ => "login",
    }
}

fn hint(error: &CatalogError) -> String {
    match error {
        CatalogError::Login(LoginError::Client(error)) | CatalogError::Client(error) => {
            error.classify().hint().to_owned()
        }
        // Its message says it.
        CatalogError::Login(LoginError::Credential(_)) => String::new(),
        CatalogError::Login(LoginError::Secret(_)) => "correct password in [source.auth]".to_owned(),
        CatalogError::Answer(_) => "is this a PostgreSQL server of 12 or later?".to_owned(),
    }
}
