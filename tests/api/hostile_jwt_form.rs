//! Access tokens that are not quite a JWT of ours: their parts, their encoding, their signature.

use aws_lc_rs::hmac;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde_json::json;

use crate::support::Answer;
use crate::support::forge::{Forge, REFUSED, encoded, hs256, kid, message, signature, signed, with};

#[actix_web::test]
async fn an_honest_token_made_by_hand_is_accepted() {
    let forge = Forge::start().await;

    forge.assert_accepted("rebuilt", &forge.jwt(&forge.header, &forge.claims)).await;
}

#[actix_web::test]
async fn other_numbers_of_parts_are_refused() {
    let forge = Forge::start().await;
    let token = &forge.honest.access_token;
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("{token}") };
    forge
        .assert_refused([
            ("one part", header.to_owned()),
            ("two parts", format!("{header}.{claims}")),
            ("no signature", format!("{header}.{claims}.")),
            ("four parts", format!("{token}.{signature}")),
            ("an empty fourth part", format!("{token}.")),
            ("an empty part in front", format!(".{token}")),
            ("an empty part in the middle", format!("{header}..{signature}")),
            ("a detached payload, signed", signed(forge.server.jwt_secret(), &format!("{header}."))),
            ("an empty header, signed", signed(forge.server.jwt_secret(), &format!(".{claims}"))),
            ("five parts, as a JWE", format!("{header}...{claims}.{signature}")),
            ("parts in another order", format!("{claims}.{header}.{signature}")),
            ("dots alone", "..".to_owned()),
            ("a word", "null".to_owned()),
            ("the token twice", format!("{token},{token}")),
            ("the token twice with a blank", format!("{token} {token}")),
            ("a JWS in JSON", json!({"protected": header, "payload": claims, "signature": signature}).to_string()),
        ])
        .await;
}

#[actix_web::test]
async fn a_byte_more_less_or_other_is_refused() {
    let forge = Forge::start().await;
    let token = &forge.honest.access_token;
    let other = |byte: u8| if byte == b'A' { b'B' } else { b'A' };
    // Every place in the signature and some in front of it.
    let signature_at = token.rfind('.').unwrap();
    let places = (0..signature_at).step_by(16).chain(signature_at..token.len());
    let mut forged: Vec<(String, String)> = places
        .map(|at| {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = other(bytes[at]);
            (format!("another byte at {at}"), String::from_utf8(bytes).unwrap())
        })
        .collect();
    forged.extend([
        ("cut by one".to_owned(), token[..token.len() - 1].to_owned()),
        ("half of the signature".to_owned(), token[..signature_at + 22].to_owned()),
        ("one more".to_owned(), format!("{token}A")),
        ("in upper case".to_owned(), token.to_uppercase()),
        ("without its first byte".to_owned(), token[1..].to_owned()),
        ("a signature of zeros".to_owned(), format!("{}.{}", &token[..signature_at], encoded([0; 32]))),
        ("an empty MAC's length".to_owned(), format!("{}.{}", &token[..signature_at], encoded([0; 1]))),
    ]);
    forge.assert_refused(forged).await;
}

/// The last character of unpadded base64 with one of the bits set that stand for nothing.
fn with_trailing_bits(part: &str) -> String {
    assert_ne!(part.len() % 4, 0, "a part whose last character has spare bits");
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = alphabet.iter().position(|byte| *byte == part.as_bytes()[part.len() - 1]).unwrap();
    format!("{}{}", &part[..part.len() - 1], char::from(alphabet[last + 1]))
}

