//! The refresh-token parser (`tokens::refresh`).
//!
//! Claims: `verify` never panics; what it accepts is, byte for byte, what `mint` makes of the session and the generation
//! that it read, so each token has one spelling; what `mint` makes is accepted as what it was made from, and by no other
//! key.
//!
//! The first byte of an input says how the rest becomes a token; behind it the MAC is right whatever the fuzzer wrote:
//!
//! - `r` raw: the text as it is
//! - `s` signed: up to 22 bytes (missing ones are zero) under the right MAC: any version, key id, session, generation
//! - `b` under a right MAC as well, but of any length
//! - `m` minted: session and generation (20 bytes), then pairs of place and byte that are written over the minted text

#![no_main]

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey::clock::Timestamp;
use latchkey::config::Secret;
use latchkey::error::{Error, GrantRefusal};
use latchkey::tokens::refresh::{Generation, Presented, RefreshKeys, SessionId};
use libfuzzer_sys::fuzz_target;
use uuid::Uuid;

const KEY_ID: u8 = 1;
/// One key verifies for ever: any time will do.
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// For these tests only; no service was ever started with it.
const SECRET: &[u8] = b"fuzzing only, never a service: vZ0qf5Jt2mXyB8dKc1RwT7uHs4";
const OTHER_SECRET: &[u8] = b"fuzzing only, never a service: 3f9a1c7be05d8426f1b79e0c4a";
/// Version, key id, session and generation.
const SIGNED_LENGTH: usize = 22;

fuzz_target!(|input: &[u8]| {
    let keys = RefreshKeys::new(KEY_ID, &Secret::new(SECRET.to_vec()));
    let Some((way, rest)) = input.split_first() else { return };
    match way {
        b's' => {
            let signed: Vec<u8> = rest.iter().copied().chain(std::iter::repeat(0)).take(SIGNED_LENGTH).collect();
            let token = under_the_mac(&signed);
            let authentic = signed.starts_with(&[1, KEY_ID]) && !signed.ends_with(&[0; 4]);
            assert_eq!(check(&keys, &token).is_some(), authentic, "{token}");
        }
        b'b' => {
            let accepted = check(&keys, &under_the_mac(rest)).is_some();
            assert!(!accepted || rest.len() == SIGNED_LENGTH, "{} bytes under the MAC", rest.len());
        }
        b'm' => minted(&keys, rest),
        _ => {
            check(&keys, &String::from_utf8_lossy(rest));
        }
    }
});

/// Verifies, and holds what was accepted against what `mint` would have written.
fn check(keys: &RefreshKeys, token: &str) -> Option<Presented> {
    match keys.verify(token, NOW) {
        Ok(presented) => {
            let again = keys.mint(presented.session, presented.generation, NOW).expect("a token");
            assert!(again.expose() == token, "another spelling of {} was accepted: {token}", again.expose());
            Some(presented)
        }
        Err(refusal) => {
            assert_eq!(refusal, Error::InvalidGrant(GrantRefusal::Unknown));
            None
        }
    }
}

fn minted(keys: &RefreshKeys, rest: &[u8]) {
    let Some((session, rest)) = rest.split_first_chunk::<16>() else { return };
    let Some((generation, patches)) = rest.split_first_chunk::<4>() else { return };
    let Some(generation) = Generation::new(u32::from_be_bytes(*generation)) else { return };
    let original = Presented { session: SessionId(Uuid::from_bytes(*session)), generation };
    let token = keys.mint(original.session, original.generation, NOW).expect("a token");
    assert_eq!(check(keys, token.expose()), Some(original));

    for (id, secret) in [(KEY_ID, OTHER_SECRET), (KEY_ID + 1, SECRET)] {
        let stranger = RefreshKeys::new(id, &Secret::new(secret.to_vec()));
        assert_eq!(check(&stranger, token.expose()), None, "another key took it: {id}");
    }

    let mut patched = token.expose().as_bytes().to_vec();
    for patch in patches.chunks_exact(2) {
        // Past the end it makes the text longer.
        match patched.get_mut(usize::from(patch[0])) {
            Some(byte) => *byte = patch[1],
            None => patched.push(patch[1]),
        }
    }
    let Ok(patched) = String::from_utf8(patched) else { return };
    if patched != token.expose() {
        assert_eq!(check(keys, &patched), None, "a changed token was accepted: {patched}");
    }
}

fn under_the_mac(signed: &[u8]) -> String {
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), signed);
    format!("lkr_{}", URL_SAFE_NO_PAD.encode([signed, mac.as_ref()].concat()))
}
