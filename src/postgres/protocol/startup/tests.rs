use proptest::prelude::{any, prop, prop_assert, proptest};

use super::{PARAMETER_BYTES, PARAMETER_LIMIT, Parameters, Session, Startup, StartupError, Step};
use crate::postgres::auth::{AuthError, Exchange, Method};
use crate::postgres::protocol::backend::TransactionStatus;
use crate::postgres::protocol::error::ProtocolError;
use crate::postgres::protocol::frame::Frames;

fn startup(user: &str, password: &str) -> Startup {
    Startup::new(Exchange::new(user.to_owned(), Some(password.to_owned().into())))
}

type End = Option<Result<Box<Session>, StartupError>>;

/// Runs a login over these bytes; the frames it sends, and how it ends. `None`: it wants more bytes.
fn run(mut startup: Startup, bytes: &[u8]) -> (Vec<Vec<u8>>, End) {
    let mut sent = Vec::new();
    for frame in Frames::new(bytes, startup.limits()) {
        match frame.map_err(StartupError::from).and_then(|frame| startup.handle(&frame)) {
            Ok(Step::Send(frame)) => sent.push(frame.to_vec()),
            Ok(Step::Ready(session)) => return (sent, Some(Ok(session))),
            Ok(Step::Continue | Step::Notice(_)) => {}
            Err(error) => return (sent, Some(Err(error))),
        }
    }
    (sent, None)
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let len = i32::try_from(body.len() + 4).unwrap();
    [&[tag][..], &len.to_be_bytes(), body].concat()
}

#[test]
fn captured_logins() {
    for (user, password, backend, frontend, method) in [
        (
            "md5user",
            "secret",
            &include_bytes!("../../../../tests/data/wire/auth-md5.backend.bin")[..],
            &include_bytes!("../../../../tests/data/wire/auth-md5.frontend.bin")[..],
            Method::Md5,
        ),
        (
            "clearuser",
            "",
            include_bytes!("../../../../tests/data/wire/auth-cleartext.backend.bin"),
            include_bytes!("../../../../tests/data/wire/auth-cleartext.frontend.bin"),
            Method::Cleartext,
        ),
        (
            "postgres",
            "",
            include_bytes!("../../../../tests/data/wire/negotiate-3.9999.backend.bin"),
            b"",
            Method::Trust,
        ),
    ] {
        let (sent, end) = run(startup(user, password), backend);
        let session = end.unwrap().unwrap();
        assert_eq!((session.method, session.status), (method, TransactionStatus::Idle));
        assert_eq!(session.parameters.server_version(), Some(150_020));
        assert_eq!(session.parameters.get("TimeZone"), Some("UTC"));
        assert_eq!(session.key.unwrap().secret.len(), 4);
        if method == Method::Md5 {
            assert!(frontend.ends_with(&sent.concat()));
        }
    }
}

#[test]
fn captured_refusal() {
    let backend = include_bytes!("../../../../tests/data/wire/auth-md5-wrong.backend.bin");
    let (sent, end) = run(startup("md5user", "wrong"), backend);
    assert_eq!(sent, [b"p\0\0\0\x28md57d2e1bd52c83728217fc21cd5367a4cd\0"]);
    let Some(Err(StartupError::Server(error))) = end else { panic!("{end:?}") };
    assert_eq!(error.code.unwrap().to_string(), "28P01");
    assert!(!error.authenticated);
}

/// The captured server proves itself to the captured nonce, and so not to ours.
#[test]
fn a_replayed_scram_login_is_refused() {
    let backend = include_bytes!("../../../../tests/data/wire/auth-scram.backend.bin");
    let (sent, end) = run(startup("scramuser", "pencil é"), backend);
    assert_eq!(sent.len(), 1);
    assert!(matches!(end, Some(Err(StartupError::Auth(AuthError::BadScramMessage { .. })))), "{end:?}");
}

