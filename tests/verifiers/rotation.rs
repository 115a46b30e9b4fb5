//! A rotation, as those see it who verify elsewhere: with the defaults of their libraries, nobody refuses a good token.

use std::time::Duration;

use crate::issuer::{ACTIVATES_IN, Issuer, OVERLAP};
use crate::verifier::{JOSE, Library, PYJWT, Verifier};

/// Longer than either library keeps keys without asking for them again: 600 s and 300 s.
const LONG: Duration = Duration::from_secs(3600);

#[actix_web::test]
async fn jose_believes_good_tokens_through_a_rotation_of_eddsa() {
    goes_through_a_rotation(&JOSE, "EdDSA", "EdDSA").await;
}

#[actix_web::test]
async fn jose_believes_good_tokens_through_a_rotation_of_es256() {
    goes_through_a_rotation(&JOSE, "ES256", "ES256").await;
}

#[actix_web::test]
async fn jose_believes_good_tokens_through_a_change_of_the_algorithm() {
    goes_through_a_rotation(&JOSE, "EdDSA", "ES256").await;
}

#[actix_web::test]
async fn pyjwt_believes_good_tokens_through_a_rotation_of_eddsa() {
    goes_through_a_rotation(&PYJWT, "EdDSA", "EdDSA").await;
}

#[actix_web::test]
async fn pyjwt_believes_good_tokens_through_a_rotation_of_es256() {
    goes_through_a_rotation(&PYJWT, "ES256", "ES256").await;
}

#[actix_web::test]
async fn pyjwt_believes_good_tokens_through_a_change_of_the_algorithm() {
    goes_through_a_rotation(&PYJWT, "EdDSA", "ES256").await;
}

async fn goes_through_a_rotation(library: &Library, from: &str, to: &str) {
    if library.found().is_none() {
        return;
    }
    let issuer = Issuer::signing_with(from).await;
    let mut verifier = Verifier::start(library, &issuer);
    let before = issuer.token().await;
    verifier.assert_believes(&before.text, &issuer);

    let second = issuer.generate(to).await;
    let published = issuer.token().await;
    assert_eq!(published.kid, before.kid, "the new key signed before it was due");
    assert_eq!(issuer.published().await, [before.kid.clone(), second.clone()].into());
    verifier.assert_believes(&published.text, &issuer);
    // One that comes only now learns both keys at once.
    let mut newcomer = Verifier::start(library, &issuer);
    newcomer.assert_believes(&published.text, &issuer);

    issuer.pass(ACTIVATES_IN);
    verifier.later(ACTIVATES_IN);
    let after = issuer.token().await;
    assert_eq!((after.kid.as_str(), after.algorithm.as_str()), (second.as_str(), to));
    for verifier in [&mut verifier, &mut newcomer] {
        verifier.assert_believes(&after.text, &issuer);
        verifier.assert_believes(&before.text, &issuer);
    }

    issuer.pass(OVERLAP);
    verifier.later(LONG);
    assert_eq!(issuer.published().await, [second].into());
    verifier.assert_believes(&after.text, &issuer);
    verifier.assert_refuses(&before.text, library.no_such_key);
}
