use super::{Answer, AuthError, Challenge, Exchange, Method};

fn exchange(password: Option<&str>) -> Exchange {
    Exchange::new("ada".to_owned(), password.map(|text| text.to_owned().into()))
}

fn sasl<'a>() -> Challenge<'a> {
    Challenge::Sasl { mechanisms: vec![b"SCRAM-SHA-256-PLUS", b"SCRAM-SHA-256"] }
}

#[test]
fn trust_needs_no_password() {
    let mut exchange = exchange(None);
    assert!(matches!(exchange.answer(&Challenge::Ok), Ok(Answer::Accepted)));
    assert_eq!(exchange.method(), Some(Method::Trust));
    assert!(exchange.answer(&Challenge::Ok).is_err(), "once is enough");
}

#[test]
fn methods_are_known_only_when_accepted() {
    let mut exchange = exchange(Some("secret"));
    assert!(
        matches!(exchange.answer(&Challenge::Cleartext), Ok(Answer::Password(text)) if *text == b"secret")
    );
    assert_eq!(exchange.method(), None);
    assert!(matches!(exchange.answer(&Challenge::Ok), Ok(Answer::Accepted)));
    assert_eq!(exchange.method(), Some(Method::Cleartext));
}

/// Every pair of challenges that no method has.
#[test]
fn challenges_out_of_order() {
    let all = || {
        [
            Challenge::Ok,
            Challenge::Cleartext,
            Challenge::Md5 { salt: [0; 4] },
            sasl(),
            Challenge::SaslContinue(b"r=x,s=AAAA,i=1"),
            Challenge::SaslFinal(b"v=AAAA"),
            Challenge::Other { code: 7 },
        ]
    };
    for first in [Challenge::SaslContinue(b""), Challenge::SaslFinal(b"")] {
        let error = exchange(Some("x")).answer(&first).unwrap_err();
        assert!(matches!(error, AuthError::OutOfOrder { expected: "a request to authenticate", .. }));
    }
    for first in [Challenge::Cleartext, Challenge::Md5 { salt: [0; 4] }, sasl()] {
        for second in all() {
            let mut exchange = exchange(Some("x"));
            exchange.answer(&first).unwrap();
            let in_scram = matches!(first, Challenge::Sasl { .. });
            let allowed =
                if in_scram { matches!(second, Challenge::SaslContinue(_)) } else { second == Challenge::Ok };
            let outcome = exchange.answer(&second);
            assert_eq!(
                matches!(outcome, Err(AuthError::OutOfOrder { .. })),
                !allowed,
                "{first:?} {second:?}"
            );
            assert!(exchange.method().is_none() || (allowed && !in_scram));
        }
    }
}

/// A failed step ends the exchange, whatever comes then.
#[test]
fn nothing_follows_a_failure() {
    let mut exchange = exchange(None);
    assert_eq!(exchange.answer(&Challenge::Cleartext).unwrap_err(), AuthError::NoPassword);
    let error = exchange.answer(&Challenge::Ok).unwrap_err();
    assert!(matches!(error, AuthError::OutOfOrder { expected: "nothing", .. }));
    assert_eq!(exchange.method(), None);
}

#[test]
fn debug_shows_no_password() {
    let shown = format!("{:?}", exchange(Some("hunter2")));
    assert!(shown.contains("ada") && !shown.contains("hunter2"), "{shown}");
}
