//! The certificate we show, and its key (manual, "Client Certificates" of libpq).
//!
//! Keys in PEM: PKCS#8, also encrypted, PKCS#1 and SEC1; and any of the unencrypted ones in DER.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::pkcs5::EncryptionScheme;
use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, SignatureScheme};
use rustls_pki_types::pem::{self, PemObject as _, SectionKind};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use super::error::TlsError;
use super::options::{ClientCertificate, SendCertificate};
use super::roots;
use crate::secret::Secret;

/// More rounds than any tool sets, few enough to be done with in seconds.
const ROUNDS_LIMIT: u32 = 10_000_000;
/// More memory than any tool has a key derived with.
const SCRYPT_LIMIT: u64 = 256 << 20;

/// What rustls asks for our certificate.
#[derive(Debug)]
pub(super) struct Shown {
    certified: Option<Arc<CertifiedKey>>,
    asked: AtomicBool,
}

impl Shown {
    /// Whether the server has asked for a certificate, and there was one.
    pub(super) fn was_asked(&self) -> bool {
        self.certified.is_some() && self.asked.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.certified.clone()
    }

    fn has_certs(&self) -> bool {
        self.certified.is_some()
    }
}

/// Reads certificate and key, where there are any.
pub(super) fn load(options: &ClientCertificate, provider: &CryptoProvider) -> Result<Shown, TlsError> {
    let asked = AtomicBool::new(false);
    let Some((certificate, key)) = files(options) else { return Ok(Shown { certified: None, asked }) };
    let chain = read_chain(&certificate)?;
    let bad_key = |problem: String| TlsError::ClientKey { path: key.clone(), problem };
    verify_mode(&key).map_err(bad_key)?;
    let text = Zeroizing::new(roots::read(&key).map_err(bad_key)?);
    let private = read_key(&text, options.key_password.as_ref()).map_err(bad_key)?;
    let loaded = provider.key_provider.load_private_key(private);
    let certified = CertifiedKey::new(chain, loaded.map_err(|error| bad_key(error.to_string()))?);
    // A key whose public half cannot be had is compared by the server.
    if let Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) = certified.keys_match() {
        return Err(bad_key(format!("it is not the key of {}", certificate.display())));
    }
    Ok(Shown { certified: Some(Arc::new(certified)), asked })
}

/// The named files; without a name those that libpq looks for, if the certificate is there.
fn files(options: &ClientCertificate) -> Option<(PathBuf, PathBuf)> {
    if options.send == SendCertificate::Never {
        return None;
    }
    let usual = |name: &str| roots::usual_folder().map(|folder| folder.join(name));
    let certificate = match &options.certificate {
        Some(path) => path.clone(),
        None => usual("postgresql.crt").filter(|path| path.exists())?,
    };
    let key = options.key.clone().or_else(|| usual("postgresql.key"))?;
    Some((certificate, key))
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bad = |problem: String| TlsError::ClientCertificate { path: path.to_owned(), problem };
    let text = roots::read(path).map_err(bad)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.map_err(|error| bad(error.to_string()))?;
    if chain.is_empty() {
        return Err(bad("it holds no certificate (-----BEGIN CERTIFICATE-----)".to_owned()));
    }
    Ok(chain)
}

/// A key that others can read is no secret. One that belongs to root may be read by its group.
#[cfg(unix)]
fn verify_mode(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt as _;

    let found = std::fs::metadata(path).map_err(|error| error.kind().to_string())?;
    if !found.is_file() {
        return Err("it is not a file".to_owned());
    }
    let (forbidden, allowed) = if found.uid() == 0 { (0o037, "0640") } else { (0o077, "0600") };
    if found.mode() & forbidden == 0 {
        return Ok(());
    }
    Err(format!("others have access to it (mode {:04o}): chmod {allowed} it", found.mode() & 0o7777))
}

#[cfg(not(unix))]
fn verify_mode(_path: &Path) -> Result<(), String> {
    Ok(())
}

