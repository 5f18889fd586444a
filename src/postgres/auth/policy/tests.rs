use super::{Channel, Peer, Policy, Release, SecretKind};
use crate::postgres::auth::AuthError;
use crate::postgres::auth::require::RequireAuth;

fn encrypted(peer: Peer) -> Channel {
    Channel::Encrypted { peer, end_point: None }
}

#[test]
fn a_password_leaves_in_the_clear_only_by_name() {
    let policy = |list: &str| Policy { require_auth: RequireAuth::parse(list).unwrap(), ..Policy::default() };
    for channel in [Channel::Local, encrypted(Peer::Unverified), encrypted(Peer::Named)] {
        for how in [Release::Itself, Release::Md5] {
            assert_eq!(policy("").release(how, &channel), Ok(()), "{channel:?}");
        }
    }
    for (list, itself, md5) in [
        ("", false, false),
        ("password", true, false),
        ("md5", false, true),
        ("md5,password", true, true),
        ("scram-sha-256", false, false),
        // What is merely not forbidden is not asked for.
        ("!scram-sha-256", false, false),
        ("!md5", false, false),
    ] {
        for loopback in [false, true] {
            let channel = Channel::Clear { loopback };
            assert_eq!(policy(list).release(Release::Itself, &channel).is_ok(), itself, "{list}");
            assert_eq!(policy(list).release(Release::Md5, &channel).is_ok(), md5, "{list}");
        }
    }
    let error = policy("").release(Release::Itself, &Channel::Clear { loopback: false }).unwrap_err();
    assert!(error.to_string().contains("require_auth = password"), "{error}");
}

#[test]
fn a_token_leaves_only_to_a_verified_server() {
    for (channel, allowed, over_loopback) in [
        (encrypted(Peer::Named), true, true),
        (encrypted(Peer::PrivateAuthority), true, true),
        (encrypted(Peer::PublicAuthority), false, false),
        (encrypted(Peer::Unverified), false, false),
        (Channel::Clear { loopback: false }, false, false),
        (Channel::Clear { loopback: true }, false, true),
        (Channel::Local, false, true),
    ] {
        for (token_over_loopback, expected) in [(false, allowed), (true, over_loopback)] {
            let policy = Policy {
                kind: SecretKind::BearerToken,
                token_over_loopback,
                require_auth: RequireAuth::parse("password").unwrap(),
                ..Policy::default()
            };
            let outcome = policy.release(Release::Itself, &channel);
            assert_eq!(outcome.is_ok(), expected, "{channel:?} {token_over_loopback}");
            if let Err(error) = outcome {
                assert!(matches!(error, AuthError::TokenNotReleased { .. }));
                assert!(error.to_string().contains("sslmode = verify-full"), "{error}");
            }
        }
    }
}
