//! Access-token verification (`tokens::access`).
//!
//! Claims: `verify` never panics; what it accepts carries our MAC and is spelt in the one way; its header names our type,
//! key and algorithm and no extension; its claims are one object with each member once, for our issuer and audience,
//! not over, not from the future, and no longer-lived than ours; and the identity says what the claims say. What
//! `mint` makes is accepted until it ends, and not from then on.
//!
//! The first byte of an input says how the rest becomes a token. Behind it the MAC is right whatever the fuzzer wrote, so
//! that the parser behind the MAC is reached; the lines are separated by line feeds (JSON needs none):
//!
//! - `r` raw: the text as it is
//! - `s` signed: a line of header JSON, then claims JSON; an empty header line stands for ours
//! - `e` the same, but the two are signed as they are written, so that what is no base64 is reached
//! - `c` claims: lines `name=JSON`, each written over our own claim of that name or added to them; `name` alone takes it
//!   out, `+name=JSON` adds a second one, `@MILLIS` moves the time of the verification, `#MILLIS` says it
//! - `p` patched: our own token with bytes written over it, each with its place before it (2 bytes)
//! - `m` minted: ttl in seconds (4 bytes), the grant's time and the session's end in milliseconds (8 each), and the
//!   time of the verification (8), relative to the grant's

#![no_main]

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey::clock::Timestamp;
use latchkey::config::Secret;
use latchkey::error::Error;
use latchkey::tokens::access::{AccessTokens, Claimed, Identity};
use latchkey::tokens::grant::Grant;
use latchkey::tokens::keys::hs256_kid;
use latchkey::tokens::principal::{Principal, Role, UserId, Username, Version};
use latchkey::tokens::refresh::{Generation, SessionId};
use libfuzzer_sys::fuzz_target;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use uuid::Uuid;

/// For these tests only; no service was ever started with it.
const SECRET: &[u8] = b"fuzzing only, never a service: TqvB_cR3o0XyJm-8dZf5KwLs1n";
const ISSUER: &str = "https://issuer.test";
const AUDIENCE: &str = "https://audience.test";
const TTL: i64 = 900;
/// 2023-11-14T22:13:20.123Z, in the middle of a second so that rounding shows.
const NOW: i64 = 1_700_000_000_123;
const IAT_LEEWAY_MILLIS: i64 = 5_000;
const LONGEST: usize = 8 * 1024;
/// The members of the header that decide something.
const HEADER: [&str; 4] = ["typ", "alg", "kid", "crit"];
/// The members of the claims that decide or say something.
const CLAIMS: [&str; 11] = ["iss", "aud", "sub", "client_id", "username", "roles", "sid", "ver", "iat", "exp", "jti"];
const USER: Uuid = Uuid::from_u128(0x0192_3f5e_8a00_7000_8000_0000_0000_0001);
const SESSION: Uuid = Uuid::from_u128(0x0192_3f5e_8a00_7000_8000_0000_0000_0002);

type Members = BTreeMap<&'static str, Value>;

static TOKENS: LazyLock<AccessTokens> = LazyLock::new(|| tokens(TTL as u64));
static KID: LazyLock<String> = LazyLock::new(|| hs256_kid(&Secret::new(SECRET.to_vec())));

fuzz_target!(|input: &[u8]| {
    let Some((way, rest)) = input.split_first() else { return };
    match way {
        b's' => {
            let (header, claims) = two_lines(rest);
            check(&TOKENS, &signed(&encoded(header), &encoded(claims)), NOW);
        }
        b'e' => {
            let (header, claims) = two_lines(rest);
            let (Ok(header), Ok(claims)) = (str::from_utf8(header), str::from_utf8(claims)) else { return };
            check(&TOKENS, &signed(header, claims), NOW);
        }
        b'c' => {
            let Ok(lines) = str::from_utf8(rest) else { return };
            let (claims, now) = edited(lines);
            check(&TOKENS, &signed(&our_header(), &encoded(claims.as_bytes())), now);
        }
        b'p' => patched(rest),
        b'm' => minted(rest),
        _ => {
            check(&TOKENS, &String::from_utf8_lossy(rest), NOW);
        }
    }
});

fn tokens(ttl: u64) -> AccessTokens {
    let claimed = Claimed { issuer: ISSUER, audience: AUDIENCE, ttl: Duration::from_secs(ttl) };
    AccessTokens::hs256(&Secret::new(SECRET.to_vec()), claimed).expect("a key")
}

