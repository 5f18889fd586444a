//! The authorities that are trusted.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};

use super::error::TlsError;
use super::options::Roots;

/// A file above this size is something else.
const FILE_LIMIT: u64 = 1 << 20;

/// The authorities, and where they come from.
#[derive(Debug)]
pub(super) struct LoadedRoots {
    pub(super) store: RootCertStore,
    /// The certificates of a file, for a server that shows one of them as its own.
    pub(super) certificates: Vec<CertificateDer<'static>>,
    /// The file; `None` for the system's.
    pub(super) file: Option<PathBuf>,
}

impl LoadedRoots {
    /// Where they come from, for an error.
    pub(super) fn place(&self) -> String {
        match &self.file {
            Some(file) => format!("the authorities in {}", file.display()),
            None => "the system's authorities".to_owned(),
        }
    }
}

/// Reads them.
pub(super) fn load(roots: &Roots) -> Result<LoadedRoots, TlsError> {
    match roots {
        Roots::File(path) => from_file(path),
        Roots::System => from_system(),
        Roots::Usual => {
            match usual_folder().map(|folder| folder.join("root.crt")).filter(|path| path.exists()) {
                Some(path) => from_file(&path),
                None => from_system(),
            }
        }
    }
}

/// Where libpq keeps certificates.
pub(super) fn usual_folder() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty())?;
    Some(PathBuf::from(home).join(".postgresql"))
}

fn from_file(path: &Path) -> Result<LoadedRoots, TlsError> {
    let bad = |problem: String| TlsError::Roots { path: path.to_owned(), problem };
    let text = read(path).map_err(bad)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates.map_err(|error| bad(error.to_string()))?;
    if certificates.is_empty() {
        return Err(bad("it holds no certificate (-----BEGIN CERTIFICATE-----)".to_owned()));
    }
    let mut store = RootCertStore::empty();
    for certificate in &certificates {
        store.add(certificate.clone()).map_err(|error| bad(format!("a certificate in it: {error}")))?;
    }
    Ok(LoadedRoots { store, certificates, file: Some(path.to_owned()) })
}

fn from_system() -> Result<LoadedRoots, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    // One unusual certificate among many must not spoil the others.
    let (added, _) = store.add_parsable_certificates(found.certs);
    if added == 0 {
        let problem = found.errors.first().map_or_else(|| "none found".to_owned(), ToString::to_string);
        return Err(TlsError::NoSystemRoots { problem });
    }
    Ok(LoadedRoots { store, certificates: Vec::new(), file: None })
}

/// Reads certificates that are revoked.
pub(super) fn revoked(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let bad = |problem: String| TlsError::Revoked { path: path.to_owned(), problem };
    let text = read(path).map_err(bad)?;
    let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&text).collect();
    let lists = lists.map_err(|error| bad(error.to_string()))?;
    if lists.is_empty() {
        return Err(bad("it holds no list (-----BEGIN X509 CRL-----)".to_owned()));
    }
    Ok(lists)
}

/// Reads a file of certificates or keys.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    // A device or a pipe has no length, so it is not asked for one.
    let file = File::open(path).map_err(|error| error.kind().to_string())?;
    file.take(FILE_LIMIT + 1).read_to_end(&mut text).map_err(|error| error.kind().to_string())?;
    if text.len() as u64 > FILE_LIMIT {
        return Err(format!("it is longer than {FILE_LIMIT} bytes"));
    }
    Ok(text)
}
