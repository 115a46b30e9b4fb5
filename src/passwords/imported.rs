//! Hashes that were made elsewhere.
//!
//! Owns what is taken for one: exactly what bcrypt's own libraries write, so that whoever is imported can also log in, and at no
//! cost that would occupy a thread for hours. A refusal never repeats the hash.

use std::fmt;
use std::str::FromStr as _;

use super::PasswordHash;

/// What Django writes before a hash that is plain bcrypt: its name of the algorithm, and a `$`.
const DJANGO: &str = "bcrypt$";
/// Before one of a password that went through SHA-256 first: Django's usual one.
const DJANGO_OF_A_DIGEST: &str = "bcrypt_sha256$";
/// The least cost that there is: bcrypt's own limit.
const LEAST_COST: u32 = 4;
/// The length of all of it: version, cost, salt and digest.
const LENGTH: usize = 60;

/// Why a hash cannot be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashRefusal {
    /// Not `$2a$`, `$2b$` or `$2y$`, two digits, `$`, and 53 characters of bcrypt's alphabet that decode.
    NotBcrypt,
    /// bcrypt over SHA-256 (Django's `bcrypt_sha256`): passwords would be checked against something else.
    OfADigest,
    /// The cost is not between these.
    Cost {
        /// In the hash.
        found: u32,
        /// The most that is accepted.
        most: u32,
    },
}

impl fmt::Display for HashRefusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBcrypt => out.write_str("not a bcrypt hash ($2a$, $2b$ or $2y$)"),
            Self::OfADigest => out.write_str("bcrypt over SHA-256 (bcrypt_sha256), which cannot be checked here"),
            Self::Cost { found, most } => write!(out, "a cost of {found}, which is not {LEAST_COST} to {most}"),
        }
    }
}

impl PasswordHash {
    /// Takes a hash from another service, at a cost of at most `most`, as Express, Laravel and Supabase keep it, or Django.
    pub fn import(text: &str, most: u32) -> Result<Self, HashRefusal> {
        if text.starts_with(DJANGO_OF_A_DIGEST) {
            return Err(HashRefusal::OfADigest);
        }
        let text = text.strip_prefix(DJANGO).unwrap_or(text);
        let found = cost(text).ok_or(HashRefusal::NotBcrypt)?;
        // The rest is what will decode it at a login: salt and digest, without a bit that stands for nothing.
        bcrypt::HashParts::from_str(text).map_err(|_| HashRefusal::NotBcrypt)?;
        if !(LEAST_COST..=most).contains(&found) {
            return Err(HashRefusal::Cost { found, most });
        }
        Ok(Self(text.to_owned()))
    }
}

/// The two digits behind the version, where everything is of the right form.
fn cost(text: &str) -> Option<u32> {
    let rest = ["$2a$", "$2b$", "$2y$"].iter().find_map(|version| text.strip_prefix(version))?;
    let (digits, encoded) = rest.split_once('$')?;
    let is_encoded = |byte: u8| byte.is_ascii_alphanumeric() || b"./".contains(&byte);
    let is_whole = text.len() == LENGTH && digits.len() == 2 && encoded.bytes().all(is_encoded);
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten().filter(|_| is_whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of "correct horse battery", at cost 4.
    fn hash() -> String {
        bcrypt::hash("correct horse battery", 4).unwrap()
    }

    #[test]
    fn what_others_write_is_taken_and_djangos_prefix_is_cut_off() {
        let plain = hash();
        for version in ["$2a$", "$2b$", "$2y$"] {
            let text = plain.replace("$2b$", version);
            for form in [text.clone(), format!("bcrypt${text}")] {
                let imported = PasswordHash::import(&form, 13).unwrap();
                assert_eq!(imported.expose(), text);
                assert!(bcrypt::verify("correct horse battery", imported.expose()).unwrap());
            }
        }
    }

    #[test]
    fn nothing_else_is_taken() {
        let good = hash();
        let digest = &good[7..];
        for bad in [
            String::new(),
            "password123".to_owned(),
            good.replace("$2b$", "$2x$"),
            good.replace("$2b$", "$2$"),
            good.replace("$04$", "$+4$"),
            good.replace("$04$", "$4$"),
            good.replace("$04$", "$004$"),
            good[..59].to_owned(),
            format!("{good}."),
            format!("{good}\n"),
            format!(" {good}"),
            format!("bcrypt$bcrypt${good}"),
            format!("bcrypt{good}"),
            format!("$2b$04${}=", &digest[..52]),
            format!("$2b$04${}ä", &digest[..51]),
            // Bits that stand for nothing: no login would ever decode them.
            format!("$2b$04${}/{}", &digest[..21], &digest[22..]),
            format!("$2b$04${}/", &digest[..52]),
            "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b5dWRWJTmaaJObG".to_owned(),
            "pbkdf2_sha256$600000$salt$aGFzaA==".to_owned(),
        ] {
            assert_eq!(PasswordHash::import(&bad, 13), Err(HashRefusal::NotBcrypt), "{bad}");
        }
        assert_eq!(PasswordHash::import(&format!("bcrypt_sha256${good}"), 13), Err(HashRefusal::OfADigest));
    }

    #[test]
    fn a_cost_is_between_the_least_there_is_and_the_most_that_is_accepted() {
        let of_cost = |cost: &str| PasswordHash::import(&hash().replace("$04$", &format!("${cost}$")), 13).map(|_| ());
        for good in ["04", "12", "13"] {
            assert_eq!(of_cost(good), Ok(()), "{good}");
        }
        for (bad, found) in [("00", 0), ("03", 3), ("14", 14), ("31", 31), ("99", 99)] {
            assert_eq!(of_cost(bad), Err(HashRefusal::Cost { found, most: 13 }));
        }
    }

    #[test]
    fn a_refusal_does_not_repeat_the_hash() {
        let refusal = PasswordHash::import(&format!("canary7{}", hash()), 13).unwrap_err();
        assert!(!refusal.to_string().contains("canary7"));
    }
}
