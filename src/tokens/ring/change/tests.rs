//! Changes one by one; `history`: many of them, in any order.

mod history;

use super::*;
use crate::config::Secret;
use crate::tokens::ring::{FIRST_MAC_ID, USUAL_NOTICE};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const ACCESS_TTL: Duration = Duration::from_secs(15 * 60);
const SESSION_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const EDDSA: NewKey = NewKey::Access(Algorithm::EdDsa);
const EACH_KIND: [NewKey; 2] = [EDDSA, NewKey::Refresh];

/// The settings' secrets, for which a [`Given`] is borrowed.
struct Secrets(Secret, Secret);

impl Secrets {
    fn new() -> Self {
        let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
        Self(
            secret("a test secret of access tokens, used nowhere"),
            secret("a test secret of refresh tokens, used nowhere"),
        )
    }

    fn given(&self) -> Given<'_> {
        Given {
            jwt_secret: &self.0,
            refresh_token_secret: &self.1,
            access_token_ttl: ACCESS_TTL,
            session_ttl: SESSION_TTL,
        }
    }
}

/// The names and states of one kind, the newest first.
fn states(ring: &Ring, new: NewKey, given: Given<'_>, now: Timestamp) -> Vec<(String, State)> {
    let shown = ring.shown(given, now).into_iter().filter(|key| key.kind == new.kind());
    shown.map(|key| (key.kid, key.state)).collect()
}

/// A ring with one key added and in force; the name of the settings' own, that of the key, and when it took over.
fn rotated_once(new: NewKey, given: Given<'_>) -> (Ring, String, String, Timestamp) {
    let mut ring = Ring::empty();
    let settings = ring.lines(new.kind())[0].kid(new.kind(), new.kind().secret(given));
    let added = ring.add(new, LEAST_NOTICE, given, NOW).unwrap();
    (ring, settings, added.kid, NOW.plus(LEAST_NOTICE))
}

#[test]
fn a_key_that_was_added_waits_and_takes_over_to_the_millisecond() {
    let secrets = Secrets::new();
    let given = secrets.given();
    for new in EACH_KIND {
        let mut ring = Ring::empty();
        let added = ring.add(new, USUAL_NOTICE, given, NOW).unwrap();
        let takes_over = NOW.plus(USUAL_NOTICE);
        assert_eq!((added.state, added.activates_at, added.retires_at), (State::Waiting, Some(takes_over), None));

        let just_before = takes_over.minus(Duration::from_millis(1));
        let [(kid, state), (_, settings)] = &states(&ring, new, given, just_before)[..] else { panic!("two keys") };
        assert_eq!((kid, *state, *settings), (&added.kid, State::Waiting, State::Signing));
        let [(_, state), (_, settings)] = &states(&ring, new, given, takes_over)[..] else { panic!("two keys") };
        assert_eq!((*state, *settings), (State::Signing, State::Retired));
    }
}

#[test]
fn one_kind_is_changed_and_the_other_left_alone() {
    let secrets = Secrets::new();
    let mut ring = Ring::empty();
    ring.add(NewKey::Refresh, LEAST_NOTICE, secrets.given(), NOW).unwrap();
    assert!(ring.access.is_empty());
    assert_eq!(ring.refresh.len(), 2);
}

#[test]
fn a_notice_that_is_too_short_or_too_long_and_a_second_key_that_waits_are_refused_and_change_nothing() {
    let secrets = Secrets::new();
    let given = secrets.given();
    for new in EACH_KIND {
        let mut ring = Ring::empty();
        let short = LEAST_NOTICE - Duration::from_millis(1);
        assert_eq!(ring.add(new, short, given, NOW).unwrap_err(), Refusal::TooSoon);
        let long = MOST_NOTICE + Duration::from_millis(1);
        assert_eq!(ring.add(new, long, given, NOW).unwrap_err(), Refusal::TooFarOff);
        assert!(Ring::empty().add(new, MOST_NOTICE, given, NOW).is_ok());
        assert!(ring.is_empty());

        let waiting = ring.add(new, LEAST_NOTICE, given, NOW).unwrap();
        let before = ring.to_text();
        let refused = ring.add(new, LEAST_NOTICE, given, NOW).unwrap_err();
        let activates_at = NOW.plus(LEAST_NOTICE);
        assert_eq!(refused, Refusal::AnotherWaits { kid: waiting.kid, activates_at });
        assert_eq!(*ring.to_text(), *before);
        assert!(ring.add(new, LEAST_NOTICE, given, activates_at).is_ok());
    }
}

#[test]
fn a_key_that_waits_is_cancelled_and_the_one_before_it_signs_on() {
    let secrets = Secrets::new();
    let given = secrets.given();
    for new in EACH_KIND {
        let mut ring = Ring::empty();
        let first = ring.add(new, USUAL_NOTICE, given, NOW).unwrap();
        assert_eq!(ring.retire(&first.kid, USUAL_NOTICE, given, NOW), Ok(Retired::Cancelled));
        assert!(ring.is_empty());

        let (mut ring, _, signing, then) = rotated_once(new, given);
        let second = ring.add(new, USUAL_NOTICE, given, then).unwrap();
        assert_eq!(ring.retire(&second.kid, USUAL_NOTICE, given, then), Ok(Retired::Cancelled));
        let shown = ring.shown(given, then);
        let shown = shown.iter().find(|key| key.kid == signing).unwrap();
        assert_eq!((shown.state, shown.retires_at), (State::Signing, None));
    }
}

