//! Certificates of every kind a server may show, made by the `openssl` command when the first test asks for one.
//!
//! They lie in a folder of this process, which goes when a later run finds the process gone.
#![allow(dead_code, reason = "several test binaries include this module and each uses its own part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What `openssl` needs to be told in a file.
const CONFIGURATION: &str = "\
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
[self_signed]
basicConstraints = critical, CA:TRUE
subjectAltName = DNS:localhost, IP:127.0.0.1
[server]
basicConstraints = CA:FALSE
subjectAltName = DNS:localhost, IP:127.0.0.1
[elsewhere]
basicConstraints = CA:FALSE
subjectAltName = DNS:elsewhere.example
[nameless]
basicConstraints = CA:FALSE
";

/// How a key is made.
const P256: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
const P384: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"];
const RSA: &[&str] = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
const RSA_SHORT: &[&str] = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"];
const ED25519: &[&str] = &["-algorithm", "ED25519"];

/// A certificate with its key.
#[derive(Clone, Copy, Debug)]
struct Kind {
    name: &'static str,
    key: &'static [&'static str],
    /// The extensions; empty makes a certificate of version 1.
    section: &'static str,
    /// Further words for signing it.
    signing: &'static [&'static str],
}

const KINDS: &[Kind] = &[
    kind("server", P256, "server", &["-sha256"]),
    kind("elsewhere", P256, "elsewhere", &["-sha256"]),
    kind("cn_only", P256, "nameless", &["-sha256"]),
    kind("expired", P256, "server", &["-sha256", "-days", "-1"]),
    kind("version1", P256, "", &["-sha256"]),
    kind("rsa_sha256", RSA, "server", &["-sha256"]),
    kind("rsa_short", RSA_SHORT, "server", &["-sha256"]),
    kind("client", P256, "nameless", &["-sha256"]),
];

/// Signed by themselves, as `openssl req -x509` makes them: an authority and a server in one.
const SELF_SIGNED: &[Kind] = &[
    kind("self_signed", P256, "self_signed", &["-sha256"]),
    kind("self_rsa_sha256", RSA, "self_signed", &["-sha256"]),
    kind("self_rsa_sha512", RSA, "self_signed", &["-sha512"]),
    kind("self_rsa_sha1", RSA, "self_signed", &["-sha1"]),
    kind("self_rsa_pss", RSA, "self_signed", &["-sha384", "-sigopt", "rsa_padding_mode:pss"]),
    kind("self_p384_sha384", P384, "self_signed", &["-sha384"]),
    kind("self_p384_sha512", P384, "self_signed", &["-sha512"]),
    kind("self_ed25519", ED25519, "self_signed", &[]),
];

const fn kind(
    name: &'static str,
    key: &'static [&'static str],
    section: &'static str,
    signing: &'static [&'static str],
) -> Kind {
    Kind { name, key, section, signing }
}

/// The folder with `NAME.crt` and `NAME.key` of every kind, `ca.crt`, and authorities that have signed
/// nothing.
#[derive(Debug)]
pub(crate) struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// Makes them once a process.
    pub(crate) fn get() -> Result<&'static Self, &'static str> {
        static MADE: OnceLock<Result<Certificates, String>> = OnceLock::new();
        MADE.get_or_init(Self::make).as_ref().map_err(String::as_str)
    }

    /// The path of a certificate.
    pub(crate) fn certificate(&self, name: &str) -> PathBuf {
        self.folder.join(name).with_extension("crt")
    }

    /// The path of a key.
    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.folder.join(name).with_extension("key")
    }

    fn make() -> Result<Self, String> {
        let folder = Self::empty_folder()?;
        let made = Self { folder };
        fs::write(made.folder.join("openssl.cnf"), CONFIGURATION).map_err(|error| error.to_string())?;
        // The last has the name of the first, and another key.
        for (name, subject) in
            [("ca", "Test authority"), ("other_ca", "Another authority"), ("same_name_ca", "Test authority")]
        {
            made.self_signed(&kind(name, P256, "authority", &["-sha256"]), subject)?;
        }
        for kind in KINDS {
            made.issued(kind)?;
        }
        for kind in SELF_SIGNED {
            made.self_signed(kind, "localhost")?;
        }
        Ok(made)
    }

    /// A new folder; those of processes that are gone are removed.
    fn empty_folder() -> Result<PathBuf, String> {
        let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let owner = name.to_str().and_then(|name| name.strip_prefix("certificates-"));
            if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
                drop(fs::remove_dir_all(entry.path()));
            }
        }
        let folder = parent.join(format!("certificates-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(folder)
    }

    fn self_signed(&self, kind: &Kind, subject: &str) -> Result<(), String> {
        self.new_key(kind)?;
        let file = |extension: &str| format!("{}.{extension}", kind.name);
        let (key, certificate, subject) = (file("key"), file("crt"), format!("/CN={subject}"));
        let words = ["req", "-x509", "-new", "-key", &key, "-subj", &subject, "-config", "openssl.cnf"];
        let more = ["-extensions", kind.section, "-days", "90", "-out", &certificate];
        self.openssl(&[&words[..], &more, kind.signing].concat())
    }

    fn issued(&self, kind: &Kind) -> Result<(), String> {
        self.new_key(kind)?;
        let file = |extension: &str| format!("{}.{extension}", kind.name);
        let (key, request, certificate) = (file("key"), file("csr"), file("crt"));
        // A client's certificate names the role, a server's the host.
        let subject = if kind.name == "client" { "/CN=cert_user" } else { "/CN=localhost" };
        self.openssl(&[
            "req",
            "-new",
            "-key",
            &key,
            "-subj",
            subject,
            "-config",
            "openssl.cnf",
            "-out",
            &request,
        ])?;
        let mut words =
            vec!["x509", "-req", "-in", &request, "-CA", "ca.crt", "-CAkey", "ca.key", "-set_serial", "7"];
        if !kind.section.is_empty() {
            words.extend(["-extfile", "openssl.cnf", "-extensions", kind.section]);
        }
        // A later -days wins.
        words.extend(["-days", "90", "-out", &certificate]);
        words.extend(kind.signing);
        self.openssl(&words)
    }

    fn new_key(&self, kind: &Kind) -> Result<(), String> {
        let key = format!("{}.key", kind.name);
        let words = [&["genpkey"], kind.key, &["-out", &key]].concat();
        self.openssl(&words)
    }

    /// Runs a command in the folder.
    pub(crate) fn openssl(&self, words: &[&str]) -> Result<(), String> {
        let output = Command::new("openssl").args(words).current_dir(&self.folder).output();
        let output =
            output.map_err(|error| format!("openssl, which makes the tests' certificates: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let text: String = output.stderr.utf8_chunks().map(|chunk| chunk.valid()).collect();
        Err(format!("openssl {}: {text}", words.join(" ")))
    }
}
