//! Several keys in one ring: each does its own algorithm under its own name. One key, over HTTP: `tests/api/hostile_jwt_*.rs`.

use serde_json::{Value, json};

use super::*;
use crate::tokens::keys::{Algorithm, PrivateJwk};
use crate::tokens::refresh::Generation;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const TTL: Duration = Duration::from_secs(900);

/// A ring with a key of each algorithm, one after the other, and the same keys to forge with.
struct Several {
    tokens: AccessTokens,
    keys: Vec<SigningKey>,
}

impl Several {
    fn new() -> Self {
        let drawn = Algorithm::ALL.map(|algorithm| PrivateJwk::draw(algorithm).unwrap());
        let parsed = || drawn.iter().map(|jwk| jwk.signing_key().unwrap());
        let terms = (0..).map(|index| {
            let activates_at = NOW.plus(TTL * index);
            let retires_at = (index < 2).then(|| NOW.plus(TTL * (index + 1)));
            Term { activates_at, retires_at }
        });
        let claimed = Claimed { issuer: "issuer", audience: "audience", ttl: TTL };
        let tokens = AccessTokens::new(parsed().zip(terms).collect(), claimed).unwrap();
        Self { tokens, keys: parsed().collect() }
    }

    fn key(&self, algorithm: Algorithm) -> &SigningKey {
        self.keys.iter().find(|key| key.algorithm() == algorithm).unwrap()
    }

    fn minted(&self, now: Timestamp) -> String {
        self.tokens.mint(&grant(now)).unwrap().text
    }

    /// The claims of a good token under this header, signed by this key.
    fn forged(&self, header: &Value, signer: &SigningKey) -> String {
        let good = self.minted(NOW);
        let claims = good.split('.').nth(1).unwrap();
        let message = format!("{}.{claims}", URL_SAFE_NO_PAD.encode(header.to_string()));
        let signature = URL_SAFE_NO_PAD.encode(signer.sign(message.as_bytes()).unwrap());
        format!("{message}.{signature}")
    }

    fn accepts(&self, token: &str) -> bool {
        self.tokens.verify(token, NOW).is_ok()
    }
}

fn header(alg: &str, kid: &str) -> Value {
    json!({"typ": "at+jwt", "alg": alg, "kid": kid})
}

fn grant(now: Timestamp) -> Grant {
    Grant {
        session: SessionId(Uuid::from_u128(1)),
        generation: Generation::FIRST,
        generated_at: now,
        principal: Principal {
            id: UserId(Uuid::from_u128(2)),
            username: Username::parse("ada").unwrap(),
            roles: vec![Role::User],
            version: Version(1),
        },
        granted_at: now,
        idle_expires_at: now.plus(TTL * 10),
        absolute_expires_at: now.plus(TTL * 10),
    }
}

#[test]
fn every_key_is_found_by_its_name_and_its_algorithm_together_and_by_nothing_else() {
    let several = Several::new();
    for key in &several.keys {
        for algorithm in Algorithm::ALL {
            let forged = several.forged(&header(algorithm.name(), key.kid()), key);
            assert_eq!(several.accepts(&forged), algorithm == key.algorithm(), "{}", algorithm.name());
        }
        for signer in &several.keys {
            let forged = several.forged(&header(key.algorithm().name(), key.kid()), signer);
            assert_eq!(several.accepts(&forged), signer.kid() == key.kid());
        }
    }
}

#[test]
fn a_name_that_is_not_exactly_a_keys_is_nobodys() {
    let several = Several::new();
    let key = several.key(Algorithm::EdDsa);
    let shorter = &key.kid()[..42];
    for kid in ["", shorter, &format!("{} ", key.kid()), &key.kid().to_lowercase(), "../../dev/null", "' OR 1=1 --"] {
        assert!(!several.accepts(&several.forged(&header("EdDSA", kid), key)), "{kid}");
    }
    assert!(!several.accepts(&several.forged(&json!({"typ": "at+jwt", "alg": "EdDSA"}), key)));
    let doubled = format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{0}","kid":"{0}"}}"#, key.kid());
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(doubled), several.minted(NOW).split('.').nth(1).unwrap());
    let signature = URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()).unwrap());
    assert!(!several.accepts(&format!("{message}.{signature}")));
}

#[test]
fn what_is_public_of_a_key_is_no_secret_to_sign_with() {
    let several = Several::new();
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256] {
        let key = several.key(algorithm);
        let jwk = serde_json::to_value(key.public_jwk().unwrap()).unwrap();
        let x = jwk["x"].as_str().unwrap();
        for public in [x.as_bytes().to_vec(), URL_SAFE_NO_PAD.decode(x).unwrap(), jwk.to_string().into_bytes()] {
            let forger = SigningKey::hs256(&Secret::new(public));
            assert!(!several.accepts(&several.forged(&header("HS256", key.kid()), &forger)));
            assert!(!several.accepts(&several.forged(&header(algorithm.name(), key.kid()), &forger)));
        }
    }
}

#[test]
fn no_signature_is_none_whatever_the_key_and_however_none_is_spelt() {
    let several = Several::new();
    for key in &several.keys {
        for none in ["none", "None", "NONE", "nOnE", ""] {
            let forged = several.forged(&header(none, key.kid()), key);
            let (message, _) = forged.rsplit_once('.').unwrap();
            assert!(!several.accepts(&forged) && !several.accepts(&format!("{message}.")), "{none}");
        }
    }
}

#[test]
fn each_signs_in_its_term_and_what_it_signed_last_is_refused_when_its_key_is_over() {
    let several = Several::new();
    for (index, key) in (0..).zip(&several.keys) {
        let now = NOW.plus(TTL * index);
        assert_eq!(several.tokens.signer(now), Some(key.kid()));
        assert!(several.tokens.verify(&several.minted(now), now).is_ok());
    }
    // One that its holder of the key dated later than its key signed.
    let key = several.key(Algorithm::EdDsa);
    let late = several.minted(NOW.plus(TTL * 2));
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header("EdDSA", key.kid()).to_string()),
        late.split('.').nth(1).unwrap()
    );
    let signature = URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()).unwrap());
    assert!(several.tokens.verify(&format!("{message}.{signature}"), NOW.plus(TTL * 2)).is_err());
}

#[test]
fn what_is_published_is_public_and_goes_when_the_key_is_over() {
    let several = Several::new();
    let published = |now| several.tokens.jwks(now).keys.into_iter().filter_map(|jwk| jwk.common.key_id).collect();
    let [eddsa, es256] = [Algorithm::EdDsa, Algorithm::Es256].map(|algorithm| several.key(algorithm).kid().to_owned());
    let table: [(u32, Vec<String>); 3] = [(0, vec![es256.clone(), eddsa]), (2, vec![es256]), (3, vec![])];
    for (ttls, kids) in table {
        let at: Vec<String> = published(NOW.plus(TTL * ttls));
        assert_eq!(at, kids, "{ttls}");
    }
}
