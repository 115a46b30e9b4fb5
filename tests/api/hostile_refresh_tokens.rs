//! Refresh tokens that are not ours, or ours and not what they say.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use uuid::Uuid;

use crate::support::forge::{Forge, encoded, hs256, refresh_token};
use crate::support::{Answer, log};

/// Fails unless each of these tokens is unknown and has no effect: nothing is renewed, and nothing is logged out.
async fn assert_unknown(forge: &Forge, forged: Vec<(String, String)>) {
    for (case, token) in forged {
        let renewal = forge.server.refresh(&token).await;
        assert_eq!(renewal.status, 401, "{case}: {}", renewal.raw);
        renewal.assert_refused("unknown");
        let logout = forge.server.post("/api/logout", &json!({ "refresh_token": token })).await;
        assert_eq!((logout.status, logout.raw.as_str()), (204, ""), "{case}");
    }
    let renewed = forge.assert_honest_works().await.tokens();
    assert_eq!(renewed.refresh_token, forge.generation(2), "the honest session is one renewal old");
}

fn session(forge: &Forge) -> Uuid {
    forge.honest.session_id.parse().unwrap()
}

#[actix_web::test]
async fn a_flipped_bit_in_any_byte_makes_a_stranger_of_a_token() {
    let forge = Forge::start().await;
    let bytes = URL_SAFE_NO_PAD.decode(&forge.honest.refresh_token[4..]).unwrap();
    let forged = (0..bytes.len()).map(|at| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        (format!("byte {at}"), format!("lkr_{}", encoded(bytes)))
    });

    assert_unknown(&forge, forged.collect()).await;
}

#[actix_web::test]
async fn another_spelling_or_length_of_a_token_is_unknown() {
    let forge = Forge::start().await;
    let token = forge.honest.refresh_token.as_str();
    let body = &token[4..];
    let bytes = URL_SAFE_NO_PAD.decode(body).unwrap();
    let forged = [
        ("empty", String::new()),
        ("the prefix alone", "lkr_".to_owned()),
        ("no prefix", body.to_owned()),
        ("the prefix in upper case", format!("LKR_{body}")),
        ("half of the prefix in upper case", format!("Lkr_{body}")),
        ("the prefix twice", format!("lkr_{token}")),
        ("another prefix", format!("lka_{body}")),
        ("the prefix with a dash", format!("lkr-{body}")),
        ("a blank in front", format!(" {token}")),
        ("a blank behind", format!("{token} ")),
        ("a blank instead of the last character", format!("{} ", &token[..75])),
        ("a line end behind", format!("{token}\n")),
        ("a NUL behind", format!("{token}\0")),
        ("a NUL inside", format!("lkr_\0{}", &body[1..])),
        ("padding behind", format!("{token}=")),
        ("padding instead of the last character", format!("{}=", &token[..75])),
        ("one character less", token[..75].to_owned()),
        ("one group less", token[..72].to_owned()),
        ("one character more", format!("{token}A")),
        ("one group more", format!("{token}AAAA")),
        ("one byte less", format!("lkr_{}", encoded(&bytes[..53]))),
        ("one byte more", format!("lkr_{}", encoded([bytes.as_slice(), &[0]].concat()))),
        ("without its MAC", format!("lkr_{}", encoded(&bytes[..22]))),
        ("with half of its MAC", format!("lkr_{}", encoded(&bytes[..38]))),
        ("with a MAC of zeros", format!("lkr_{}", encoded([&bytes[..22], &[0; 32]].concat()))),
        ("in upper case", token.to_uppercase()),
        ("in hexadecimal", bytes.iter().fold("lkr_".to_owned(), |text, byte| format!("{text}{byte:02x}"))),
        ("twice", format!("{token}{token}")),
        ("percent-encoded", token.replacen("lkr_", "lkr%5F", 1)),
        ("a character of another alphabet", format!("lkr_{}é", &body[..70])),
        ("72 characters that are no base64", format!("lkr_{}", "*".repeat(72))),
        ("72 characters of the other alphabet", format!("lkr_{}", "+/".repeat(36))),
        ("the session's id", forge.honest.session_id.clone()),
        ("fifteen thousand characters", format!("lkr_{}", "A".repeat(15_000))),
    ];

    assert_unknown(&forge, forged.map(|(case, token)| (case.to_owned(), token)).into()).await;
}