#[test]
fn a_key_that_is_about_to_sign_is_not_cancelled() {
    let secrets = Secrets::new();
    let given = secrets.given();
    for new in EACH_KIND {
        let mut ring = Ring::empty();
        let added = ring.add(new, USUAL_NOTICE, given, NOW).unwrap();
        let activates_at = NOW.plus(USUAL_NOTICE);
        let late = activates_at.minus(SETTLED).plus(Duration::from_millis(1));

        assert_eq!(ring.retire(&added.kid, USUAL_NOTICE, given, late), Err(Refusal::TooLate { activates_at }));
        assert_eq!(ring.retire(&added.kid, USUAL_NOTICE, given, activates_at.minus(SETTLED)), Ok(Retired::Cancelled));
    }
}

#[test]
fn a_key_that_signs_is_succeeded_by_one_of_its_sort_and_retiring_it_again_says_the_same() {
    let secrets = Secrets::new();
    let given = secrets.given();
    for new in [EDDSA, NewKey::Access(Algorithm::Es256), NewKey::Access(Algorithm::Hs256), NewKey::Refresh] {
        let (mut ring, _, signing, then) = rotated_once(new, given);

        let Ok(Retired::Succeeded { by }) = ring.retire(&signing, USUAL_NOTICE, given, then) else { panic!("no heir") };
        assert_eq!(by.activates_at, Some(then.plus(USUAL_NOTICE)));
        assert_eq!(by.algorithm.map_or(NewKey::Refresh, NewKey::Access), new);
        assert_eq!(ring.retire(&signing, USUAL_NOTICE, given, then), Ok(Retired::Succeeded { by }));
        assert_eq!(ring.held(new.kind()).len(), 3);
    }
}

#[test]
fn a_key_that_is_retired_verifies_for_a_lifetime_and_then_there_is_no_such_key() {
    let secrets = Secrets::new();
    let given = secrets.given();
    for new in EACH_KIND {
        let (mut ring, settings, _, then) = rotated_once(new, given);
        let verifies_until = then.plus(new.kind().lifetime(given));
        let before = ring.to_text();
        assert_eq!(ring.retire(&settings, USUAL_NOTICE, given, then), Ok(Retired::Already { verifies_until }));
        assert_eq!(ring.retire(&settings, USUAL_NOTICE, given, verifies_until), Err(Refusal::NoSuchKey));
        assert_eq!(ring.retire("nobody", USUAL_NOTICE, given, then), Err(Refusal::NoSuchKey));
        assert_eq!(ring.withdraw("nobody", given, then), Err(Refusal::NoSuchKey));
        assert_eq!(*ring.to_text(), *before);
    }
}

#[test]
fn what_is_withdrawn_is_over_at_once_and_the_one_that_waits_or_a_new_one_signs() {
    let secrets = Secrets::new();
    let given = secrets.given();
    for new in EACH_KIND {
        for somebody_waits in [true, false] {
            let (mut ring, _, signing, then) = rotated_once(new, given);
            let waiting = somebody_waits.then(|| ring.add(new, USUAL_NOTICE, given, then).unwrap().kid);

            let withdrawn = ring.withdraw(&signing, given, then).unwrap();

            let successor = withdrawn.successor.unwrap();
            assert_eq!((successor.state, successor.activates_at), (State::Signing, Some(then)));
            assert!(waiting.is_none_or(|waiting| waiting == successor.kid));
            let states = states(&ring, new, given, then);
            assert!(states.contains(&(successor.kid, State::Signing)));
            let of_it: Vec<_> = states.iter().filter(|(kid, _)| *kid == signing).map(|(_, state)| *state).collect();
            let once_more = ring.withdraw(&signing, given, then);
            match new.kind() {
                Kind::Access => assert_eq!((of_it.len(), once_more), (0, Err(Refusal::NoSuchKey))),
                Kind::Refresh => {
                    let nothing = Withdrawn { kind: Kind::Refresh, successor: None };
                    assert_eq!((of_it, once_more), (vec![State::Withdrawn], Ok(nothing)));
                }
            }
        }
    }
}

#[test]
fn the_secret_of_the_settings_is_withdrawn_too_and_never_comes_back() {
    let secrets = Secrets::new();
    let given = secrets.given();
    for new in EACH_KIND {
        let mut ring = Ring::empty();
        let settings = states(&ring, new, given, NOW)[0].0.clone();
        let successor = ring.withdraw(&settings, given, NOW).unwrap().successor.unwrap();
        // Somebody cancels the one in its place, on a machine whose clock is behind.
        let behind = NOW.minus(Duration::from_secs(3600));
        assert_eq!(ring.retire(&successor.kid, USUAL_NOTICE, given, behind), Err(Refusal::ClockBehind));
        assert_eq!(ring.withdraw(&successor.kid, given, behind).unwrap_err(), Refusal::ClockBehind);
        ring.prune(given, NOW.plus(SESSION_TTL));
        assert_eq!(states(&ring, new, given, NOW.plus(SESSION_TTL)), [(successor.kid, State::Signing)]);
    }
}

