//! Access tokens under our own signature whose header is not ours: what a leaked signing oracle or a second issuer with
//! the same key could send. Only what names our type, our algorithm and our key is read.

use serde_json::{Value, json};

use crate::support::forge::{Forge, encoded, hs256, kid, twice, with, without};

/// One signature for each of these headers.
fn under(forge: &Forge, headers: Vec<(String, Value)>) -> Vec<(String, String)> {
    headers.into_iter().map(|(case, header)| (case, forge.jwt(header, &forge.claims))).collect()
}

#[actix_web::test]
async fn a_header_without_one_of_its_members_is_refused() {
    let forge = Forge::start().await;
    let missing = ["typ", "alg", "kid"].map(|name| (format!("no {name}"), without(&forge.header, name)));

    forge.assert_refused(under(&forge, missing.into())).await;
}

#[actix_web::test]
async fn a_member_of_another_type_is_refused() {
    let forge = Forge::start().await;
    let mut wrong = Vec::new();
    for name in ["typ", "alg", "kid"] {
        for value in
            [Value::Null, json!(1), json!(true), json!([forge.header[name]]), json!({"is": forge.header[name]})]
        {
            wrong.push((format!("{name} is {value}"), with(&forge.header, name, value)));
        }
    }
    forge.assert_refused(under(&forge, wrong)).await;
}

#[actix_web::test]
async fn a_member_that_comes_twice_is_refused() {
    let forge = Forge::start().await;
    let doubled = ["typ", "alg", "kid"].map(|name| (format!("{name} twice"), twice(&forge.header, name)));
    let crit = twice(&with(&forge.header, "crit", json!(["exp"])), "crit");
    let escaped = forge.header.to_string().replacen('{', r#"{"\u0061lg":"none","#, 1);

    let headers = doubled.into_iter().chain([("crit twice".into(), crit), ("alg twice, once escaped".into(), escaped)]);
    forge.assert_refused(headers.map(|(case, header)| (case, forge.jwt(header, &forge.claims)))).await;
}

#[actix_web::test]
async fn a_key_is_found_by_its_exact_name_and_never_by_trying() {
    let forge = Forge::start().await;
    let ours = kid(forge.server.jwt_secret());
    let kids = [
        "",
        "hs-00000000",
        "hs-",
        &ours[..ours.len() - 1],
        &format!("{ours}0"),
        &format!(" {ours}"),
        &format!("{ours}\0"),
        &ours.to_uppercase(),
        &kid(forge.server.refresh_token_secret()),
        "../../../../dev/null",
        "/dev/null",
        "file:///etc/passwd",
        "' OR '1'='1",
        "x' UNION SELECT 'k' --",
        "$(id)",
        "| id",
        "*",
    ];
    let forged = kids.map(|kid| (format!("kid {kid:?}"), with(&forge.header, "kid", kid)));

    forge.assert_refused(under(&forge, forged.into())).await;
}

#[actix_web::test]
async fn a_kid_that_points_at_a_file_brings_no_empty_key() {
    let forge = Forge::start().await;
    let forged = ["../../../../dev/null", "/dev/null", "' UNION SELECT '' --"]
        .map(|kid| (kid, hs256(b"", with(&forge.header, "kid", kid), &forge.claims)));

    forge.assert_refused(forged).await;
}

#[actix_web::test]
async fn another_type_of_token_is_refused() {
    let forge = Forge::start().await;
    let types =
        ["", "JWT", "jwt", "AT+JWT", "at+JWT", "At+Jwt", "application/at+jwt", "at+jwt ", "at jwt", "rt+jwt", "at"];
    let forged = types.map(|name| (format!("typ {name:?}"), with(&forge.header, "typ", name)));

    forge.assert_refused(under(&forge, forged.into())).await;
}

#[actix_web::test]
async fn extensions_that_must_be_understood_are_not() {
    let forge = Forge::start().await;
    let values = [json!(["exp"]), json!(["b64"]), json!([]), json!("exp"), json!({}), json!(false), Value::Null];
    let forged = values.map(|value| (format!("crit {value}"), with(&with(&forge.header, "crit", value), "b64", false)));

    forge.assert_refused(under(&forge, forged.into())).await;
}

/// Header members with which a token can bring the key of whoever signs with `secret`.
fn brought_keys(secret: &[u8]) -> [(&'static str, Value); 5] {
    let key = json!({"kty": "oct", "alg": "HS256", "k": encoded(secret), "kid": kid(secret)});
    [
        ("jwk", key),
        ("jku", json!("https://attacker.example/jwks.json")),
        ("x5u", json!("https://attacker.example/cert.pem")),
        ("x5c", json!([encoded(secret)])),
        ("x5t#S256", json!(encoded([7; 32]))),
    ]
}

#[actix_web::test]
async fn a_token_that_brings_its_own_key_is_refused() {
    let forge = Forge::start().await;
    let attacker = b"2WcQv8nZrT5yXk0LmPfJ9hBdSgUa7RtE";
    let mut forged = Vec::new();
    for (member, value) in brought_keys(attacker) {
        let header = with(&forge.header, member, value);
        let renamed = with(&header, "kid", kid(attacker));
        forged.push((format!("{member} and our kid"), hs256(attacker, &header, &forge.claims)));
        forged.push((format!("{member} and its kid"), hs256(attacker, &renamed, &forge.claims)));
        forged.push((format!("{member} and no kid"), hs256(attacker, without(&renamed, "kid"), &forge.claims)));
    }
    forge.assert_refused(forged).await;
}

#[actix_web::test]
async fn a_key_in_the_header_of_a_token_that_we_signed_is_ignored() {
    let forge = Forge::start().await;
    for (member, value) in brought_keys(b"2WcQv8nZrT5yXk0LmPfJ9hBdSgUa7RtE") {
        let token = forge.jwt(with(&forge.header, member, value), &forge.claims);
        forge.assert_accepted(member, &token).await;
    }
}
