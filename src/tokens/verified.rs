//! The access tokens whose signatures were checked lately.
//!
//! Owns one rule: what is remembered of a token is what never changes, that we signed exactly these bytes and what they say.
//! A client sends the same token for a quarter of an hour, and to check and read it costs more than everything else that a
//! protected call does. Whether the token is still valid, by time and by what ended, is asked at each request as ever: that is
//! not this module's to know, and it cannot be answered from here.
//!
//! [`find`](VerifiedTokens::find) -> else the signature is checked -> accepted -> [`keep`](VerifiedTokens::keep);
//! refused -> [`forget`](VerifiedTokens::forget)
//!
//! Bounded: a fixed number of places, one token each, none longer than [`LONGEST`]. A token's place is a keyed hash of its
//! signature, so that nobody can choose whose place to take; and a token gets it when it comes for the second time in a row,
//! so that a hundred thousand which come in turn neither push out the few that come often nor cost a copy each. One for each
//! worker: no lock, and what it holds is gone with the process.

use std::cell::RefCell;
use std::hash::{BuildHasher as _, RandomState};

use aws_lc_rs::constant_time;

use super::access::{AccessTokens, Authentic};

/// Bytes of the longest token that is kept. Ours have less than half, unless issuer or audience are long.
const LONGEST: usize = 1024;

/// The memory of one worker.
#[derive(Debug)]
pub struct VerifiedTokens {
    places: RefCell<Vec<Place>>,
    /// Its key is random and stays here.
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Place {
    /// The hash of the token that came last and had no place: if it comes again, it gets this one.
    applicant: u64,
    /// The hash of the holder's token: all that is looked at where another one comes, and near in memory.
    held: u64,
    holder: Option<Box<Holder>>,
}

#[derive(Debug)]
struct Holder {
    token: Box<str>,
    /// Which keys it was checked with; others know nothing of it.
    instance: u128,
    authentic: Authentic,
}

impl VerifiedTokens {
    /// With room for so many tokens; 0 remembers none.
    pub fn new(places: usize) -> Self {
        let places = RefCell::new(std::iter::repeat_with(Place::default).take(places).collect());
        Self { places, hasher: RandomState::new() }
    }

    /// What was found when this very token was checked with these keys.
    pub fn find(&self, keys: &AccessTokens, token: &str) -> Option<Authentic> {
        let mut places = self.places.borrow_mut();
        let (hash, place) = self.place_of(&mut places, token)?;
        place.holder_of(hash, keys, token).map(|holder| holder.authentic.clone())
    }

    /// Remembers a token that these keys found authentic and that was accepted, from the second time on.
    pub fn keep(&self, keys: &AccessTokens, token: &str, authentic: &Authentic) {
        let mut places = self.places.borrow_mut();
        let Some((hash, place)) = self.place_of(&mut places, token) else { return };
        if place.applicant == hash && token.len() <= LONGEST {
            let (instance, authentic) = (keys.instance(), authentic.clone());
            place.holder = Some(Box::new(Holder { token: token.into(), instance, authentic }));
            place.held = hash;
        }
        place.applicant = hash;
    }

    /// Gives up the place of a token that was refused: nothing of it is kept.
    pub fn forget(&self, keys: &AccessTokens, token: &str) {
        let mut places = self.places.borrow_mut();
        let Some((hash, place)) = self.place_of(&mut places, token) else { return };
        if place.holder_of(hash, keys, token).is_some() {
            *place = Place::default();
        }
    }