#[actix_web::test]
async fn another_spelling_of_base64_is_refused_even_under_our_signature() {
    let forge = Forge::start().await;
    let secret = forge.server.jwt_secret();
    let sign = |message: String| signed(secret, &message);
    let token = &forge.honest.access_token;
    let (head, tail) = token.rsplit_once('.').unwrap();
    let header = encoded(forge.header.to_string());
    // Padded until their encoding is not a multiple of four, and until it holds a character of the other alphabet.
    let spare = (0..4).map(|pad| encoded(forge.claims.to_string() + &" ".repeat(pad))).find(|part| part.len() % 4 != 0);
    let spare = spare.unwrap();
    let unsafe_claims = encoded(with(&forge.claims, "note", "?>?>~~~ÿÿÿ").to_string());
    assert!(unsafe_claims.contains(['-', '_']));
    let unsafe_signature = (0..)
        .map(|note| forge.jwt(&forge.header, with(&forge.claims, "note", note)))
        .find(|token| token.rsplit('.').next().unwrap().contains(['-', '_']))
        .unwrap();
    let other_alphabet = |part: &str| part.replace('-', "+").replace('_', "/");
    forge
        .assert_refused([
            ("a padded signature", format!("{token}=")),
            ("a signature with trailing bits", format!("{head}.{}", with_trailing_bits(tail))),
            ("a signature in the other alphabet", {
                let (head, tail) = unsafe_signature.rsplit_once('.').unwrap();
                format!("{head}.{}", other_alphabet(tail))
            }),
            ("padded claims", sign(format!("{header}.{spare}="))),
            ("claims with two pads", sign(format!("{header}.{spare}=="))),
            ("claims with trailing bits", sign(format!("{header}.{}", with_trailing_bits(&spare)))),
            ("claims in the other alphabet", sign(format!("{header}.{}", other_alphabet(&unsafe_claims)))),
            ("a blank in the claims", sign(format!("{header}.{} {}", &spare[..8], &spare[8..]))),
            ("a padded header", sign(format!("{header}=.{spare}"))),
            ("a percent sign", sign(format!("{header}.%{}", &spare[1..]))),
        ])
        .await;
    forge.assert_accepted("the same claims, spelt right", &sign(format!("{header}.{unsafe_claims}"))).await;
    forge.assert_accepted("the same blanks, spelt right", &sign(format!("{header}.{spare}"))).await;
}

#[actix_web::test]
async fn header_and_claims_are_json_objects_and_nothing_behind_them() {
    let forge = Forge::start().await;
    let (header, claims) = (forge.header.to_string(), forge.claims.to_string());
    let values_of = |names: &[&str], object: &serde_json::Value| {
        json!(names.iter().map(|name| object[name].clone()).collect::<Vec<_>>()).to_string()
    };
    let listed_header = values_of(&["typ", "alg", "kid"], &forge.header);
    let listed_claims = values_of(
        &["iss", "aud", "sub", "client_id", "username", "roles", "sid", "ver", "iat", "exp", "jti"],
        &forge.claims,
    );
    forge
        .assert_refused([
            ("an empty header", forge.jwt("", &claims)),
            ("a header that is null", forge.jwt("null", &claims)),
            ("a header that is a list of the right values", forge.jwt(&listed_header, &claims)),
            ("the same list with a fourth value", forge.jwt(listed_header.replace(']', ",null]"), &claims)),
            ("a header in a list", forge.jwt(format!("[{header}]"), &claims)),
            ("something behind the header", forge.jwt(format!("{header}{{}}"), &claims)),
            ("a BOM before the header", forge.jwt(format!("\u{feff}{header}"), &claims)),
            ("empty claims", forge.jwt(&header, "")),
            ("claims that are null", forge.jwt(&header, "null")),
            ("claims that are a list of the right values", forge.jwt(&header, &listed_claims)),
            ("claims in a list", forge.jwt(&header, format!("[{claims}]"))),
            ("claims in a string", forge.jwt(&header, json!(claims))),
            ("something behind the claims", forge.jwt(&header, format!("{claims}x"))),
            ("claims twice", forge.jwt(&header, format!("{claims}{claims}"))),
            ("truncated claims", forge.jwt(&header, &claims[..claims.len() - 1])),
            ("a BOM before the claims", forge.jwt(&header, format!("\u{feff}{claims}"))),
            ("a NUL behind the claims", forge.jwt(&header, format!("{claims}\0"))),
            ("claims that are not UTF-8", {
                let mut bytes = claims.replace("alice", "al\u{1}ice").into_bytes();
                bytes.iter_mut().filter(|byte| **byte == 1).for_each(|byte| *byte = 0xff);
                signed(forge.server.jwt_secret(), &format!("{}.{}", encoded(&header), encoded(bytes)))
            }),
            (
                "deeply nested claims",
                forge.jwt(&header, claims.replacen('{', &format!("{{\"x\":{},", "[".repeat(3000)), 1)),
            ),
            ("a JWT in a JWT", forge.jwt(&header, json!(forge.honest.access_token))),
        ])
        .await;
}

