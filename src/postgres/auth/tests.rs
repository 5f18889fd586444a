use super::policy::{Channel, ChannelBinding, Peer, Policy, SecretKind};
use super::require::RequireAuth;
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

fn bound(binding: ChannelBinding, channel: Channel) -> Exchange {
    let policy = Policy { channel_binding: binding, ..Policy::default() };
    Exchange::with_policy("ada".to_owned(), Some("x".to_owned().into()), policy, channel)
}

fn tls(hash: bool) -> Channel {
    Channel::Encrypted { peer: Peer::Named, end_point: hash.then(|| vec![1; 32]) }
}

/// Which mechanism is chosen, and what the server is told (RFC 5802, section 6).
#[test]
fn choice_of_channel_binding() {
    use ChannelBinding::{Disable, Prefer, Require};

    let clear = || Channel::Clear { loopback: false };
    for (binding, channel, plus, expected) in [
        (Prefer, tls(true), true, Some(("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,"))),
        (Prefer, tls(true), false, Some(("SCRAM-SHA-256", "y,,"))),
        (Prefer, tls(false), true, Some(("SCRAM-SHA-256", "n,,"))),
        (Prefer, tls(false), false, Some(("SCRAM-SHA-256", "n,,"))),
        (Prefer, clear(), false, Some(("SCRAM-SHA-256", "n,,"))),
        (Prefer, clear(), true, None),
        (Prefer, Channel::Local, false, Some(("SCRAM-SHA-256", "n,,"))),
        (Disable, tls(true), true, Some(("SCRAM-SHA-256", "n,,"))),
        (Disable, tls(true), false, Some(("SCRAM-SHA-256", "n,,"))),
        (Require, tls(true), true, Some(("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,"))),
        (Require, tls(true), false, None),
        (Require, tls(false), true, None),
        (Require, clear(), false, None),
        (Require, Channel::Local, false, None),
    ] {
        let case = format!("{binding:?} {channel:?} {plus}");
        let mut mechanisms: Vec<&[u8]> = vec![b"SCRAM-SHA-256"];
        if plus {
            mechanisms.insert(0, b"SCRAM-SHA-256-PLUS");
        }
        let answer = bound(binding, channel).answer(&Challenge::Sasl { mechanisms });
        match (answer, expected) {
            (Ok(Answer::SaslInitial { mechanism, response }), Some((wanted, header))) => {
                assert_eq!(mechanism, wanted, "{case}");
                assert!(response.starts_with(format!("{header}n=,r=").as_bytes()), "{case}");
            }
            (Err(AuthError::NoChannelBinding { .. } | AuthError::PlusInTheClear), None) => {}
            (answer, _) => panic!("{case}: {answer:?}"),
        }
    }
}

/// Only what is bound is a login where binding is demanded.
#[test]
fn nothing_but_scram_is_bound() {
    for challenge in [Challenge::Ok, Challenge::Cleartext, Challenge::Md5 { salt: [0; 4] }] {
        let error = bound(ChannelBinding::Require, tls(true)).answer(&challenge).unwrap_err();
        assert!(matches!(error, AuthError::NoChannelBinding { .. }), "{challenge:?} {error}");
    }
}

/// The list is asked before anything is sent.
#[test]
fn required_methods() {
    for (list, ok, cleartext, md5, scram) in [
        ("", true, true, true, true),
        ("scram-sha-256", false, false, false, true),
        ("password,none", true, true, false, false),
        ("!none", false, true, true, true),
        ("gss", false, false, false, false),
    ] {
        let allowed = |challenge: &Challenge<'_>| {
            let policy = Policy { require_auth: RequireAuth::parse(list).unwrap(), ..Policy::default() };
            let password = Some("x".to_owned().into());
            let mut exchange = Exchange::with_policy("ada".to_owned(), password, policy, Channel::Local);
            match exchange.answer(challenge) {
                Ok(_) => true,
                Err(AuthError::NotAllowed { required, .. }) => {
                    assert_eq!(required, list);
                    false
                }
                Err(error) => panic!("{error}"),
            }
        };
        let md5_challenge = Challenge::Md5 { salt: [0; 4] };
        let found = [Challenge::Ok, Challenge::Cleartext, md5_challenge, sasl()].map(|c| allowed(&c));
        assert_eq!(found, [ok, cleartext, md5, scram], "{list}");
    }
}

fn token_exchange(policy: Policy, channel: Channel) -> Exchange {
    let token = Some("header.claims.signature".to_owned().into());
    Exchange::with_policy("ada".to_owned(), token, policy, channel)
}

