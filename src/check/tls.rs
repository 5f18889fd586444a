//! Is the connection encrypted, and is the other side who it should be?

use std::time::Duration;

use crate::check::Report;
use crate::postgres::client::{ConnectOptions, TlsSession, Verification};

const NAME: &str = "tls";
/// A certificate that expires sooner is worth a word.
const SOON: Duration = Duration::from_hours(30 * 24);

/// What was agreed on with a server that has let us in.
pub(super) fn check(report: &mut Report, to: &ConnectOptions, session: Option<&TlsSession>) {
    let Some(session) = session else {
        if to.is_local() {
            report.pass(NAME, "none: a Unix socket needs none");
        } else {
            report.warn(
                NAME,
                "none: rows, and what is proved of the password, go over the network in the clear",
                "set ssl = on at the server and sslmode = \"verify-full\" here",
            );
        }
        return;
    };
    let TlsSession { protocol, cipher, subject, expires, .. } = session;
    let seen = format!("{protocol}, {cipher}; certificate of {subject}, until {expires}");
    if session.verification == Verification::Nothing {
        let repair = "sslmode = \"verify-full\", with sslrootcert = the file of the certificate's authority";
        report.warn(NAME, format!("{seen}; not verified: anybody may be at the other end"), repair);
    } else if session.valid_for.is_some_and(|left| left < SOON) {
        report.warn(NAME, seen, "renew the server's certificate: it expires within 30 days");
    } else {
        let verified = match session.verification {
            Verification::Name => "verified with its name",
            _ => "verified without its name",
        };
        report.pass(NAME, format!("{seen}; {verified}"));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::check;
    use crate::check::{Report, Verdict};
    use crate::postgres::client::{ConnectOptions, TlsSession, Verification};

    fn verdict(host: &str, session: Option<&TlsSession>) -> (Verdict, String) {
        let mut report = Report::default();
        check(&mut report, &ConnectOptions::new(host, "u", "d"), session);
        let [line] = report.lines.try_into().unwrap();
        (line.verdict, line.seen)
    }

    #[test]
    fn each_case() {
        let days = |days: u64| Some(Duration::from_hours(24 * days));
        let session = |verification, valid_for| TlsSession {
            protocol: "TLSv1.3".to_owned(),
            cipher: "TLS13_AES_256_GCM_SHA384".to_owned(),
            verification,
            roots_are_private: true,
            end_point: None,
            subject: "CN=db".to_owned(),
            expires: "2031-01-01T00:00:00Z".to_owned(),
            valid_for,
        };
        assert_eq!(verdict("/run", None).0, Verdict::Pass);
        assert_eq!(verdict("db", None).0, Verdict::Warn);
        for (verification, left, expected, says) in [
            (Verification::Nothing, 300, Verdict::Warn, "not verified"),
            (Verification::Authority, 300, Verdict::Pass, "without its name"),
            (Verification::Name, 300, Verdict::Pass, "with its name"),
            (Verification::Name, 29, Verdict::Warn, "until 2031"),
        ] {
            let (verdict, seen) = verdict("db", Some(&session(verification, days(left))));
            assert_eq!(verdict, expected, "{verification:?} {left}");
            assert!(seen.contains(says) && seen.contains("CN=db"), "{seen}");
        }
    }
}
