//! Access tokens of a service with public keys, from whoever knows these keys, stole an old one, or bends a signature.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::TestServer;
use crate::support::forge::{Forge, encoded, message, parts, signature, with};
use crate::support::key_ring::{RingKey, ring};

/// The order of P-256 (SEC 2 §2.4.2).
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
/// The order of Ed25519's base point, little endian (RFC 8032 §5.1).
const ED25519_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// A service whose only key is this one.
async fn signing_with(key: &RingKey) -> Forge {
    Forge::on(TestServer::with(&[("KEY_RING", &ring(&[key.line(None, None)]))]).await).await
}

fn pairs() -> [RingKey; 2] {
    [RingKey::eddsa(), RingKey::es256()]
}

/// The token with another signature.
fn resigned(token: &str, signature: impl AsRef<[u8]>) -> String {
    let message = token.rsplit_once('.').unwrap().0;
    format!("{message}.{}", encoded(signature))
}

fn signature_of(token: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(token.rsplit_once('.').unwrap().1).unwrap()
}

#[actix_web::test]
async fn each_algorithm_signs_with_the_key_of_the_ring_and_under_its_own_name() {
    for key in [RingKey::eddsa(), RingKey::es256(), RingKey::hs256()] {
        let forge = signing_with(&key).await;
        assert_eq!(forge.header, key.header());
        forge.assert_accepted(key.alg, &key.jwt(key.header(), &forge.claims)).await;
        forge.assert_honest_works().await;
    }
}

#[actix_web::test]
async fn no_algorithm_is_none_in_any_spelling() {
    for key in pairs() {
        let forge = signing_with(&key).await;
        let mut forged = Vec::new();
        for algorithm in ["none", "None", "NONE", "nOnE", "none ", "", "\0none", "null", "n\u{f6}ne"] {
            let message = message(with(&forge.header, "alg", algorithm), &forge.claims);
            forged.push((format!("{algorithm:?} without a signature"), format!("{message}.")));
            forged.push((format!("{algorithm:?} without a third part"), message.clone()));
            forged.push((format!("{algorithm:?} with a good signature"), {
                format!("{message}.{}", encoded(key.signature(&message)))
            }));
        }
        forge.assert_refused(forged).await;
    }
}

/// A public key in the forms in which it is handed out, each of which somebody may take for a secret.
fn as_secrets(key: &RingKey) -> Vec<(&'static str, Vec<u8>)> {
    // SubjectPublicKeyInfo: the fixed head of each algorithm, then the key (RFC 8410 §4, RFC 5480 §2).
    let head: &[u8] = match key.alg {
        "EdDSA" => &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00],
        _ => &[
            0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
            0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
        ],
    };
    let der = [head, &key.public].concat();
    let base64 = STANDARD.encode(&der);
    let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"));
    let mut jwk = key.jwk.clone();
    jwk.as_object_mut().unwrap().remove("d");
    vec![
        ("the raw key", key.public.clone()),
        ("x", encoded(&key.public[key.public.len() % 32..][..32]).into_bytes()),
        ("DER", der),
        ("PEM without the last line end", pem.trim_end().as_bytes().to_vec()),
        ("PEM", pem.into_bytes()),
        ("the JWK", jwk.to_string().into_bytes()),
        ("the kid", key.kid.clone().into_bytes()),
        ("nothing", Vec::new()),
    ]
}

#[actix_web::test]
async fn a_public_key_is_not_the_secret_of_an_hs256_token() {
    for key in pairs() {
        let forge = signing_with(&key).await;
        let mut forged = Vec::new();
        for (form, secret) in as_secrets(&key) {
            for alg in ["HS256", key.alg] {
                let message = message(with(&forge.header, "alg", alg), &forge.claims);
                let forgery = format!("{message}.{}", signature(hmac::HMAC_SHA256, &secret, &message));
                forged.push((format!("{} as {form}, called {alg}", key.alg), forgery));
            }
        }
        forge.assert_refused(forged).await;
    }
}