/// Verifies, and holds what was accepted against everything that is claimed above.
fn check(tokens: &AccessTokens, token: &str, now: i64) -> Option<Identity> {
    match tokens.verify(token, Timestamp::from_millis(now)) {
        Ok(identity) => {
            hold_to_the_claims(token, now, &identity);
            Some(identity)
        }
        Err(refusal) => {
            assert_eq!(refusal, Error::InvalidToken);
            None
        }
    }
}

/// Reads the token once more, from the documents and not with the service's code.
fn hold_to_the_claims(token: &str, now: i64, identity: &Identity) {
    assert!(token.len() <= LONGEST, "{} bytes", token.len());
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("{} parts: {token}", parts.len()) };
    assert_eq!(mac(&format!("{header}.{claims}")), signature, "not our MAC, or another spelling of it: {token}");

    let header = members(header, &HEADER);
    assert_eq!((&header["typ"], &header["alg"]), (&Value::from("at+jwt"), &Value::from("HS256")), "{token}");
    assert_eq!(header["kid"], Value::from(KID.as_str()), "{token}");
    assert!(!header.contains_key("crit"), "{token}");

    let claims = members(claims, &CLAIMS);
    assert_eq!((&claims["iss"], &claims["aud"]), (&Value::from(ISSUER), &Value::from(AUDIENCE)), "{token}");
    for text in ["client_id", "jti"] {
        assert!(claims[text].is_string(), "{text}: {token}");
    }
    let whole = |name: &str| claims[name].as_i64().unwrap_or_else(|| panic!("{name} is no whole number: {token}"));
    let (iat, exp) = (whole("iat"), whole("exp"));
    assert!(i128::from(exp) * 1000 > i128::from(now), "over since {exp}, at {now}");
    assert!(i128::from(iat) * 1000 <= i128::from(now) + i128::from(IAT_LEEWAY_MILLIS), "from {iat}, at {now}");
    assert!(i128::from(exp) - i128::from(iat) <= i128::from(TTL), "from {iat} to {exp}");

    let id = |name: &str| Uuid::parse_str(claims[name].as_str().expect("text")).expect("a UUID");
    let Principal { id: user, username, roles, version } = &identity.principal;
    assert_eq!((user.0, identity.session.0, version.0), (id("sub"), id("sid"), whole("ver")), "{token}");
    id("jti");
    assert_eq!(i128::from(identity.expires_at.as_millis()), i128::from(exp) * 1000);
    assert_eq!(Value::from(username.as_str()), claims["username"]);
    assert!((3..=64).contains(&username.as_str().len()), "{username}");
    let named: Vec<Value> = roles.iter().map(|role| Value::from(role.as_str())).collect();
    assert_eq!(Value::from(named), claims["roles"]);
}

/// The members of these names, of an encoded object in which none of them comes twice. What another member holds is
/// skipped by the service as well.
fn members(part: &str, names: &'static [&'static str]) -> Members {
    let json = URL_SAFE_NO_PAD.decode(part).expect("unpadded base64url");
    let mut json = serde_json::Deserializer::from_slice(&json);
    let members = json.deserialize_map(Named(names)).expect("an object");
    json.end().expect("one object");
    members
}

struct Named(&'static [&'static str]);