#[test]
fn what_waits_or_is_retired_is_withdrawn_and_nothing_takes_its_place() {
    let secrets = Secrets::new();
    let given = secrets.given();
    for new in EACH_KIND {
        let (mut ring, settings, signing, then) = rotated_once(new, given);
        let waiting = ring.add(new, LEAST_NOTICE, given, then).unwrap().kid;
        // However soon it would have signed: what it signs is to be refused.
        for kid in [waiting, settings] {
            assert_eq!(ring.withdraw(&kid, given, then).unwrap().successor, None);
        }
        let is_alive = |state: &State| !matches!(state, State::Withdrawn | State::Over);
        let alive = states(&ring, new, given, then).into_iter().filter(|(_, state)| is_alive(state));
        assert_eq!(alive.collect::<Vec<_>>(), [(signing, State::Signing)]);
    }
}

#[test]
fn only_what_is_over_is_pruned() {
    let secrets = Secrets::new();
    let given = secrets.given();
    for new in EACH_KIND {
        let (mut ring, _, signing, then) = rotated_once(new, given);
        let over = then.plus(new.kind().lifetime(given));
        ring.prune(given, over.minus(Duration::from_millis(1)));
        assert_eq!(ring.held(new.kind()).len(), 2);
        ring.prune(given, over);
        assert_eq!(states(&ring, new, given, over), [(signing, State::Signing)]);
    }
}

#[test]
fn a_withdrawn_number_stays_taken_for_as_long_as_a_token_may_carry_it() {
    let secrets = Secrets::new();
    let given = secrets.given();
    let (mut ring, _, leaked, then) = rotated_once(NewKey::Refresh, given);
    ring.withdraw(&leaked, given, then).unwrap();
    let taken = |ring: &Ring| ring.refresh.iter().filter_map(|line| line.mac_id).collect::<Vec<_>>();
    let shown = ring.shown(given, then).into_iter().find(|key| key.kid == leaked).unwrap();
    assert_eq!((shown.verifies_until, shown.number_taken_until), (None, Some(then.plus(SESSION_TTL))));
    let before = ring.to_text();
    assert_eq!(ring.retire(&leaked, USUAL_NOTICE, given, then), Ok(Retired::Withdrawn));
    assert!(ring.withdraw(&leaked, given, then.minus(Duration::from_secs(3600))).is_ok());
    assert_eq!(*ring.to_text(), *before);
    ring.prune(given, then.plus(SESSION_TTL).minus(Duration::from_millis(1)));
    assert_eq!(taken(&ring), [FIRST_MAC_ID, 2, 3]);
    ring.prune(given, then.plus(SESSION_TTL));
    assert_eq!(taken(&ring), [3]);
}

#[test]
fn numbers_go_up_start_over_and_meet_no_key_that_may_be_alive() {
    let secrets = Secrets::new();
    let given = secrets.given();
    let (mut ring, mut now) = (Ring::empty(), NOW);
    for id in 2..=LAST_MAC_ID {
        assert_eq!(ring.add(NewKey::Refresh, LEAST_NOTICE, given, now).unwrap().mac_id, Some(id));
        now = now.plus(LEAST_NOTICE);
    }
    let before = ring.to_text();
    assert_eq!(ring.add(NewKey::Refresh, LEAST_NOTICE, given, now), Err(Refusal::NoNumberFree));
    assert_eq!(*ring.to_text(), *before);

    // The first is over, and then the second: they are free in this order, and not before.
    let over = NOW.plus(LEAST_NOTICE).plus(SESSION_TTL);
    ring.prune(given, over.minus(Duration::from_millis(1)));
    assert_eq!(ring.add(NewKey::Refresh, LEAST_NOTICE, given, now), Err(Refusal::NoNumberFree));
    for (id, over) in [(FIRST_MAC_ID, over), (2, over.plus(LEAST_NOTICE))] {
        ring.prune(given, over);
        assert_eq!(ring.add(NewKey::Refresh, LEAST_NOTICE, given, over).unwrap().mac_id, Some(id));
    }
}

#[test]
fn a_change_is_dated_later_than_any_before_it_whatever_the_clock_says() {
    let (step, mut ring) = (Duration::from_millis(1), Ring::empty());
    let ahead = NOW.plus(Duration::from_secs(60));
    let table = [
        (NOW, None, NOW),
        (NOW, None, NOW.plus(step)),
        (NOW, Some(ahead), ahead.plus(step)),
        (NOW, None, ahead.plus(step + step)),
    ];
    for (now, newest, dated) in table {
        ring.date(now, newest);
        assert_eq!(ring.changed_at(), Some(dated));
    }
}