/// Goes by the content.
fn read_key(text: &[u8], password: Option<&Secret>) -> Result<PrivateKeyDer<'static>, String> {
    if !contains(text, b"-----BEGIN") {
        let der = PrivateKeyDer::try_from(text.to_vec());
        return der.map_err(|_| "it holds no key (-----BEGIN PRIVATE KEY-----)".to_owned());
    }
    if contains(text, b"Proc-Type: 4,ENCRYPTED") {
        return Err(
            "it is encrypted in the old way of OpenSSL: openssl pkcs8 -topk8 -in KEY -out NEW_KEY makes a \
                    key that can be read"
                .to_owned(),
        );
    }
    if let Some(encrypted) = encrypted_section(text) {
        let password = password.ok_or("it is encrypted: set sslpassword")?;
        return decrypt(&encrypted, password);
    }
    PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
        pem::Error::NoItemsFound => "it holds no key (-----BEGIN PRIVATE KEY-----)".to_owned(),
        error => error.to_string(),
    })
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}

fn encrypted_section(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    // The crate has no kind for it, so the label is looked for.
    const LABEL: (&[u8], &[u8]) =
        (b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"-----END ENCRYPTED PRIVATE KEY-----");
    let start = memchr::memmem::find(text, LABEL.0)?;
    let section = text.get(start..)?;
    let end = memchr::memmem::find(section, LABEL.1)?;
    let renamed = [
        b"-----BEGIN PRIVATE KEY-----".as_slice(),
        section.get(LABEL.0.len()..end)?,
        b"-----END PRIVATE KEY-----\n",
    ]
    .concat();
    let sections = pem::PemObject::from_pem_slice(&renamed).ok();
    let (kind, der): (SectionKind, Vec<u8>) = sections?;
    (kind == SectionKind::PrivateKey).then(|| Zeroizing::new(der))
}

fn decrypt(encrypted: &[u8], password: &Secret) -> Result<PrivateKeyDer<'static>, String> {
    let info = EncryptedPrivateKeyInfoRef::try_from(encrypted)
        .map_err(|error| format!("its encryption cannot be read: {error}"))?;
    verify_work(&info.encryption_algorithm)?;
    let key = info.decrypt(password.expose()).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(_) => "it cannot be decrypted: is sslpassword right?".to_owned(),
        error => error.to_string(),
    })?;
    Ok(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec())))
}

/// What a file says may not keep the processor busy for hours.
fn verify_work(scheme: &EncryptionScheme) -> Result<(), String> {
    let Some(parameters) = scheme.pbes2() else { return Ok(()) };
    let kdf = &parameters.kdf;
    let rounds = kdf.pbkdf2().map_or(0, |pbkdf2| pbkdf2.iteration_count);
    let memory = kdf.scrypt().map_or(0, |scrypt| {
        let (blocks, lanes) = (u64::from(scrypt.block_size), u64::from(scrypt.parallelization));
        scrypt.cost_parameter.saturating_mul(128).saturating_mul(blocks).saturating_mul(lanes.max(1))
    });
    if rounds > ROUNDS_LIMIT || memory > SCRYPT_LIMIT {
        return Err(
            "its password takes too much work to be checked: encrypt it anew with openssl pkcs8 -topk8"
                .to_owned(),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use pkcs8::pkcs5::{EncryptionScheme, pbes2};

    use super::verify_work;

    fn scheme(kdf: pbes2::Kdf) -> EncryptionScheme {
        EncryptionScheme::Pbes2(pbes2::Parameters {
            kdf,
            encryption: pbes2::EncryptionScheme::Aes256Cbc { iv: [0; 16] },
        })
    }

    #[test]
    fn work_is_bounded() {
        let pbkdf2 =
            |rounds| scheme(pbes2::Kdf::Pbkdf2(pbes2::Pbkdf2Params::hmac_sha256(rounds, &[1; 16]).unwrap()));
        assert!(verify_work(&pbkdf2(1_000_000)).is_ok());
        let scrypt = |cost_parameter, block_size, parallelization| {
            let salt = pbes2::Pbkdf2Params::hmac_sha256(1, &[1; 16]).unwrap().salt;
            scheme(pbes2::Kdf::Scrypt(pbes2::ScryptParams {
                salt,
                cost_parameter,
                block_size,
                parallelization,
                key_length: None,
            }))
        };
        assert!(verify_work(&scrypt(16_384, 8, 1)).is_ok());
        for hostile in [
            pbkdf2(100_000_000),
            scrypt(1 << 40, 8, 1),
            scrypt(16_384, u16::MAX, 1),
            scrypt(u64::MAX, 8, u16::MAX),
        ] {
            assert!(verify_work(&hostile).unwrap_err().contains("too much work"));
        }
    }
}
