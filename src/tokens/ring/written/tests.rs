//! The text of a ring, read back, cut and altered.

use super::*;

/// A line of each sort.
fn ring() -> Ring {
    let at = Timestamp::from_millis;
    let key = |algorithm: Option<Algorithm>| {
        let jwk = PrivateJwk::draw(algorithm.unwrap_or(Algorithm::Hs256)).unwrap();
        let kid = match algorithm {
            Some(_) => jwk.signing_key().unwrap().kid().to_owned(),
            None => crate::tokens::keys::mac_kid(&jwk.secret().unwrap()),
        };
        Held::Key { kid, jwk }
    };
    let retiring = |line: Line, millis| Line { term: Term { retires_at: Some(at(millis)), ..line.term }, ..line };
    let later = |held, algorithm, mac_id, from| Line {
        held,
        algorithm,
        mac_id,
        created_at: Some(at(from - 1)),
        term: Term::from(at(from)),
    };
    let eddsa = Some(Algorithm::EdDsa);
    let withdrawn = Held::Withdrawn { kid: "rt-00000000".to_owned() };
    Ring {
        access: vec![
            retiring(Line::of_settings(Kind::Access), 1000),
            retiring(later(key(eddsa), eddsa, None, 1000), 2000),
            later(key(Some(Algorithm::Es256)), Some(Algorithm::Es256), None, 2000),
        ],
        refresh: vec![
            retiring(Line::of_settings(Kind::Refresh), 1000),
            retiring(later(withdrawn, None, Some(2), 1000), 1500),
            later(key(None), None, Some(3), 2000),
        ],
        changed_at: Some(at(1500)),
    }
}

#[test]
fn a_ring_reads_back_as_it_was_written() {
    let text = ring_text();
    assert_eq!(*Ring::parse(text.as_bytes()).unwrap().to_text(), text);
    assert_eq!(Ring::parse(text.as_bytes()).unwrap().changed_at(), Some(Timestamp::from_millis(1500)));
    let empty = Ring::parse(Ring::empty().to_text().as_bytes()).unwrap();
    assert!(empty.is_empty() && empty.changed_at().is_none());
}

#[test]
fn a_file_that_was_cut_anywhere_is_refused() {
    let text = ring_text();
    for end in 0..text.trim_end().len() {
        assert_eq!(Ring::parse(&text.as_bytes()[..end]).err(), Some(RingError::Garbled), "cut at {end}");
    }
}

#[test]
fn the_longest_ring_has_room_for_every_number_and_a_hundred_access_keys() {
    let at = |millis| Term {
        activates_at: Timestamp::from_millis(millis),
        retires_at: Some(Timestamp::from_millis(millis)),
    };
    let line = |jwk: PrivateJwk, kid: String, algorithm, mac_id| Line {
        held: Held::Key { kid, jwk },
        algorithm,
        mac_id,
        created_at: Some(Timestamp::from_millis(1)),
        term: at(1),
    };
    let refresh = (1..=u8::MAX).map(|id| {
        let jwk = PrivateJwk::draw_secret().unwrap();
        line(jwk, "rt-00000000".to_owned(), None, Some(id))
    });
    let access = (0..100).map(|_| {
        let jwk = PrivateJwk::draw(Algorithm::Es256).unwrap();
        let kid = jwk.signing_key().unwrap().kid().to_owned();
        line(jwk, kid, Some(Algorithm::Es256), None)
    });
    let longest =
        Ring { access: access.collect(), refresh: refresh.collect(), changed_at: Some(Timestamp::from_millis(1)) };
    let length = longest.to_text().len() as u64;
    assert!(length <= LONGEST_KEY_RING, "{length}");
    assert!(length > LONGEST_KEY_RING / 10 * 9, "{length}: what is said of the constant");
}

#[test]
fn a_ring_of_a_later_version_says_so() {
    let text = ring_text().replace("\"version\": 1", "\"version\": 2, \"more\": {}");
    assert_eq!(Ring::parse(text.as_bytes()).err(), Some(RingError::Newer));
}

#[test]
fn lines_that_do_not_follow_each_other_are_refused() {
    type Change = fn(&mut Ring);
    let table: [(&str, Change); 6] = [
        ("the last one retires", |ring| ring.access[2].term.retires_at = Some(Timestamp::from_millis(3000))),
        ("one before it does not", |ring| ring.access[1].term.retires_at = None),
        ("one retires before it signs", |ring| ring.access[1].term.retires_at = Some(Timestamp::from_millis(999))),
        ("two sign at once", |ring| ring.access[1].term.retires_at = Some(Timestamp::from_millis(2001))),
        ("out of order", |ring| ring.refresh.swap(0, 1)),
        ("nobody is left", |ring| drop(ring.refresh.pop())),
    ];
    for (what, change) in table {
        let mut ring = ring();
        change(&mut ring);
        let refused = Ring::parse(ring.to_text().as_bytes()).err();
        assert!(matches!(refused, Some(RingError::NoSigner { .. })), "{what}: {refused:?}");
    }
}

#[test]
fn a_name_or_number_that_is_there_twice_is_refused() {
    let mut twice = ring();
    twice.refresh[2].mac_id = Some(2);
    assert!(matches!(Ring::parse(twice.to_text().as_bytes()).err(), Some(RingError::Twice { .. })));
    let mut twice = ring();
    twice.access[2].held = twice.access[1].held.clone();
    assert!(matches!(Ring::parse(twice.to_text().as_bytes()).err(), Some(RingError::Twice { .. })));
}

#[test]
fn a_line_that_says_too_much_or_too_little_is_refused() {
    let table = [
        ("\"alg\": \"EdDSA\"", "\"alg\": \"none\""),
        ("\"alg\": \"EdDSA\"", "\"alg\": \"EdDSA\", \"id\": 7"),
        ("\"alg\": \"EdDSA\",", ""),
        ("\"id\": 3,", ""),
        ("\"id\": 3,", "\"id\": 0,"),
        ("\"id\": 3,", "\"id\": 256,"),
        ("\"id\": 1,", "\"id\": 9,"),
        ("\"from\": \"JWT_SECRET\"", "\"from\": \"REFRESH_TOKEN_SECRET\""),
        ("\"from\": \"JWT_SECRET\"", "\"from\": \"PATH\""),
        ("\"withdrawn\": true,", ""),
        ("\"version\": 1", "\"version\": 1, \"keys\": []"),
        ("1970-01-01T00:00:01.000Z", "yesterday"),
    ];
    let text = ring_text();
    for (whole, altered) in table {
        assert!(text.contains(whole), "{whole}");
        let altered = text.replacen(whole, altered, 1);
        assert_eq!(Ring::parse(altered.as_bytes()).err(), Some(RingError::Garbled), "{whole}");
    }
}

fn ring_text() -> String {
    ring().to_text().to_string()
}
