//! What a verifier elsewhere must not believe: a good token, changed in one place or another.

use crate::forged::{SecondKey, with_another_signature, with_another_subject};
use crate::issuer::Issuer;
use crate::verifier::{JOSE, Library, PYJWT, Verifier};

#[actix_web::test]
async fn jose_refuses_changed_tokens_of_eddsa() {
    refuses_changed_tokens(&JOSE, "EdDSA").await;
}

#[actix_web::test]
async fn jose_refuses_changed_tokens_of_es256() {
    refuses_changed_tokens(&JOSE, "ES256").await;
}

#[actix_web::test]
async fn pyjwt_refuses_changed_tokens_of_eddsa() {
    refuses_changed_tokens(&PYJWT, "EdDSA").await;
}

#[actix_web::test]
async fn pyjwt_refuses_changed_tokens_of_es256() {
    refuses_changed_tokens(&PYJWT, "ES256").await;
}

async fn refuses_changed_tokens(library: &Library, algorithm: &str) {
    if library.found().is_none() {
        return;
    }
    let issuer = Issuer::signing_with(algorithm).await;
    let mut verifier = Verifier::start(library, &issuer);
    let good = issuer.token().await.text;
    verifier.assert_believes(&good, &issuer);

    verifier.assert_refuses(&with_another_subject(&good), library.bad_signature);
    verifier.assert_refuses(&with_another_signature(&good), library.bad_signature);
    verifier.assert_refuses(&SecondKey::of(algorithm).signed_again(&good), library.bad_signature);

    verifier.assert_believes(&good, &issuer);
}