    /// How many tokens are held.
    pub fn len(&self) -> usize {
        self.places.borrow().iter().filter(|place| place.holder.is_some()).count()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn place_of<'a>(&self, places: &'a mut [Place], token: &str) -> Option<(u64, &'a mut Place)> {
        let hash = self.hasher.hash_one(signature(token));
        let number = hash.checked_rem(u64::try_from(places.len()).ok()?)?;
        Some((hash, places.get_mut(usize::try_from(number).ok()?)?))
    }
}

impl Place {
    fn holder_of(&self, hash: u64, keys: &AccessTokens, token: &str) -> Option<&Holder> {
        self.holder.as_deref().filter(|holder| self.held == hash && holder.is(keys, token))
    }
}

impl Holder {
    /// Whether it holds this token, byte by byte, checked with these keys. The signature comes first and in constant time,
    /// since whoever does not have it must not learn how much of it was right; who has it knows the token, so the rest may
    /// take what time it takes.
    fn is(&self, keys: &AccessTokens, token: &str) -> bool {
        let (ours, theirs) = (signature(&self.token).as_bytes(), signature(token).as_bytes());
        self.instance == keys.instance()
            && constant_time::verify_slices_are_equal(ours, theirs).is_ok()
            && *self.token == *token
    }
}

/// What is behind the last dot; all of it where there is none.
fn signature(token: &str) -> &str {
    token.rsplit_once('.').map_or(token, |(_, signature)| signature)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;
    use crate::clock::Timestamp;
    use crate::config::Secret;
    use crate::tokens::access::Claimed;
    use crate::tokens::grant::Grant;
    use crate::tokens::principal::{Principal, UserId, Username, Version};
    use crate::tokens::refresh::{Generation, SessionId};

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const TTL: Duration = Duration::from_secs(900);
    const CLAIMED: Claimed<'_> = Claimed { issuer: "latchkey", audience: "latchkey", ttl: TTL };

    fn keys() -> AccessTokens {
        let secret = Secret::new(b"a test key of more than 32 bytes, used nowhere else".to_vec());
        AccessTokens::hs256(&secret, CLAIMED).unwrap()
    }

    fn token(keys: &AccessTokens) -> String {
        let principal = Principal {
            id: UserId(Uuid::from_u128(1)),
            username: Username::parse("alice").unwrap(),
            roles: Vec::new(),
            version: Version(1),
        };
        let session = SessionId(Uuid::from_u128(2));
        let (idle_expires_at, absolute_expires_at) = (NOW.plus(TTL), NOW.plus(TTL));
        let generation = Generation::FIRST;
        let (generated_at, granted_at) = (NOW, NOW);
        let grant =
            Grant { session, generation, generated_at, principal, granted_at, idle_expires_at, absolute_expires_at };
        keys.mint(&grant).unwrap().text
    }

    /// A token that came twice, in a memory of so many places.
    fn kept(places: usize) -> (VerifiedTokens, AccessTokens, String) {
        let (verified, keys) = (VerifiedTokens::new(places), keys());
        let token = token(&keys);
        comes_twice(&verified, &keys, &token);
        (verified, keys, token)
    }

    fn comes_twice(verified: &VerifiedTokens, keys: &AccessTokens, token: &str) {
        let authentic = keys.authenticate(token).unwrap();
        verified.keep(keys, token, &authentic);
        verified.keep(keys, token, &authentic);
    }

    #[test]
    fn a_token_is_known_from_its_second_time_on() {
        let (verified, keys) = (VerifiedTokens::new(16), keys());
        let token = token(&keys);
        let authentic = keys.authenticate(&token).unwrap();

        verified.keep(&keys, &token, &authentic);
        assert_eq!(verified.find(&keys, &token), None);

        verified.keep(&keys, &token, &authentic);
        assert_eq!(verified.find(&keys, &token), Some(authentic));
    }

    #[test]
    fn a_token_that_differs_in_one_byte_is_not_known() {
        // One place, so that each of them is looked for where the token is.
        let (verified, keys, token) = kept(1);
        for at in 0..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[at] ^= 1;
            assert_eq!(verified.find(&keys, str::from_utf8(&forged).unwrap()), None, "byte {at}");
        }
        assert_eq!(verified.find(&keys, &token[1..]), None);
        assert!(verified.find(&keys, &token).is_some());
    }

    #[test]
    fn what_other_keys_found_authentic_is_not_known() {
        let (verified, _, token) = kept(16);
        assert_eq!(verified.find(&keys(), &token), None);
    }

    #[test]
    fn a_refused_token_is_forgotten_and_takes_nobody_with_it() {
        let (verified, keys, refused) = kept(1);

        verified.forget(&keys, &token(&keys));
        assert!(verified.find(&keys, &refused).is_some());

        verified.forget(&keys, &refused);
        assert!(verified.is_empty());
    }

    #[test]
    fn there_are_never_more_tokens_than_places_nor_longer_ones_than_the_longest() {
        let (verified, keys, _) = kept(16);
        for _ in 0..100 {
            comes_twice(&verified, &keys, &token(&keys));
        }
        assert!(verified.len() <= 16);

        let secret = Secret::new(b"a test key of more than 32 bytes, used nowhere else".to_vec());
        let wordy = AccessTokens::hs256(&secret, Claimed { issuer: &"x".repeat(LONGEST), ..CLAIMED }).unwrap();
        let long = token(&wordy);
        comes_twice(&verified, &wordy, &long);
        assert_eq!(verified.find(&wordy, &long), None);
    }

    #[test]
    fn tokens_that_come_in_turn_do_not_push_out_the_one_that_is_there() {
        let (verified, keys, first) = kept(1);
        for _ in 0..10 {
            let passing = token(&keys);
            verified.keep(&keys, &passing, &keys.authenticate(&passing).unwrap());
        }
        assert!(verified.find(&keys, &first).is_some());
    }

    #[test]
    fn without_places_nothing_is_kept() {
        let (verified, keys, token) = kept(0);
        assert_eq!(verified.find(&keys, &token), None);
    }
}
