//! Any changes in any order, seen by two nodes: one that reads the ring at once, and one that has it [`PICK_UP`] later.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::tokens::grant::Grant;
use crate::tokens::principal::{Principal, Role, UserId, Username, Version};
use crate::tokens::refresh::{Generation, SessionId};
use crate::tokens::ring::{Keys, PICK_UP};

/// Short, so that keys come to their end within a history.
const ACCESS_TTL: Duration = Duration::from_secs(20);
const SESSION_TTL: Duration = Duration::from_secs(60);
const MILLISECOND: Duration = Duration::from_millis(1);

/// What happens next. A key is meant by its place in the list of all keys.
#[derive(Debug, Clone)]
enum Step {
    Add(NewKey, Duration),
    Retire(usize),
    Withdraw(usize),
    Prune,
    Wait(Duration),
    /// To the next moment at which a key changes its state, or just before it.
    WaitForNext {
        just_before: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let new = prop_oneof![
        Just(NewKey::Access(Algorithm::EdDsa)),
        Just(NewKey::Access(Algorithm::Hs256)),
        Just(NewKey::Refresh),
        Just(NewKey::Refresh),
    ];
    let seconds = |range: std::ops::Range<u64>| range.prop_map(Duration::from_secs);
    prop_oneof![
        4 => (new, seconds(14..25)).prop_map(|(new, notice)| Step::Add(new, notice)),
        3 => (0_usize..8).prop_map(Step::Retire),
        1 => (0_usize..8).prop_map(Step::Withdraw),
        1 => Just(Step::Prune),
        3 => (0_u64..7000).prop_map(|millis| Step::Wait(Duration::from_millis(millis))),
        4 => any::<bool>().prop_map(|just_before| Step::WaitForNext { just_before }),
    ]
}

/// Something that a node signed.
struct Signed {
    kid: String,
    at: Timestamp,
    /// Until when it is to be accepted.
    until: Timestamp,
    text: Text,
}

enum Text {
    Access(String),
    Refresh(SessionId, String),
}

/// A ring, its nodes and what they signed.
struct World<'a> {
    given: Given<'a>,
    now: Timestamp,
    ring: Ring,
    /// Each ring there was, and since when.
    rings: Vec<(Timestamp, Ring)>,
    signed: Vec<Signed>,
    withdrawn: BTreeSet<String>,
    last_withdrawal: Option<Timestamp>,
    added_at: Vec<(String, Timestamp)>,
    /// Took over at once, because the one before it was withdrawn.
    brought_forward: BTreeSet<String>,
    sessions: u128,
}

impl<'a> World<'a> {
    fn new(given: Given<'a>) -> Self {
        Self {
            given,
            now: NOW,
            ring: Ring::empty(),
            rings: vec![(Timestamp::from_millis(0), Ring::empty())],
            signed: Vec::new(),
            withdrawn: BTreeSet::new(),
            last_withdrawal: None,
            added_at: Vec::new(),
            brought_forward: BTreeSet::new(),
            sessions: 0,
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Add(new, notice) => {
                if let Ok(added) = self.ring.add(*new, *notice, self.given, self.now) {
                    self.added_at.push((added.kid, self.now));
                }
            }
            Step::Retire(at) => {
                let name = self.name(*at);
                let notice = LEAST_NOTICE;
                if let Ok(Retired::Succeeded { by }) = self.ring.retire(&name, notice, self.given, self.now) {
                    // It may be one that waited already.
                    let is_new = self.added_at.iter().all(|(kid, _)| *kid != by.kid);
                    self.added_at.extend(is_new.then_some((by.kid, self.now)));
                }
            }
            Step::Withdraw(at) => {
                let name = self.name(*at);
                if let Ok(withdrawn) = self.ring.withdraw(&name, self.given, self.now) {
                    self.brought_forward.extend(withdrawn.successor.map(|key| key.kid));
                    self.withdrawn.insert(name);
                    self.last_withdrawal = Some(self.now);
                }
            }
            Step::Prune => self.ring.prune(self.given, self.now),
            Step::Wait(span) => self.now = self.now.plus(*span),
            Step::WaitForNext { just_before } => {
                let after = self.now.plus(MILLISECOND);
                if let Some(next) = self.moments().into_iter().find(|moment| *moment > after) {
                    self.now = if *just_before { next.minus(MILLISECOND) } else { next };
                }
            }
        }
        // As the file does with it.
        self.ring = Ring::parse(self.ring.to_text().as_bytes()).unwrap();
        self.rings.push((self.now, self.ring.clone()));
    }

    fn name(&self, at: usize) -> String {
        let shown = self.ring.shown(self.given, self.now);
        shown[at % shown.len()].kid.clone()
    }

    /// When something changes by itself.
    fn moments(&self) -> BTreeSet<Timestamp> {
        let shown = self.ring.shown(self.given, self.now);
        shown.iter().flat_map(|key| [key.activates_at, key.retires_at, key.verifies_until]).flatten().collect()
    }

