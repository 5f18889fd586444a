//! From what all sources say together to the options of a connection.

use super::{Conninfo, ConninfoError};
use crate::postgres::client::hosts::{Endpoint, SessionAttrs};
use crate::postgres::client::options::ConnectOptions;
use crate::postgres::transport::tls::{
    ClientCertificate, Negotiation, Roots, SslMode, TlsOptions, TlsVersion,
};

/// The host when none is given. libpq would look for a socket's folder, which differs between builds.
const DEFAULT_HOST: &str = "localhost";
const DEFAULT_PORT: u16 = 5432;
/// More hosts than anybody has, each of which may take its time.
const MAX_HOSTS: usize = 64;

impl Conninfo {
    /// The options of a connection, with this crate's defaults for what is left open.
    pub fn into_options(self) -> Result<ConnectOptions, ConninfoError> {
        let tls = self.tls()?;
        let mut endpoints = self.endpoints()?.into_iter();
        let first = endpoints.next().ok_or(ConninfoError::Uneven { key: "host", found: 0, hosts: 0 })?;
        let further: Vec<Endpoint> = endpoints.collect();
        let user = self.user.filter(|user| !user.is_empty()).ok_or(ConninfoError::NoUser)?;
        let database = self.database.unwrap_or_else(|| user.clone());
        let mut options = ConnectOptions::new(&first.host, &user, &database);
        // Of one host only that one can be wanted; among several it is the one that can be written to.
        let wanted = if further.is_empty() { SessionAttrs::Any } else { SessionAttrs::ReadWrite };
        options.target_session_attrs = self.target_session_attrs.unwrap_or(wanted);
        options.address = first.address;
        options.port = first.port;
        options.further = further;
        options.tls = tls;
        options.policy.require_auth = self.require_auth.unwrap_or_default();
        options.policy.channel_binding = self.channel_binding.unwrap_or_default();
        options.password = self.password.filter(|password| !password.expose().is_empty());
        options.passfile = self.passfile;
        options.settings.user_options = self.options;
        if let Some(name) = self.application_name.or(self.fallback_application_name) {
            options.application_name = name;
        }
        if let Some(timeout) = self.connect_timeout {
            options.connect_timeout = timeout;
        }
        Ok(options)
    }

    /// The options of TLS.
    fn tls(&self) -> Result<TlsOptions, ConninfoError> {
        let roots = self.sslrootcert.clone().unwrap_or_default();
        let mode = match (self.sslmode, &roots) {
            (None, Roots::System) => SslMode::VerifyFull,
            (mode, _) => mode.unwrap_or_default(),
        };
        if roots == Roots::System && mode != SslMode::VerifyFull {
            return Err(ConninfoError::SystemRootsNeedTheName(mode.name()));
        }
        let negotiation = self.sslnegotiation.unwrap_or_default();
        if negotiation == Negotiation::Direct && !mode.demands_tls() {
            return Err(ConninfoError::DirectNeedsTls(mode.name()));
        }
        let min_version = self.ssl_min_protocol_version.unwrap_or(TlsVersion::V1_2);
        let max_version = self.ssl_max_protocol_version.unwrap_or(TlsVersion::V1_3);
        if min_version > max_version {
            return Err(ConninfoError::NoVersionLeft);
        }
        Ok(TlsOptions {
            mode,
            roots,
            revoked: self.sslcrl.clone(),
            sni: self.sslsni.unwrap_or(true),
            negotiation,
            client: ClientCertificate {
                certificate: self.sslcert.clone(),
                key: self.sslkey.clone(),
                key_password: self.sslpassword.clone(),
                send: self.sslcertmode.unwrap_or_default(),
            },
            min_version,
            max_version,
        })
    }

    /// The hosts in the order in which they are tried.
    fn endpoints(&self) -> Result<Vec<Endpoint>, ConninfoError> {
        let hosts = list(self.host.as_deref());
        let addresses = list(self.hostaddr.as_deref());
        let ports = list(self.port.as_deref());
        let count = hosts.len().max(addresses.len()).max(1);
        if count > MAX_HOSTS {
            return Err(ConninfoError::BadValue { key: "host", expected: "64 hosts at the most" });
        }
        for (key, found) in [("host", hosts.len()), ("hostaddr", addresses.len())] {
            if found != 0 && found != count {
                return Err(ConninfoError::Uneven { key, found, hosts: count });
            }
        }
        if ports.len() > 1 && ports.len() != count {
            return Err(ConninfoError::Uneven { key: "port", found: ports.len(), hosts: count });
        }
        let endpoint = |index: usize| {
            let address = given(&addresses, index);
            // Where only an address is given it stands for the name as well, also in a certificate.
            let host = given(&hosts, index).or(address).unwrap_or(DEFAULT_HOST);
            let port = if ports.len() == 1 { given(&ports, 0) } else { given(&ports, index) };
            Endpoint {
                host: host.to_owned(),
                address: address.and_then(|address| address.parse().ok()),
                port: port.and_then(|port| port.parse().ok()).unwrap_or(DEFAULT_PORT),
            }
        };
        Ok((0..count).map(endpoint).collect())
    }
}

/// The entry of a list, unless it is left empty.
fn given<'a>(list: &[&'a str], index: usize) -> Option<&'a str> {
    list.get(index).copied().filter(|text| !text.is_empty())
}

fn list(text: Option<&str>) -> Vec<&str> {
    text.map(|text| text.split(',').map(str::trim).collect()).unwrap_or_default()
}