#[actix_web::test]
async fn a_signature_by_any_other_key_is_refused() {
    let forge = Forge::start().await;
    let (header, claims) = (&forge.header, &forge.claims);
    let refresh_secret = forge.server.refresh_token_secret();
    let attacker = b"2WcQv8nZrT5yXk0LmPfJ9hBdSgUa7RtE";
    let bob = forge.server.registered("bob").await.access_token;
    let bobs_claims = bob.split('.').nth(1).unwrap();
    let alices: Vec<&str> = forge.honest.access_token.split('.').collect();
    forge
        .assert_refused([
            ("the refresh tokens' key", hs256(refresh_secret, header, claims)),
            ("the refresh tokens' key under its own kid", {
                hs256(refresh_secret, with(header, "kid", kid(refresh_secret)), claims)
            }),
            ("an attacker's key", hs256(attacker, header, claims)),
            ("an empty key", hs256(b"", header, claims)),
            ("the kid as the key", hs256(kid(forge.server.jwt_secret()).as_bytes(), header, claims)),
            ("another user's claims under this user's signature", format!("{}.{bobs_claims}.{}", alices[0], alices[2])),
        ])
        .await;
}

#[actix_web::test]
async fn other_algorithms_are_refused_with_the_right_secret() {
    let forge = Forge::start().await;
    let secret = forge.server.jwt_secret();
    let named = |algorithm: &str| message(with(&forge.header, "alg", algorithm), &forge.claims);
    let mut forged = vec![
        ("HS384".to_owned(), format!("{}.{}", named("HS384"), signature(hmac::HMAC_SHA384, secret, &named("HS384")))),
        ("HS512".to_owned(), format!("{}.{}", named("HS512"), signature(hmac::HMAC_SHA512, secret, &named("HS512")))),
        ("HS512 called HS256".to_owned(), {
            let honest = message(&forge.header, &forge.claims);
            format!("{honest}.{}", signature(hmac::HMAC_SHA512, secret, &honest))
        }),
    ];
    for algorithm in ["hs256", "Hs256", "HS256 ", "HS384", "RS256", "PS256", "ES256", "EdDSA", "dir", "A256KW", "x"] {
        forged.push((format!("{algorithm} with an HS256 signature"), signed(secret, &named(algorithm))));
    }
    forge.assert_refused(forged).await;
}

#[actix_web::test]
async fn no_algorithm_is_none_in_any_spelling() {
    let forge = Forge::start().await;
    let honest_signature = forge.honest.access_token.rsplit('.').next().unwrap();
    let mut forged = Vec::new();
    for algorithm in ["none", "None", "NONE", "nOnE", "none ", "", "\0none", "null", "n\u{f6}ne"] {
        let message = message(with(&forge.header, "alg", algorithm), &forge.claims);
        forged.push((format!("{algorithm:?} without a signature"), format!("{message}.")));
        forged.push((format!("{algorithm:?} without a third part"), message.clone()));
        forged.push((format!("{algorithm:?} with another token's signature"), format!("{message}.{honest_signature}")));
        forged.push((format!("{algorithm:?} with a good signature"), signed(forge.server.jwt_secret(), &message)));
    }
    forge.assert_refused(forged).await;
}

#[actix_web::test]
async fn a_token_is_read_up_to_eight_kibibytes() {
    let forge = Forge::start().await;
    let of_padding = |length| forge.jwt(&forge.header, with(&forge.claims, "padding", "x".repeat(length)));
    let first_too_long = (0..).find(|length| of_padding(*length).len() > 8192).unwrap();

    forge.assert_accepted("the longest", &of_padding(first_too_long - 1)).await;
    forge
        .assert_refused([
            ("a byte of claims more", of_padding(first_too_long)),
            ("60 KiB", of_padding(45_000)),
            ("60 KiB of nothing", "x".repeat(60_000)),
            ("60 KiB of dots", ".".repeat(60_000)),
        ])
        .await;
}

#[actix_web::test]
async fn a_token_that_is_not_ascii_is_refused() {
    let forge = Forge::start().await;
    let token = forge.honest.access_token.as_bytes();
    for (case, bytes) in [
        ("an umlaut", [token, "ä".as_bytes()].concat()),
        ("a byte that is no UTF-8", [token, b"\xff"].concat()),
        ("a no-break space in front", [b"\xc2\xa0", token].concat()),
        ("full-width letters", "ｅｙＪ.ｅｙＪ.ｓｉｇ".into()),
    ] {
        let value = HeaderValue::from_bytes(&[b"Bearer ", bytes.as_slice()].concat()).unwrap();
        let answer = Answer::of(forge.server.request(Method::GET, "/api/profile").header(AUTHORIZATION, value)).await;
        assert_eq!(answer.status, 401, "{case}: {}", answer.raw);
        answer.assert_problem(401, "invalid_token");
        assert_eq!(answer.header("www-authenticate"), REFUSED, "{case}");
    }
    forge.assert_honest_works().await;
}
