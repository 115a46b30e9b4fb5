//! A service of its own that believes Latchkey's access tokens by its public keys, and does not ask it about each. `JWT_ISSUER` and
//! `JWT_AUDIENCE` are the server's. A logout is seen here only when the access token ends. Beside a server with an EdDSA or ES256 key:
//! `LATCHKEY_URL=http://127.0.0.1:3000 PORT=4000 cargo run --example resource_server`

use std::{env, io, time::Duration, time::Instant};

use actix_web::error::{ErrorServiceUnavailable, InternalError};
use actix_web::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use actix_web::{App, Error, HttpRequest, HttpResponse, HttpServer, get, web::Data};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use tokio::sync::{Mutex, RwLock};

/// So old may the keys get: one that leaked and was taken out is not believed for longer.
const OLDEST: Duration = Duration::from_secs(600);

#[get("/orders")]
async fn orders(request: HttpRequest, keys: Data<Keys>) -> Result<String, Error> {
    let header = request.headers().get(AUTHORIZATION).and_then(|header| header.to_str().ok()?.split_once(' '));
    let (_, token) = header.filter(|(it, _)| it.eq_ignore_ascii_case("bearer")).ok_or_else(|| unauthorized(""))?;
    // Whose orders, says `sub`: a name can be somebody else's one day.
    let Claims { sub, username } = keys.verify(token).await?;
    Ok(format!("The orders of {username}, account {sub}\n"))
}

fn unauthorized(why: &str) -> Error {
    let challenge = (WWW_AUTHENTICATE, format!(r#"Bearer realm="orders"{why}"#));
    InternalError::from_response("", HttpResponse::Unauthorized().insert_header(challenge).finish()).into()
}

#[derive(serde::Deserialize)]
struct Claims {
    sub: String,
    username: String,
}

/// Latchkey's public keys, and when they were asked for last. Anybody can make up a `kid`: however many do, the keys are not
/// asked for more often than the floor, and whoever's key is known does not wait for that.
struct Keys {
    url: String,
    floor: Duration,
    known: RwLock<JwkSet>,
    asked: Mutex<Option<Instant>>,
}

impl Keys {
    async fn verify(&self, token: &str) -> Result<Claims, Error> {
        let refused = || unauthorized(r#", error="invalid_token""#);
        let header = decode_header(token).map_err(|_| refused())?;
        // Not another kind of JWT by the same issuer (RFC 9068 §4).
        let kid = header.kid.filter(|_| header.typ.as_deref() == Some("at+jwt")).ok_or_else(refused)?;
        let key = self.key(&kid).await?.ok_or_else(refused)?;
        // The key's algorithm and no other, whatever the token says.
        let algorithm = key.common.key_algorithm.and_then(|name| name.to_string().parse().ok()).ok_or_else(refused)?;
        let mut expected = Validation::new(algorithm);
        expected.set_issuer(&[setting("JWT_ISSUER", "latchkey")]);
        expected.set_audience(&[setting("JWT_AUDIENCE", "latchkey")]);
        expected.leeway = 5;
        // Without this, a token that lacks one of them would pass.
        expected.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let key = DecodingKey::from_jwk(&key).map_err(|_| refused())?;
        Ok(decode(token, &key, &expected).map_err(|_| refused())?.claims)
    }

    async fn key(&self, kid: &str) -> Result<Option<Jwk>, Error> {
        let is_known = self.known.read().await.find(kid).is_some();
        // One fetch at a time. Whoever comes meanwhile with another `kid` waits here, and finds what it brought.
        let asked = if is_known { self.asked.try_lock().ok() } else { Some(self.asked.lock().await) };
        let good_for = if is_known { OLDEST } else { self.floor };
        if let Some(mut asked) = asked.filter(|asked| asked.is_none_or(|asked| asked.elapsed() >= good_for)) {
            // What was known stays known while Latchkey does not answer.
            let asking = reqwest::Client::new().get(&self.url).timeout(Duration::from_secs(3)).send();
            let fetched = async { asking.await?.error_for_status()?.json().await }.await;
            let mut known = self.known.write().await;
            fetched.map_or_else(|error: reqwest::Error| eprintln!("no keys: {error}"), |keys| *known = keys);
            *asked = Some(Instant::now());
        }
        let known = self.known.read().await;
        if known.keys.is_empty() { Err(ErrorServiceUnavailable("no keys\n")) } else { Ok(known.find(kid).cloned()) }
    }
}

fn setting(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}

#[actix_web::main]
async fn main() -> io::Result<()> {
    let url = setting("LATCHKEY_URL", "http://127.0.0.1:3000") + "/.well-known/jwks.json";
    let floor = Duration::from_secs(setting("JWKS_FLOOR_SECONDS", "10").parse().map_err(io::Error::other)?);
    let known = RwLock::new(JwkSet { keys: Vec::new() });
    let keys = Data::new(Keys { url, floor, known, asked: Mutex::default() });
    let address = format!("127.0.0.1:{}", setting("PORT", "4000"));
    let server = HttpServer::new(move || App::new().app_data(keys.clone()).service(orders)).bind(address)?;
    server.addrs().iter().for_each(|address| println!("listening on http://{address}"));
    server.run().await
}