#[actix_web::test]
async fn a_key_is_found_by_its_exact_name_and_does_its_own_algorithm_only() {
    let (eddsa, es256, hs256) = (RingKey::eddsa(), RingKey::es256(), RingKey::hs256());
    // The first signs, and all of them verify.
    let lines = [
        eddsa.line(None, Some("9999-01-01T00:00:00.000Z")),
        es256.line(Some("9999-01-01T00:00:00.000Z"), Some("9999-01-02T00:00:00.000Z")),
        hs256.line(Some("9999-01-02T00:00:00.000Z"), None),
    ];
    let forge = Forge::on(TestServer::with(&[("KEY_RING", &ring(&lines))]).await).await;
    let keys = [&eddsa, &es256, &hs256];
    let mut forged = Vec::new();
    for named in keys {
        forge.assert_accepted(named.alg, &named.jwt(named.header(), &forge.claims)).await;
        for signer in keys.into_iter().filter(|signer| signer.kid != named.kid) {
            let header = named.header();
            let renamed = with(&header, "alg", signer.alg);
            forged.push((format!("{} by {}", named.alg, signer.alg), signer.jwt(&header, &forge.claims)));
            forged.push((format!("{}'s kid, {}", named.alg, signer.alg), signer.jwt(&renamed, &forge.claims)));
        }
        let kid = named.kid.as_str();
        let (cut, longer) = (&kid[..kid.len() - 1], format!("{kid}A"));
        for kid in ["", cut, &longer, &kid.to_uppercase(), "../../latchkey.keys", "' OR '1'='1", "*", "0"] {
            let header = with(&named.header(), "kid", kid);
            forged.push((format!("{} called {kid:?}", named.alg), named.jwt(header, &forge.claims)));
        }
        for kid in [json!(0), json!(null), json!([named.kid]), json!({"eq": named.kid})] {
            let case = format!("{} called {kid}", named.alg);
            forged.push((case, named.jwt(with(&named.header(), "kid", kid), &forge.claims)));
        }
    }
    forge.assert_refused(forged).await;
}

#[actix_web::test]
async fn extensions_that_must_be_understood_are_not() {
    for key in pairs() {
        let forge = signing_with(&key).await;
        let values = [json!(["exp"]), json!(["b64"]), json!([]), json!("exp"), json!({}), json!(false), Value::Null];
        let forged = values.map(|value| {
            (format!("{} crit {value}", key.alg), key.jwt(with(&forge.header, "crit", value), &forge.claims))
        });
        forge.assert_refused(forged).await;
    }
}

#[actix_web::test]
async fn a_token_that_brings_its_own_key_is_refused() {
    for (ours, theirs) in pairs().into_iter().zip(pairs()) {
        let forge = signing_with(&ours).await;
        let mut jwk = theirs.jwk.clone();
        jwk.as_object_mut().unwrap().remove("d");
        let brought = [("jwk", jwk), ("jku", json!("https://attacker.example/jwks.json")), ("x5c", json!(["AA"]))];
        let mut forged = Vec::new();
        for (member, value) in brought {
            let header = with(&forge.header, member, value);
            forged.push((format!("{member} and our kid"), theirs.jwt(&header, &forge.claims)));
            forged.push((format!("{member} and its kid"), {
                theirs.jwt(with(&header, "kid", theirs.kid.as_str()), &forge.claims)
            }));
        }
        forge.assert_refused(forged).await;
    }
}

/// n - s: the other signature of the same message by the same key, which everybody can work out.
fn other_half(signature: &[u8]) -> Vec<u8> {
    let (r, s) = signature.split_at(32);
    let mut borrow = 0_i16;
    let mut half: Vec<u8> = ORDER
        .iter()
        .zip(s)
        .rev()
        .map(|(n, s)| {
            let difference = i16::from(*n) - i16::from(*s) - borrow;
            borrow = i16::from(difference < 0);
            u8::try_from(difference.rem_euclid(256)).unwrap()
        })
        .collect();
    half.reverse();
    [r, &half].concat()
}

#[actix_web::test]
async fn the_other_signature_of_an_es256_token_does_not_outlive_its_session() {
    let forge = signing_with(&RingKey::es256()).await;
    let token = &forge.honest.access_token;
    let bent = resigned(token, other_half(&signature_of(token)));
    assert_ne!(bent, *token);
    // It says the same under a signature that is right, and it is remembered from its second time on.
    for _ in 0..8 {
        forge.assert_accepted("the other signature", &bent).await;
    }
    forge.server.logout(&forge.honest.refresh_token).await;

    for token in [token, &bent] {
        forge.server.assert_signed_out(token).await;
    }
}

