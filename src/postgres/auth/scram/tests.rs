use super::{Binding, ITERATION_LIMIT, Scram, check_iterations};
use crate::postgres::auth::AuthError;

#[test]
fn iteration_counts() {
    for (first, limit) in
        [("r=a,s=b,i=4096", false), ("i=1", false), ("r=a,i=100000", false), ("i=100001", true)]
    {
        let outcome = check_iterations(first.as_bytes());
        assert_eq!(matches!(outcome, Err(AuthError::TooManyIterations { .. })), limit, "{first}");
        assert_eq!(outcome.is_ok(), !limit, "{first}");
    }
    for first in ["", "i=", "i=0", "i=x", "i=+1", "r=i=5"] {
        let outcome = check_iterations(first.as_bytes());
        assert!(matches!(outcome, Err(AuthError::BadScramMessage { .. })), "{first}");
    }
}

/// The crate below must not refuse what is allowed here with words of its own.
#[test]
fn the_limit_itself_is_taken() {
    let mut scram = Scram::start(&"pencil".to_owned().into(), Binding::None);
    let nonce = String::from_utf8(scram.first_message().to_vec()).unwrap().replace("n,,n=,r=", "");
    let first = format!("r={nonce}x,s=QSXCR+Q6sek8bf92,i={ITERATION_LIMIT}");
    let last = String::from_utf8(scram.prove(first.as_bytes()).unwrap().to_vec()).unwrap();
    assert!(last.starts_with(&format!("c=biws,r={nonce}x,p=")), "{last}");
}

#[test]
fn a_nonce_is_drawn_each_time() {
    let first = |binding| Scram::start(&"x".to_owned().into(), binding).first_message();
    assert_ne!(first(Binding::None), first(Binding::None));
    assert!(first(Binding::None).starts_with(b"n,,n=,r="));
    assert!(first(Binding::NotOffered).starts_with(b"y,,n=,r="));
    assert!(first(Binding::EndPoint(vec![1; 32])).starts_with(b"p=tls-server-end-point,,n=,r="));
}
