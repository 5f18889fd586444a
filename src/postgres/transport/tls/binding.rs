//! The hash of the server's certificate that channel binding is about (RFC 5929, section 4.1).
//!
//! Its digest is that of the certificate's own signature, but MD5 and SHA-1 become SHA-256.

use sha2::{Digest as _, Sha224, Sha256, Sha384, Sha512};
use x509_cert::der::asn1::{AnyRef, ContextSpecific, ObjectIdentifier};
use x509_cert::der::{self, Decode as _, Reader as _, SliceReader, TagNumber};
use x509_cert::spki::AlgorithmIdentifierRef;

use super::certificate::Certificate;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// `tls-server-end-point` of a certificate. `None` where none is defined: Ed25519 and Ed448, and algorithms that
/// nobody here knows.
pub(super) fn end_point(der: &[u8]) -> Option<Vec<u8>> {
    let certificate = Certificate::parse(der)?;
    let (algorithm, parameters) = certificate.signature_algorithm();
    Some(match digest(&algorithm, parameters.as_deref())? {
        Hash::Sha224 => Sha224::digest(der).to_vec(),
        Hash::Sha256 => Sha256::digest(der).to_vec(),
        Hash::Sha384 => Sha384::digest(der).to_vec(),
        Hash::Sha512 => Sha512::digest(der).to_vec(),
    })
}

fn digest(algorithm: &ObjectIdentifier, parameters: Option<&[u8]>) -> Option<Hash> {
    match algorithm.to_string().as_str() {
        // RSA with MD5, SHA-1, SHA-256; ECDSA with SHA-1, SHA-256.
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.1"
        | "1.2.840.10045.4.3.2" => Some(Hash::Sha256),
        "1.2.840.113549.1.1.14" | "1.2.840.10045.4.3.1" => Some(Hash::Sha224),
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Some(Hash::Sha384),
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Some(Hash::Sha512),
        "1.2.840.113549.1.1.10" => of_pss(parameters?).ok().flatten(),
        _ => None,
    }
}

/// The digest among the parameters of RSA-PSS (RFC 4055); SHA-1 where it is left out.
fn of_pss(parameters: &[u8]) -> der::Result<Option<Hash>> {
    let named = SliceReader::new(parameters)?.sequence(|fields: &mut SliceReader<'_>| {
        let hash = ContextSpecific::<AlgorithmIdentifierRef<'_>>::decode_explicit(fields, TagNumber(0))?;
        while !fields.is_finished() {
            AnyRef::decode(fields)?;
        }
        Ok::<_, der::Error>(hash.map(|hash| hash.value.oid))
    })?;
    Ok(match named.map(|oid| oid.to_string()).as_deref() {
        None | Some("1.3.14.3.2.26" | "1.2.840.113549.2.5" | "2.16.840.1.101.3.4.2.1") => Some(Hash::Sha256),
        Some("2.16.840.1.101.3.4.2.2") => Some(Hash::Sha384),
        Some("2.16.840.1.101.3.4.2.3") => Some(Hash::Sha512),
        Some("2.16.840.1.101.3.4.2.4") => Some(Hash::Sha224),
        Some(_) => None,
    })
}
