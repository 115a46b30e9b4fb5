//! Access tokens under our own signature whose claims are not ours.

use serde_json::{Value, json};

use crate::support::forge::{Forge, twice, with, without};

const CLAIMS: [&str; 11] = ["iss", "aud", "sub", "client_id", "username", "roles", "sid", "ver", "iat", "exp", "jti"];

/// The default lifetime of an access token, in seconds.
const TTL: i64 = 900;

/// A signature for each of these claims.
fn over(forge: &Forge, claims: Vec<(String, Value)>) -> Vec<(String, String)> {
    claims.into_iter().map(|(case, claims)| (case, forge.jwt(&forge.header, claims))).collect()
}

#[actix_web::test]
async fn a_token_without_one_of_its_claims_is_refused() {
    let forge = Forge::start().await;
    let missing = CLAIMS.map(|name| (format!("no {name}"), without(&forge.claims, name)));

    forge.assert_refused(over(&forge, missing.into())).await;
}

#[actix_web::test]
async fn a_claim_of_another_type_is_refused() {
    let forge = Forge::start().await;
    let mut wrong = Vec::new();
    for name in CLAIMS {
        let right = &forge.claims[name];
        let as_text = right.as_str().map_or_else(|| right.to_string(), |text| format!("{text} "));
        let text_or_number = if right.is_number() { json!(as_text) } else { json!(1) };
        let nested = json!({ "is": right });
        for value in [Value::Null, json!(true), json!([right]), nested, json!([]), json!(1.5), text_or_number] {
            // An empty list is the right type for the roles, and a user may have none.
            if name != "roles" || value != json!([]) {
                wrong.push((format!("{name} is {value}"), with(&forge.claims, name, value)));
            }
        }
    }
    forge.assert_refused(over(&forge, wrong)).await;
}

