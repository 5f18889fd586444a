//! TLS to the server (manual, "SSL Session Encryption", and libpq's "SSL Support"), by rustls with ring.
//!
//! [`secure`] asks for it and shakes hands. Which certificates are taken is decided in `verify`, where they come
//! from in `roots`. Whether a connection is tried with TLS, without, or both is the client's business.
//!
//! The files are read anew for every connection, so that a renewed certificate needs no restart.

mod binding;
mod certificate;
mod client_certificate;
mod config;
pub mod error;
pub mod handshake;
pub mod options;
mod request;
mod roots;
mod verify;

pub use error::TlsError;
pub use handshake::{TlsSession, secure};
pub use options::{
    ClientCertificate, Negotiation, Roots, SendCertificate, SslMode, TlsOptions, TlsVersion, Verification,
};