impl<'de> Visitor<'de> for Named {
    type Value = Members;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Members::new();
        while let Some(name) = map.next_key::<String>()? {
            match self.0.iter().find(|known| **known == name) {
                Some(known) => assert!(members.insert(known, map.next_value()?).is_none(), "{known} came twice"),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(members)
    }
}

/// Our own claims with the edits of these lines, and the time that they say.
fn edited(lines: &str) -> (String, i64) {
    let mut now = NOW;
    let mut claims = our_claims();
    for line in lines.split('\n') {
        let number = |text: &str| text.parse::<i64>().unwrap_or(0);
        if let Some(millis) = line.strip_prefix('@') {
            now = now.saturating_add(number(millis));
        } else if let Some(millis) = line.strip_prefix('#') {
            now = number(millis);
        } else if let Some((name, json)) = line.strip_prefix('+').and_then(|line| line.split_once('=')) {
            claims.push((name.to_owned(), json.to_owned()));
        } else if let Some((name, json)) = line.split_once('=') {
            claims.retain(|(known, _)| known != name);
            claims.push((name.to_owned(), json.to_owned()));
        } else {
            claims.retain(|(known, _)| known != line);
        }
    }
    let members: Vec<String> = claims.iter().map(|(name, json)| format!("\"{name}\":{json}")).collect();
    (format!("{{{}}}", members.join(",")), now)
}

fn our_claims() -> Vec<(String, String)> {
    let iat = NOW / 1000;
    let text = |text: &dyn fmt::Display| format!("\"{text}\"");
    [
        ("iss", text(&ISSUER)),
        ("aud", text(&AUDIENCE)),
        ("sub", text(&USER)),
        ("client_id", text(&"first-party")),
        ("username", text(&"alice")),
        ("roles", "[\"user\"]".to_owned()),
        ("sid", text(&SESSION)),
        ("ver", "1".to_owned()),
        ("iat", iat.to_string()),
        ("exp", (iat + TTL).to_string()),
        ("jti", text(&USER)),
    ]
    .map(|(name, json)| (name.to_owned(), json))
    .into()
}

/// A token of ours is accepted, and no longer when anything in it was changed.
fn patched(patches: &[u8]) {
    let (claims, now) = edited("");
    let ours = signed(&our_header(), &encoded(claims.as_bytes()));
    assert!(check(&TOKENS, &ours, now).is_some(), "our own token was refused: {ours}");
    let mut text = ours.clone().into_bytes();
    for patch in patches.chunks_exact(3) {
        // Past the end it makes the text longer.
        match text.get_mut(usize::from(patch[0]) << 8 | usize::from(patch[1])) {
            Some(byte) => *byte = patch[2],
            None => text.push(patch[2]),
        }
    }
    let Ok(text) = String::from_utf8(text) else { return };
    if text != ours {
        assert_eq!(check(&TOKENS, &text, now), None, "a changed token was accepted: {text}");
    }
}

/// What the service makes of any grant, it takes until the end of the token and not from then on.
fn minted(rest: &[u8]) {
    let Some((ttl, rest)) = rest.split_first_chunk::<4>() else { return };
    let mut times = rest.chunks_exact(8).map(|bytes| i64::from_be_bytes(bytes.try_into().expect("eight bytes")));
    let (Some(granted), Some(ends), Some(after)) = (times.next(), times.next(), times.next()) else { return };
    // The claim is about this TTL; another one is checked by its own verifier below.
    let ttl = u32::from_be_bytes(*ttl);
    let tokens = tokens(u64::from(ttl));
    let principal = Principal {
        id: UserId(USER),
        username: Username::parse("alice").expect("a name"),
        roles: vec![Role::User, Role::Admin],
        version: Version(7),
    };
    let moment = Timestamp::from_millis;
    let grant = Grant {
        session: SessionId(SESSION),
        generation: Generation::FIRST,
        generated_at: moment(granted),
        principal: principal.clone(),
        granted_at: moment(granted),
        idle_expires_at: moment(ends),
        absolute_expires_at: moment(ends),
    };
    let token = tokens.mint(&grant).expect("a token");
    let iat = i128::from(granted.div_euclid(1000));
    let exp = (iat + i128::from(ttl)).min(i128::from(ends.div_euclid(1000)));
    let now = granted.saturating_add(after);

    let identity = tokens.verify(&token.text, moment(now));

    // What cannot be said in milliseconds is no time that a clock shows.
    let sayable = |seconds: i128| i64::try_from(seconds * 1000).is_ok();
    let alive = i128::from(now) < exp * 1000 && iat * 1000 <= i128::from(now) + i128::from(IAT_LEEWAY_MILLIS);
    if i128::from(now) + i128::from(IAT_LEEWAY_MILLIS) > i128::from(i64::MAX) || !sayable(exp) || !sayable(iat) {
        return;
    }
    assert_eq!(identity.is_ok(), alive, "ttl {ttl}, granted {granted}, ends {ends}, now {now}");
    if let Ok(identity) = identity {
        assert_eq!((identity.principal, identity.session.0), (principal, SESSION));
        assert!(identity.expires_at.as_millis() <= ends, "it outlives its session");
    }
    assert_ne!(tokens.mint(&grant).expect("a token").text, token.text, "two tokens with one jti");
}

fn two_lines(rest: &[u8]) -> (&[u8], &[u8]) {
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let (first, rest) = rest.split_at(end);
    (first, rest.get(1..).unwrap_or_default())
}

fn encoded(json: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(json)
}

fn our_header() -> String {
    encoded(format!(r#"{{"typ":"at+jwt","alg":"HS256","kid":"{}"}}"#, KID.as_str()).as_bytes())
}

/// Under the right MAC, whatever it is. An empty header stands for ours.
fn signed(header: &str, claims: &str) -> String {
    let message = if header.is_empty() { format!("{}.{claims}", our_header()) } else { format!("{header}.{claims}") };
    let signature = mac(&message);
    format!("{message}.{signature}")
}

fn mac(message: &str) -> String {
    URL_SAFE_NO_PAD.encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), message.as_bytes()))
}