#[actix_web::test]
async fn an_es256_signature_has_one_length_and_no_zeros() {
    let forge = signing_with(&RingKey::es256()).await;
    let token = &forge.honest.access_token;
    let signature = signature_of(token);
    let (r, s) = signature.split_at(32);
    let der = |number: &[u8]| {
        let sign: &[u8] = if number[0] >= 0x80 { &[0] } else { &[] };
        [&[2, u8::try_from(sign.len() + number.len()).unwrap()], sign, number].concat()
    };
    let both = [der(r), der(s)].concat();
    let sequence = [&[0x30, u8::try_from(both.len()).unwrap()], &both[..]].concat();
    let bent = [
        ("in DER", sequence),
        ("with a byte more", [&signature[..], &[0]].concat()),
        ("with a byte less", signature[..63].to_vec()),
        ("with leading zeros", [&[0], r, &[0], s].concat()),
        ("of zeros", vec![0; 64]),
        ("r is 0", [&[0; 32], s].concat()),
        ("s is 0", [r, &[0; 32]].concat()),
        ("s is n", [r, &ORDER].concat()),
        ("r is n", [&ORDER, s].concat()),
        ("swapped", [s, r].concat()),
        ("empty", Vec::new()),
    ];
    forge.assert_refused(bent.map(|(case, signature)| (case, resigned(token, signature)))).await;
}

#[actix_web::test]
async fn an_eddsa_signature_has_one_form() {
    let forge = signing_with(&RingKey::eddsa()).await;
    let token = &forge.honest.access_token;
    let signature = signature_of(token);
    let (r, s) = signature.split_at(32);
    // S + L names the same point, and RFC 8032 §5.1.7 refuses it.
    let mut carry = 0_u16;
    let beyond: Vec<u8> = s
        .iter()
        .zip(ED25519_ORDER)
        .map(|(s, l)| {
            let sum = u16::from(*s) + u16::from(l) + carry;
            carry = sum >> 8;
            sum.to_le_bytes()[0]
        })
        .collect();
    let bent = [
        ("S + L", [r, &beyond].concat()),
        ("with a byte more", [&signature[..], &[0]].concat()),
        ("with a byte less", signature[..63].to_vec()),
        ("of zeros", vec![0; 64]),
        ("swapped", [s, r].concat()),
        ("empty", Vec::new()),
    ];
    forge.assert_refused(bent.map(|(case, signature)| (case, resigned(token, signature)))).await;
}

#[actix_web::test]
async fn a_key_that_waits_verifies_and_does_not_sign() {
    let (signing, waiting) = (RingKey::eddsa(), RingKey::eddsa());
    let (retires_at, far) = ("9999-01-01T00:00:00.000Z", Some("9999-01-01T00:00:00.000Z"));
    let lines = [signing.line(None, Some(retires_at)), waiting.line(far, None)];
    let forge = Forge::on(TestServer::with(&[("KEY_RING", &ring(&lines))]).await).await;

    assert_eq!(forge.header["kid"], signing.kid);
    forge.assert_accepted("another node's clock is ahead", &waiting.jwt(waiting.header(), &forge.claims)).await;
    let renewed = forge.assert_honest_works().await;
    assert_eq!(parts(renewed.text("access_token")).0["kid"], signing.kid);
}

#[actix_web::test]
async fn a_key_that_retired_long_ago_signs_nothing_that_is_accepted() {
    let (stolen, signing) = (RingKey::eddsa(), RingKey::es256());
    let long_ago = "2020-01-01T00:00:00.000Z";
    let lines = [stolen.line(None, Some(long_ago)), signing.line(Some(long_ago), None)];
    let forge = Forge::on(TestServer::with(&[("KEY_RING", &ring(&lines))]).await).await;

    assert_eq!(forge.header["kid"], signing.kid);
    forge.assert_refused([("of a retired key", stolen.jwt(stolen.header(), &forge.claims))]).await;
}