/// As a login with a token has it.
fn for_tokens() -> Policy {
    Policy { kind: SecretKind::BearerToken, require_auth: RequireAuth::of_tokens(), ..Policy::default() }
}

fn oauth<'a>() -> Challenge<'a> {
    Challenge::Sasl { mechanisms: vec![b"OAUTHBEARER"] }
}

#[test]
fn a_bearer_token() {
    let mut exchange = token_exchange(for_tokens(), tls(true));
    let Ok(Answer::SaslInitial { mechanism: "OAUTHBEARER", response }) = exchange.answer(&oauth()) else {
        panic!("no answer")
    };
    assert_eq!(*response, b"n,,\x01auth=Bearer header.claims.signature\x01\x01");
    assert!(matches!(exchange.answer(&Challenge::Ok), Ok(Answer::Accepted)));
    assert_eq!(exchange.method(), Some(Method::OAuthBearer));
}

/// Refused with a reason: it is acknowledged, and then nothing but an error may follow.
#[test]
fn a_bearer_token_that_is_not_taken() {
    for follows in [Challenge::Ok, Challenge::SaslContinue(b"{\"status\":\"x\"}"), Challenge::Cleartext] {
        let mut exchange = token_exchange(for_tokens(), tls(true));
        exchange.answer(&oauth()).unwrap();
        let document = Challenge::SaslContinue(b"{\"status\":\"invalid_token\"}");
        assert!(matches!(exchange.answer(&document), Ok(Answer::SaslResponse(text)) if *text == b"\x01"));
        assert_eq!(exchange.refusal().unwrap().to_string(), "the token is not taken: invalid_token");
        let error = exchange.answer(&follows).unwrap_err();
        assert!(matches!(error, AuthError::OutOfOrder { expected: "an error", .. }), "{error}");
        assert_eq!(exchange.method(), None);
    }
    let mut exchange = token_exchange(for_tokens(), tls(true));
    exchange.answer(&oauth()).unwrap();
    let error = exchange.answer(&Challenge::SaslContinue(b"no document")).unwrap_err();
    assert_eq!(error, AuthError::BadOAuthMessage);
    let mut exchange = token_exchange(for_tokens(), tls(true));
    exchange.answer(&oauth()).unwrap();
    let error = exchange.answer(&Challenge::SaslFinal(b"v=AAAA")).unwrap_err();
    assert!(matches!(error, AuthError::OutOfOrder { .. }), "{error}");
}

/// Everything a token is not sent by, and everybody it is not sent to.
#[test]
fn a_token_stays() {
    let unverified = || Channel::Encrypted { peer: Peer::Unverified, end_point: None };
    let not_released = |error: &AuthError| matches!(error, AuthError::TokenNotReleased { .. });
    let not_for_tokens = |error: &AuthError| matches!(error, AuthError::NotForTokens { .. });
    for channel in [Channel::Local, Channel::Clear { loopback: true }, unverified()] {
        for challenge in [oauth(), Challenge::Cleartext] {
            let error = token_exchange(for_tokens(), channel.clone()).answer(&challenge).unwrap_err();
            assert!(not_released(&error), "{channel:?}: {error}");
        }
    }
    for challenge in [Challenge::Ok, Challenge::Md5 { salt: [0; 4] }, sasl()] {
        let error = token_exchange(for_tokens(), tls(true)).answer(&challenge).unwrap_err();
        assert!(not_for_tokens(&error), "{challenge:?}: {error}");
    }
    let bound = Policy { channel_binding: ChannelBinding::Require, ..for_tokens() };
    let error = token_exchange(bound, tls(true)).answer(&oauth()).unwrap_err();
    assert!(matches!(error, AuthError::NoChannelBinding { .. }), "{error}");
    let named = Policy { require_auth: RequireAuth::parse("scram-sha-256").unwrap(), ..for_tokens() };
    let error = token_exchange(named, tls(true)).answer(&oauth()).unwrap_err();
    assert!(matches!(error, AuthError::NotAllowed { .. }), "{error}");
}

/// A server that asks for a token is not given a password.
#[test]
fn a_password_is_no_token() {
    for password in [Some("secret".to_owned().into()), None] {
        let mut exchange = Exchange::with_policy("ada".to_owned(), password, Policy::default(), tls(true));
        assert_eq!(exchange.answer(&oauth()).unwrap_err(), AuthError::NoToken);
    }
}