#[actix_web::test]
async fn a_claim_that_comes_twice_is_refused() {
    let forge = Forge::start().await;
    let doubled = CLAIMS.map(|name| (format!("{name} twice"), forge.jwt(&forge.header, twice(&forge.claims, name))));
    let escaped = forge.claims.to_string().replacen('{', r#"{"\u0065xp":1,"#, 1);

    let escaped = ("exp twice, once escaped".to_owned(), forge.jwt(&forge.header, escaped));
    forge.assert_refused(doubled.into_iter().chain([escaped])).await;
}

#[actix_web::test]
async fn a_claim_that_nobody_asked_for_is_ignored() {
    let forge = Forge::start().await;
    let more = with(&with(&forge.claims, "admin", true), "nbf", 4_000_000_000_i64);

    forge.assert_accepted("more claims", &forge.jwt(&forge.header, more)).await;
}

#[actix_web::test]
async fn another_issuer_or_audience_is_refused() {
    let forge = Forge::start().await;
    let mut forged = Vec::new();
    for name in ["iss", "aud"] {
        for value in [
            json!(""),
            json!("Latchkey"),
            json!("latchkey "),
            json!("latchkey/"),
            json!("https://latchkey"),
            json!("latchkey2"),
            json!("latch\0key"),
            json!(["latchkey"]),
            json!(["latchkey", "other"]),
        ] {
            forged.push((format!("{name} is {value}"), with(&forge.claims, name, value)));
        }
    }
    forge.assert_refused(over(&forge, forged)).await;
}

#[actix_web::test]
async fn ids_that_are_none_and_names_and_roles_that_nobody_has_are_refused() {
    let forge = Forge::start().await;
    let mut forged = Vec::new();
    for name in ["sub", "sid", "jti"] {
        for value in ["", "alice", "1", "' OR 1=1 --", "00000000-0000-0000-0000-00000000000g"] {
            forged.push((format!("{name} is {value:?}"), with(&forge.claims, name, value)));
        }
    }
    for value in ["", "al", "<script>", "alice\n", "al ice", "älice"] {
        forged.push((format!("username is {value:?}"), with(&forge.claims, "username", value)));
    }
    for value in [json!("admin"), json!(["root"]), json!(["Admin"]), json!(["user", ""]), json!([["admin"]]), json!({})]
    {
        forged.push((format!("roles is {value}"), with(&forge.claims, "roles", value)));
    }
    forge.assert_refused(over(&forge, forged)).await;
}

#[actix_web::test]
async fn an_end_that_is_past_or_no_whole_number_is_refused() {
    let forge = Forge::at_rest().await;
    let now = forge.claims["iat"].as_i64().unwrap();
    let issued_earlier = with(&forge.claims, "iat", now - TTL);
    let ends = [
        ("now", json!(now)),
        ("a second ago", json!(now - 1)),
        ("zero", json!(0)),
        ("negative", json!(-1)),
        ("the least there is", json!(i64::MIN)),
        ("in a string", json!((now + 60).to_string())),
        ("a fraction", json!(now as f64 + 60.5)),
        ("whole, but written as a fraction", json!(now as f64 + 60.0)),
        ("a list", json!([now + 60])),
    ];
    let forged = ends.map(|(case, end)| (case.to_owned(), with(&issued_earlier, "exp", end)));

    let last_second = with(&with(&forge.claims, "iat", now + 1 - TTL), "exp", now + 1);
    forge.assert_accepted("one second left", &forge.jwt(&forge.header, last_second)).await;
    forge.assert_refused(over(&forge, forged.into())).await;
}

#[actix_web::test]
async fn numbers_written_otherwise_are_refused() {
    let forge = Forge::at_rest().await;
    let exp = forge.claims["exp"].as_i64().unwrap();
    let written =
        |number: String| forge.claims.to_string().replace(&format!("\"exp\":{exp}"), &format!("\"exp\":{number}"));
    let numbers = [
        format!("{exp}.0"),
        format!("{exp}e0"),
        format!("0{exp}"),
        format!("+{exp}"),
        format!("0x{exp:x}"),
        "9223372036854775808".to_owned(),
        "18446744073709551616".to_owned(),
        "1e400".to_owned(),
        "-0".to_owned(),
        "NaN".to_owned(),
        "Infinity".to_owned(),
    ];
    forge.assert_refused(numbers.map(|number| (number.clone(), forge.jwt(&forge.header, written(number))))).await;
}

#[actix_web::test]
async fn a_token_that_would_live_longer_than_ours_do_is_refused() {
    let forge = Forge::at_rest().await;
    let now = forge.claims["iat"].as_i64().unwrap();
    let mut forged = Vec::new();
    for (iat, exp) in [
        (now, now + TTL + 1),
        (now - 1, now + TTL),
        (now - 86_400, now + 60),
        (0, now + 60),
        (i64::MIN, now + 60),
        (-1, now + 60),
        (now, i64::MAX),
        (now, i64::MAX / 1000),
        (now, 253_402_300_799),
        (i64::MIN, i64::MAX),
    ] {
        let claims = with(&with(&forge.claims, "iat", iat), "exp", exp);
        forged.push((format!("from {iat} to {exp}"), claims));
    }
    forge.assert_refused(over(&forge, forged)).await;
}

#[actix_web::test]
async fn a_token_from_the_future_is_refused_beyond_five_seconds() {
    let forge = Forge::at_rest().await;
    let now = forge.claims["iat"].as_i64().unwrap();
    let issued_at = |iat: i64| with(&with(&forge.claims, "iat", iat), "exp", iat.saturating_add(60));

    forge.assert_accepted("5 s", &forge.jwt(&forge.header, issued_at(now + 5))).await;
    let future = [now + 6, now + TTL, i64::MAX / 1000, i64::MAX];
    forge.assert_refused(over(&forge, future.map(|iat| (format!("iat {iat}"), issued_at(iat))).into())).await;
}

#[actix_web::test]
async fn a_refresh_token_is_no_access_token() {
    let forge = Forge::start().await;

    forge.assert_refused([("a refresh token", forge.honest.refresh_token.clone())]).await;
}
