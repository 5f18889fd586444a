//! A server with TLS, and how to log in to it.

use std::fs;
use std::sync::Arc;

use ::pgsluice::postgres::client::{ConnectOptions, Roots, SslMode};

use crate::certificates::Certificates;
use crate::context::Context;
use crate::support::Result;
use crate::support::postgres::Postgres;

/// Starts one that shows this certificate; `None`: it offers no TLS.
pub(crate) fn start(context: &Context, certificate: Option<&str>) -> Result<Arc<Postgres>> {
    let server = context.own_postgres(&[])?;
    if let Some(name) = certificate {
        show(&server, name)?;
        server.set_conf("ssl", "on")?;
        server.restart()?;
    }
    Ok(server)
}

/// Puts a certificate and its key where a server looks for them.
pub(crate) fn show(server: &Postgres, name: &str) -> Result<()> {
    let files = Certificates::get()?;
    server.put_file("server.crt", &fs::read(files.certificate(name))?)?;
    server.put_file("server.key", &fs::read(files.key(name))?)
}

/// The superuser's login.
pub(crate) fn options(server: &Postgres, mode: SslMode, authority: Option<&str>) -> Result<ConnectOptions> {
    let address = server.address();
    let mut options = ConnectOptions::new("localhost", &address.user, &address.database);
    options.port = address.port;
    options.tls.mode = mode;
    if let Some(name) = authority {
        options.tls.roots = Roots::File(Certificates::get()?.certificate(name));
    }
    Ok(options)
}
