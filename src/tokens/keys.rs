//! The keys behind the tokens, and their names.
//!
//! Owns the rule by which a key is found: by its exact `kid`, never by trying.

use aws_lc_rs::digest;

use crate::config::Secret;

/// Ties the digest to this use, so that a `kid` says nothing about the secret elsewhere.
const KID_CONTEXT: &[u8] = b"latchkey kid";
/// Bytes of the digest that the name shows: 8 hex digits.
const KID_BYTES: usize = 4;

/// The `kid` of an HS256 key: `hs-` and the first 8 hex digits of SHA-256 over `latchkey kid` ‖ secret.
pub fn hs256_kid(secret: &Secret) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(KID_CONTEXT);
    context.update(secret.expose());
    context.finish().as_ref().iter().take(KID_BYTES).fold(String::from("hs-"), |kid, byte| kid + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hs256_kid_is_the_digest_that_the_contract_says() {
        // printf 'latchkey kid0123456789abcdef0123456789abcdef' | sha256sum
        let secret = Secret::new(b"0123456789abcdef0123456789abcdef".to_vec());
        assert_eq!(hs256_kid(&secret), "hs-50444d77");
    }
}
