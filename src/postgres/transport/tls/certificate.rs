//! What a certificate says, as far as rustls does not tell: for errors, and for the cases that are decided here.

use std::net::IpAddr;
use std::time::Duration;

use rustls_pki_types::SubjectPublicKeyInfoDer;
use x509_cert::certificate::{CertificateInner, Raw, Version};
use x509_cert::der::asn1::{ObjectIdentifier, UintRef};
use x509_cert::der::{self, Decode as _, Encode as _, Reader as _, SliceReader};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// The longest text of a certificate that is shown.
const SHOWN: usize = 120;

/// A certificate, decoded.
#[derive(Debug)]
pub(super) struct Certificate(CertificateInner<Raw>);

impl Certificate {
    pub(super) fn parse(der: &[u8]) -> Option<Self> {
        CertificateInner::from_der(der).ok().map(Self)
    }

    pub(super) fn is_version_1(&self) -> bool {
        self.0.tbs_certificate().version() == Version::V1
    }

    /// Since the epoch.
    pub(super) fn not_before(&self) -> Duration {
        self.0.tbs_certificate().validity().not_before.to_unix_duration()
    }

    pub(super) fn not_after(&self) -> Duration {
        self.0.tbs_certificate().validity().not_after.to_unix_duration()
    }

    pub(super) fn not_before_text(&self) -> String {
        self.0.tbs_certificate().validity().not_before.to_date_time().to_string()
    }

    pub(super) fn not_after_text(&self) -> String {
        self.0.tbs_certificate().validity().not_after.to_date_time().to_string()
    }

    pub(super) fn subject(&self) -> String {
        name_text(self.0.tbs_certificate().subject())
    }

    pub(super) fn issuer(&self) -> String {
        name_text(self.0.tbs_certificate().issuer())
    }

    pub(super) fn common_name(&self) -> Option<String> {
        let name = self.0.tbs_certificate().subject().common_name().ok()??;
        Some(shown(&name.value()))
    }

    /// The DNS names and addresses it is for.
    pub(super) fn names(&self) -> Vec<String> {
        let Ok(Some((_, SubjectAltName(names)))) = self.0.tbs_certificate().get_extension() else {
            return Vec::new();
        };
        names.iter().filter_map(name_of_host).collect()
    }

    /// The key, as a handshake signature is verified with it.
    pub(super) fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'static>> {
        let key = self.0.tbs_certificate().subject_public_key_info().to_der().ok()?;
        Some(SubjectPublicKeyInfoDer::from(key))
    }

    /// Name and length of the key's algorithm.
    pub(super) fn key_text(&self) -> String {
        let key = self.0.tbs_certificate().subject_public_key_info();
        let bytes = key.subject_public_key.raw_bytes();
        match key.algorithm.oid.to_string().as_str() {
            "1.2.840.113549.1.1.1" => format!("RSA with {} bits", rsa_bits(bytes)),
            "1.2.840.10045.2.1" => format!("an elliptic-curve key of {} bytes", bytes.len()),
            "1.3.101.112" => "Ed25519".to_owned(),
            "1.3.101.113" => "Ed448".to_owned(),
            oid => format!("a key of the algorithm {oid}"),
        }
    }

    /// An RSA key that is too short, or so long that it is a burden.
    pub(super) fn has_odd_rsa_key(&self) -> bool {
        let key = self.0.tbs_certificate().subject_public_key_info();
        key.algorithm.oid == RSA && !(2048..=8192).contains(&rsa_bits(key.subject_public_key.raw_bytes()))
    }

    /// The algorithm it is signed with, and its parameters in DER.
    pub(super) fn signature_algorithm(&self) -> (ObjectIdentifier, Option<Vec<u8>>) {
        let algorithm = self.0.signature_algorithm();
        (algorithm.oid, algorithm.parameters.as_ref().and_then(|parameters| parameters.to_der().ok()))
    }

    /// Name of the algorithm it is signed with.
    pub(super) fn signature_text(&self) -> String {
        signature_name(&self.0.signature_algorithm().oid)
    }
}

fn signature_name(oid: &ObjectIdentifier) -> String {
    let text = oid.to_string();
    let name = match text.as_str() {
        "1.2.840.113549.1.1.4" => "RSA with MD5",
        "1.2.840.113549.1.1.5" => "RSA with SHA-1",
        "1.2.840.113549.1.1.10" => "RSA-PSS",
        "1.2.840.113549.1.1.11" => "RSA with SHA-256",
        "1.2.840.113549.1.1.12" => "RSA with SHA-384",
        "1.2.840.113549.1.1.13" => "RSA with SHA-512",
        "1.2.840.113549.1.1.14" => "RSA with SHA-224",
        "1.2.840.10045.4.1" => "ECDSA with SHA-1",
        "1.2.840.10045.4.3.1" => "ECDSA with SHA-224",
        "1.2.840.10045.4.3.2" => "ECDSA with SHA-256",
        "1.2.840.10045.4.3.3" => "ECDSA with SHA-384",
        "1.2.840.10045.4.3.4" => "ECDSA with SHA-512",
        "1.3.101.112" => "Ed25519",
        "1.3.101.113" => "Ed448",
        _ => return format!("the algorithm {text}"),
    };
    name.to_owned()
}

/// The modulus stands first in the key's sequence; its length is what counts. 0: there is none.
fn rsa_bits(key: &[u8]) -> usize {
    let modulus = |key| -> der::Result<usize> {
        SliceReader::new(key)?.sequence(|fields: &mut SliceReader<'_>| {
            let modulus = UintRef::decode(fields)?;
            fields.drain(fields.remaining_len())?;
            let zeros = modulus.as_bytes().first().map_or(0, |first| first.leading_zeros());
            Ok((modulus.as_bytes().len() * 8).saturating_sub(usize::try_from(zeros).unwrap_or(0)))
        })
    };
    modulus(key).unwrap_or(0)
}

fn name_of_host(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(shown(name.as_str())),
        GeneralName::IpAddress(address) => {
            let bytes = address.as_bytes();
            let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
            let v6 = <[u8; 16]>::try_from(bytes).map(IpAddr::from);
            v4.or(v6).ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

fn name_text(name: &Name) -> String {
    shown(&name.to_string())
}

/// Text of a certificate that nobody vouches for yet: no control characters, and not without end.
fn shown(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().take(SHOWN) {
        if c.is_control() { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}