    /// What a node knows that reads the ring this late.
    fn known_after(&self, late: Duration) -> &Ring {
        let read_at = self.now.minus(late);
        &self.rings.iter().rev().find(|(since, _)| *since <= read_at).unwrap().1
    }

    fn keys(&self, ring: &Ring) -> Keys {
        ring.keys(self.given, "issuer", "audience").unwrap()
    }

    /// Each node signs one of each.
    fn sign(&mut self) {
        for late in [Duration::ZERO, PICK_UP] {
            let ring = self.known_after(late).clone();
            let keys = self.keys(&ring);
            let signer = |kind: Kind| {
                let shown = ring.shown(self.given, self.now).into_iter();
                let mut signing = shown.filter(|key| key.kind == kind && key.state == State::Signing);
                signing.next().expect("a signer").kid
            };
            self.sessions += 1;
            let session = SessionId(Uuid::from_u128(self.sessions));
            let access = keys.access.mint(&grant(session, self.now)).unwrap();
            assert_eq!(keys.access.signer(self.now), Some(signer(Kind::Access).as_str()));
            // What it says of its own end is in whole seconds, rounded down.
            let issued_at = Timestamp::from_millis(self.now.as_unix_seconds() * 1000);
            let until = issued_at.plus(ACCESS_TTL);
            let refresh = keys.refresh.mint(session, Generation::FIRST, self.now).unwrap().expose().to_owned();
            let (access_kid, refresh_kid) = (signer(Kind::Access), signer(Kind::Refresh));
            let at = self.now;
            self.signed.push(Signed { kid: access_kid, at, until, text: Text::Access(access.text) });
            let until = at.plus(SESSION_TTL);
            self.signed.push(Signed { kid: refresh_kid, at, until, text: Text::Refresh(session, refresh) });
        }
    }

    /// Each node reads everything that lives.
    fn verify(&self) {
        for late in [Duration::ZERO, PICK_UP] {
            // From a withdrawal on, the nodes differ until the last one has heard of it.
            if late > Duration::ZERO && self.last_withdrawal.is_some_and(|at| self.now < at.plus(PICK_UP)) {
                continue;
            }
            let keys = self.keys(self.known_after(late));
            for signed in self.signed.iter().filter(|signed| self.now < signed.until) {
                let accepted = match &signed.text {
                    Text::Access(text) => keys.access.verify(text, self.now).is_ok(),
                    Text::Refresh(_, text) => keys.refresh.verify(text, self.now).is_ok(),
                };
                let withdrawn = self.withdrawn.contains(&signed.kid);
                assert_eq!(accepted, !withdrawn, "{} of {:?}, late by {late:?}", signed.kid, signed.at);
                // A retry is given the same text, or, where its key was withdrawn, one that is accepted.
                if let Text::Refresh(session, text) = &signed.text {
                    let again = keys.refresh.mint(*session, Generation::FIRST, signed.at).unwrap();
                    assert_eq!(again.expose() == text, !withdrawn);
                    assert!(keys.refresh.verify(again.expose(), self.now).is_ok());
                }
            }
        }
    }

    /// One signs each kind, now and at every moment to come.
    fn assert_one_signer(&self) {
        let to_come = self.moments().into_iter().filter(|moment| *moment > self.now);
        for moment in to_come.flat_map(|moment| [moment.minus(MILLISECOND), moment]).chain([self.now]) {
            for kind in [Kind::Access, Kind::Refresh] {
                let shown = self.ring.shown(self.given, moment).into_iter();
                let signing = shown.filter(|key| key.kind == kind && key.state == State::Signing).count();
                assert_eq!(signing, 1, "{kind:?} at {moment:?}");
            }
        }
    }

    /// Nobody signs with a key that others may not know, unless a withdrawal left no choice.
    fn assert_notice(&self) {
        for (kid, added_at) in self.added_at.iter().filter(|(kid, _)| !self.brought_forward.contains(kid)) {
            let signed = self.signed.iter().filter(|signed| signed.kid == *kid);
            assert!(signed.map(|signed| signed.at).all(|at| at.since(*added_at) >= LEAST_NOTICE), "{kid}");
        }
    }
}

fn grant(session: SessionId, now: Timestamp) -> Grant {
    Grant {
        session,
        generation: Generation::FIRST,
        generated_at: now,
        principal: Principal {
            id: UserId(Uuid::nil()),
            username: Username::parse("ada").unwrap(),
            roles: vec![Role::User],
            version: Version(1),
        },
        granted_at: now,
        idle_expires_at: now.plus(SESSION_TTL),
        absolute_expires_at: now.plus(SESSION_TTL),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_done_to_a_ring_nobody_is_refused_and_nothing_withdrawn_is_accepted(steps in vec(step(), 1..40)) {
        let secrets = Secrets::new();
        let given = Given { access_token_ttl: ACCESS_TTL, session_ttl: SESSION_TTL, ..secrets.given() };
        let mut world = World::new(given);
        for step in &steps {
            world.take(step);
            world.sign();
            world.verify();
            world.assert_one_signer();
            world.assert_notice();
        }
    }
}