/// Every message in a state where it has no place.
#[test]
fn order() {
    let ok = message(b'R', b"\0\0\0\0");
    let (key, parameter) = (message(b'K', b"\0\0\0\x01abcd"), message(b'S', b"a\0b\0"));
    for bytes in [
        message(b'Z', b"I"),
        key.clone(),
        parameter,
        [ok.clone(), ok.clone()].concat(),
        [ok.clone(), message(b'R', b"\0\0\0\x03")].concat(),
        [ok.clone(), key.clone(), key].concat(),
    ] {
        let (_, end) = run(startup("a", "b"), &bytes);
        let refused =
            matches!(end, Some(Err(StartupError::Protocol(ProtocolError::UnexpectedMessage { .. }))));
        assert!(refused, "{} {end:?}", bytes.escape_ascii());
    }
}

#[test]
fn nothing_follows_the_end() {
    let mut over = startup("a", "b");
    let bytes =
        [message(b'R', b"\0\0\0\0"), message(b'Z', b"I"), message(b'N', b"\0"), message(b'S', b"a\0b\0")]
            .concat();
    let steps: Vec<_> =
        Frames::new(&bytes, over.limits()).map(|frame| over.handle(&frame.unwrap())).collect();
    assert!(matches!(&steps[..], [Ok(Step::Continue), Ok(Step::Ready(_)), Err(_), Err(_)]), "{steps:?}");
    assert!(!over.is_authenticated());
}

#[test]
fn parameters_are_bounded() {
    let mut parameters = Parameters::default();
    for n in 0..PARAMETER_LIMIT {
        parameters.set(format!("p{n}").as_bytes(), b"x").unwrap();
    }
    parameters.set(b"p0", b"again").unwrap();
    assert!(parameters.set(b"one more", b"x").is_err());
    let mut parameters = Parameters::default();
    for _ in 0..100 {
        parameters.set(b"same", &[b'x'; 4000]).unwrap();
    }
    let mut added = 0;
    while parameters.set(format!("p{added}").as_bytes(), &[b'x'; 4000]).is_ok() {
        added += 1;
    }
    assert!((20..=PARAMETER_BYTES / 4000).contains(&added), "{added}");
}

#[test]
fn versions() {
    for (text, expected) in [
        ("15.20 (Debian 15.20-0+deb12u1)", Some(150_020)),
        ("18.4", Some(180_004)),
        ("18beta1", Some(180_000)),
        ("19devel", Some(190_000)),
        ("9.6.24", Some(90_624)),
        ("10", Some(100_000)),
        ("", None),
        ("devel", None),
        ("99999999999.1", None),
        ("429497.1", None),
        (".", None),
    ] {
        let mut parameters = Parameters::default();
        parameters.set(b"server_version", text.as_bytes()).unwrap();
        assert_eq!(parameters.server_version(), expected, "{text}");
    }
    assert_eq!(Parameters::default().server_version(), None);
}

proptest! {
    /// A login of any messages ends in an error or a session, or asks for more; never before an
    /// AuthenticationOk, and never in a panic.
    #[test]
    fn arbitrary_servers(messages in prop::collection::vec((prop::sample::select(&b"RRRRSKNEZv"[..]), 0u8..14, prop::collection::vec(any::<u8>(), 0..40)), 0..12)) {
        let mut bytes = Vec::new();
        let mut let_in = false;
        for (tag, code, rest) in messages {
            let_in |= tag == b'R' && code == 0;
            let body = match tag {
                b'R' => [&[0, 0, 0, code][..], if code < 4 { b"" } else { &rest }].concat(),
                b'Z' => b"I".to_vec(),
                b'S' => b"name\0value\0".to_vec(),
                _ => rest,
            };
            bytes.extend(message(tag, &body));
        }
        if let (_, Some(Ok(_))) = run(startup("a", "b"), &bytes) {
            prop_assert!(let_in);
        }
    }
}