#[actix_web::test]
async fn an_access_token_is_no_refresh_token() {
    let forge = Forge::start().await;
    let secret = forge.server.refresh_token_secret();
    let forged = [
        ("an access token", forge.honest.access_token.clone()),
        ("an access token under the prefix", format!("lkr_{}", forge.honest.access_token)),
        ("a JWT under the refresh tokens' key", hs256(secret, &forge.header, &forge.claims)),
    ];

    assert_unknown(&forge, forged.map(|(case, token)| (case.to_owned(), token)).into()).await;
}

#[actix_web::test]
async fn fields_that_we_never_sign_are_unknown_even_under_our_mac() {
    let forge = Forge::start().await;
    let (secret, session) = (forge.server.refresh_token_secret(), session(&forge));
    let mut forged = vec![("generation 0".to_owned(), refresh_token(secret, 1, 1, session, 0))];
    for other in [0, 2, 255] {
        forged.push((format!("version {other}"), refresh_token(secret, other, 1, session, 1)));
        forged.push((format!("key id {other}"), refresh_token(secret, 1, other, session, 1)));
    }

    assert_unknown(&forge, forged).await;
}

#[actix_web::test]
async fn any_other_keys_mac_is_unknown() {
    let forge = Forge::start().await;
    let session = session(&forge);
    let forged = [
        ("the access tokens' key", forge.server.jwt_secret()),
        ("an attacker's key", b"2WcQv8nZrT5yXk0LmPfJ9hBdSgUa7RtE"),
        ("an empty key", b""),
    ];

    let forged = forged.map(|(case, secret)| (case.to_owned(), refresh_token(secret, 1, 1, session, 1)));
    assert_unknown(&forge, forged.into()).await;
}

#[actix_web::test]
async fn a_session_that_nobody_remembers_is_unknown_even_under_our_mac() {
    let forge = Forge::start().await;
    let secret = forge.server.refresh_token_secret();
    let mut neighbour = *session(&forge).as_bytes();
    neighbour[15] ^= 1;
    let sessions = [Uuid::nil(), Uuid::max(), Uuid::from_bytes(neighbour)];

    let forged = sessions.map(|session| (session.to_string(), refresh_token(secret, 1, 1, session, 1)));
    assert_unknown(&forge, forged.into()).await;
}

/// Presents a generation of the honest session that was never given out.
async fn renew_from_the_future(forge: &Forge, generation: u32) -> Answer {
    let answer = forge.server.refresh(&forge.generation(generation)).await;
    answer.assert_refused("reused");
    answer
}

#[actix_web::test]
async fn a_generation_that_was_never_given_out_ends_the_session() {
    for generation in [2, 3, 1_000_000, u32::MAX - 1, u32::MAX] {
        let forge = Forge::start().await;

        renew_from_the_future(&forge, generation).await;

        forge.server.refresh(&forge.honest.refresh_token).await.assert_refused("revoked");
        forge.server.refresh(&forge.generation(generation)).await.assert_refused("revoked");
        forge.server.get_with("/api/profile", &forge.honest.access_token).await.assert_problem(401, "invalid_token");
    }
}

#[actix_web::test]
async fn a_generation_that_was_never_given_out_is_logged_as_a_rollback() {
    log::keep();
    let forge = Forge::start().await;

    renew_from_the_future(&forge, 2).await;

    let lines = log::lines_with(&forge.honest.session_id);
    let reuse: Vec<_> = lines.iter().filter(|line| line.contains("authn_token_reuse")).collect();
    assert_eq!(reuse.len(), 1, "{lines:?}");
    assert!(reuse[0].contains("WARN") && reuse[0].contains("rollback_detected=true"), "{reuse:?}");
    assert!(reuse[0].contains(&forge.server.user_id("alice").await.to_string()), "{reuse:?}");
}

#[actix_web::test]
async fn a_spent_generation_is_logged_as_reuse_and_not_as_a_rollback() {
    log::keep();
    let forge = Forge::at_rest().await;
    forge.server.refresh(&forge.honest.refresh_token).await.tokens();
    forge.server.stop_time().pass(std::time::Duration::from_secs(10));

    forge.server.refresh(&forge.honest.refresh_token).await.assert_refused("reused");

    let lines = log::lines_with(&forge.honest.session_id);
    assert!(lines.iter().any(|line| line.contains("rollback_detected=false")), "{lines:?}");
}
