//! The values that keys take.

use std::net::IpAddr;
use std::time::Duration;

use super::ConninfoError;
use crate::postgres::auth::policy::ChannelBinding;
use crate::postgres::client::hosts::SessionAttrs;
use crate::postgres::transport::tls::{Negotiation, Roots, SendCertificate, SslMode, TlsVersion};

fn bad<T>(key: &'static str, expected: &'static str) -> Result<T, ConninfoError> {
    Err(ConninfoError::BadValue { key, expected })
}

/// Ports with commas between; one that is left out is the usual one.
pub(super) fn ports(value: String) -> Result<String, ConninfoError> {
    let digits = |port: &str| port.bytes().all(|b| b.is_ascii_digit());
    let is_port = |port: &str| digits(port) && port.parse::<u16>().is_ok_and(|port| port > 0);
    if value.split(',').map(str::trim).all(|port| port.is_empty() || is_port(port)) {
        return Ok(value);
    }
    bad("port", "numbers from 1 to 65535, with commas between")
}

/// Addresses with commas between; one that is left out is looked up by its name.
pub(super) fn addresses(value: String) -> Result<String, ConninfoError> {
    if value.split(',').all(|address| address.is_empty() || address.parse::<IpAddr>().is_ok()) {
        return Ok(value);
    }
    bad("hostaddr", "addresses, with commas between")
}

pub(super) fn timeout(value: &str) -> Result<Option<Duration>, ConninfoError> {
    match value.trim().parse::<u64>().ok().filter(|&seconds| seconds <= 86_400) {
        Some(0) => Ok(None),
        // libpq, too, takes 1 as 2.
        Some(seconds) => Ok(Some(Duration::from_secs(seconds.max(2)))),
        None => bad("connect_timeout", "a number of seconds up to 86400"),
    }
}

pub(super) fn session_attrs(value: &str) -> Result<SessionAttrs, ConninfoError> {
    match SessionAttrs::from_name(value) {
        Some(attrs) => Ok(attrs),
        None => bad("target_session_attrs", "any, read-write, read-only, primary, standby or prefer-standby"),
    }
}

pub(super) fn sslmode(value: &str) -> Result<SslMode, ConninfoError> {
    match SslMode::from_name(value) {
        Some(mode) => Ok(mode),
        None => bad("sslmode", "disable, allow, prefer, require, verify-ca or verify-full"),
    }
}

pub(super) fn negotiation(value: &str) -> Result<Negotiation, ConninfoError> {
    match value {
        "postgres" => Ok(Negotiation::Postgres),
        "direct" => Ok(Negotiation::Direct),
        _ => bad("sslnegotiation", "postgres or direct"),
    }
}

pub(super) fn channel_binding(value: &str) -> Result<ChannelBinding, ConninfoError> {
    match ChannelBinding::from_name(value) {
        Some(binding) => Ok(binding),
        None => bad("channel_binding", "disable, prefer or require"),
    }
}

/// A file, or `system`.
pub(super) fn roots(value: &str) -> Roots {
    if value == "system" { Roots::System } else { Roots::File(value.into()) }
}

pub(super) fn certificate_mode(value: &str) -> Result<SendCertificate, ConninfoError> {
    match value {
        "disable" => Ok(SendCertificate::Never),
        "allow" => Ok(SendCertificate::Allow),
        "require" => Ok(SendCertificate::Require),
        _ => bad("sslcertmode", "disable, allow or require"),
    }
}

pub(super) fn switch(key: &'static str, value: &str) -> Result<bool, ConninfoError> {
    match value {
        "1" => Ok(true),
        "0" => Ok(false),
        _ => bad(key, "0 or 1"),
    }
}

/// Versions before 1.2 are not spoken, so as a lower bound they are none.
pub(super) fn min_version(value: &str) -> Result<TlsVersion, ConninfoError> {
    match value.to_ascii_lowercase().as_str() {
        "tlsv1" | "tlsv1.1" | "tlsv1.2" => Ok(TlsVersion::V1_2),
        "tlsv1.3" => Ok(TlsVersion::V1_3),
        _ => bad("ssl_min_protocol_version", "TLSv1.2 or TLSv1.3"),
    }
}

pub(super) fn max_version(value: &str) -> Result<TlsVersion, ConninfoError> {
    match value.to_ascii_lowercase().as_str() {
        "tlsv1.2" => Ok(TlsVersion::V1_2),
        "tlsv1.3" => Ok(TlsVersion::V1_3),
        _ => bad("ssl_max_protocol_version", "TLSv1.2 or TLSv1.3: older ones are not spoken"),
    }
}

/// Query results are read as UTF-8, and a stream is not affected at all.
pub(super) fn encoding(value: &str) -> Result<(), ConninfoError> {
    let plain = value.replace(['-', '_'], "").to_ascii_uppercase();
    match plain.as_str() {
        "UTF8" | "UNICODE" => Ok(()),
        _ => bad("client_encoding", "UTF8"),
    }
}

/// The weak modes are content without GSSAPI, which is what they get.
pub(super) fn gssencmode(value: &str) -> Result<(), ConninfoError> {
    match value {
        "disable" | "prefer" => Ok(()),
        _ => bad("gssencmode", "disable or prefer: GSSAPI is not spoken here"),
    }
}
