//! The text of a key ring.
//!
//! Owns one rule: what is read is a whole ring or none. The file may have been cut by a full disk or edited in a hurry, and half
//! a ring would log people out.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::{FIRST_MAC_ID, Kind, Ring, RingError, Term};
use crate::clock::Timestamp;
use crate::config::LONGEST_KEY_RING;
use crate::tokens::keys::{Algorithm, PrivateJwk};

/// What this version writes and reads.
const VERSION: u32 = 1;
const COMMENT: &str = "Keys of latchkey, changed by `latchkey keys`. Whoever reads this can forge tokens: keep it at mode 0600. \
                       Back it up, but apart from the database.";

/// A key and its term.
#[derive(Clone)]
pub(super) struct Line {
    /// What there is of it.
    pub held: Held,
    /// Of access tokens only.
    pub algorithm: Option<Algorithm>,
    /// Of refresh tokens only: never 0.
    pub mac_id: Option<u8>,
    /// When it was added.
    pub created_at: Option<Timestamp>,
    /// When it signs.
    pub term: Term,
}

/// What there is of a key.
#[derive(Clone)]
pub(super) enum Held {
    /// The secret of the settings.
    OfSettings,
    /// The key itself.
    Key { kid: String, jwk: PrivateJwk },
    /// Taken out before its time; its number stays taken.
    Withdrawn { kid: String },
}

impl Line {
    /// The secret of the settings, of which everything was signed so far.
    pub fn of_settings(kind: Kind) -> Self {
        let (algorithm, mac_id) = match kind {
            Kind::Access => (Some(Algorithm::Hs256), None),
            Kind::Refresh => (None, Some(FIRST_MAC_ID)),
        };
        Self { held: Held::OfSettings, algorithm, mac_id, created_at: None, term: Term::ALWAYS }
    }

    fn written_kid(&self) -> Option<&str> {
        match &self.held {
            Held::OfSettings => None,
            Held::Key { kid, .. } | Held::Withdrawn { kid } => Some(kid),
        }
    }
}

impl Ring {
    /// Reads a ring. Errors: [`RingError`]; whether each key is what its name says, [`Ring::keys`] tells.
    pub fn parse(text: &[u8]) -> Result<Self, RingError> {
        let Version { version } = serde_json::from_slice(text).map_err(|_| RingError::Garbled)?;
        if version > VERSION {
            return Err(RingError::Newer);
        }
        let written: WrittenRing = serde_json::from_slice(text).map_err(|_| RingError::Garbled)?;
        let lines = |kind, lines: Vec<WrittenLine>| -> Result<Vec<Line>, RingError> {
            lines.into_iter().map(|line| line.read(kind)).collect::<Option<_>>().ok_or(RingError::Garbled)
        };
        let access = lines(Kind::Access, written.access_tokens)?;
        let refresh = lines(Kind::Refresh, written.refresh_tokens)?;
        agree(&access, "access")?;
        agree(&refresh, "refresh")?;
        Ok(Self { access, refresh, changed_at: written.changed_at.map(|Moment(at)| at) })
    }

    /// Writes it. The text holds the keys.
    pub fn to_text(&self) -> Zeroizing<String> {
        let written = WrittenRing {
            comment: COMMENT.to_owned(),
            version: VERSION,
            changed_at: self.changed_at.map(Moment),
            access_tokens: self.access.iter().map(WrittenLine::of).collect(),
            refresh_tokens: self.refresh.iter().map(WrittenLine::of).collect(),
        };
        // As long as it may get at once: a buffer that grows leaves copies of keys behind.
        let mut bytes = Vec::with_capacity(usize::try_from(LONGEST_KEY_RING).unwrap_or(0));
        // Strings, numbers and nothing that could refuse to be written.
        serde_json::to_writer_pretty(&mut bytes, &written).ok();
        bytes.push(b'\n');
        Zeroizing::new(String::from_utf8(bytes).unwrap_or_default())
    }
}

/// What no single line can tell: one follows the other, the last is open, and no name or number is there twice.
fn agree(lines: &[Line], what: &'static str) -> Result<(), RingError> {
    let (mut kids, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for line in lines {
        let kid = line.written_kid();
        let is_new = kid.is_none_or(|kid| kids.insert(kid)) && line.mac_id.is_none_or(|id| ids.insert(id));
        if !is_new {
            return Err(RingError::Twice { kid: kid.unwrap_or("the secret of the settings").to_owned() });
        }
    }
    let of_settings = lines.iter().filter(|line| matches!(line.held, Held::OfSettings)).count();
    let follow = lines.iter().zip(lines.iter().skip(1)).all(|(line, next)| {
        line.term.retires_at.is_some_and(|at| at >= line.term.activates_at && at <= next.term.activates_at)
    });
    let open =
        lines.last().is_none_or(|last| last.term.retires_at.is_none() && !matches!(last.held, Held::Withdrawn { .. }));
    if follow && open && of_settings <= 1 { Ok(()) } else { Err(RingError::NoSigner { what }) }
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRing {
    #[serde(default)]
    comment: String,
    version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changed_at: Option<Moment>,
    access_tokens: Vec<WrittenLine>,
    refresh_tokens: Vec<WrittenLine>,
}

/// A line as it stands in the file. Exactly one of `from`, `key` and `withdrawn` says what there is of the key.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLine {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alg: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<Setting>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    withdrawn: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_at: Option<Moment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    activates_at: Option<Moment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retires_at: Option<Moment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<PrivateJwk>,
}

/// The settings that are keys.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Setting {
    #[serde(rename = "JWT_SECRET")]
    JwtSecret,
    #[serde(rename = "REFRESH_TOKEN_SECRET")]
    RefreshTokenSecret,
}

/// RFC 3339 in UTC.
#[derive(Clone, Copy)]
struct Moment(Timestamp);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_rfc3339())
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Timestamp::from_rfc3339(&text).map(Self).ok_or_else(|| serde::de::Error::custom("not a time"))
    }
}

impl WrittenLine {
    fn of(line: &Line) -> Self {
        let setting = if line.mac_id.is_some() { Setting::RefreshTokenSecret } else { Setting::JwtSecret };
        let (from, withdrawn, key) = match &line.held {
            Held::OfSettings => (Some(setting), false, None),
            Held::Key { jwk, .. } => (None, false, Some(jwk.clone())),
            Held::Withdrawn { .. } => (None, true, None),
        };
        let always = line.term.activates_at == Term::ALWAYS.activates_at;
        Self {
            kid: line.written_kid().map(str::to_owned),
            id: line.mac_id,
            alg: line.algorithm.map(|algorithm| algorithm.name().to_owned()),
            from,
            withdrawn,
            created_at: line.created_at.map(Moment),
            activates_at: if always { None } else { Some(Moment(line.term.activates_at)) },
            retires_at: line.term.retires_at.map(Moment),
            key,
        }
    }

    /// `None` where it is no line of this kind.
    fn read(self, kind: Kind) -> Option<Line> {
        let held = match (self.from, self.key, self.kid, self.withdrawn) {
            (Some(Setting::JwtSecret), None, None, false) if kind == Kind::Access => Held::OfSettings,
            (Some(Setting::RefreshTokenSecret), None, None, false) if kind == Kind::Refresh => Held::OfSettings,
            (None, Some(jwk), Some(kid), false) => Held::Key { kid, jwk },
            (None, None, Some(kid), true) if kind == Kind::Refresh => Held::Withdrawn { kid },
            _ => return None,
        };
        let algorithm = match self.alg {
            Some(name) => Some(Algorithm::parse(&name)?),
            None => None,
        };
        let (is_access, is_refresh) = (kind == Kind::Access, kind == Kind::Refresh);
        let complete = algorithm.is_some() == is_access && self.id.is_some_and(|id| id > 0) == is_refresh;
        let own_number = !matches!(held, Held::OfSettings) || self.id.is_none_or(|id| id == FIRST_MAC_ID);
        let hs256 =
            !matches!(held, Held::OfSettings) || algorithm.is_none_or(|algorithm| algorithm == Algorithm::Hs256);
        (complete && own_number && hs256 && (is_refresh || self.id.is_none())).then(|| Line {
            held,
            algorithm,
            mac_id: self.id,
            created_at: self.created_at.map(|Moment(at)| at),
            term: Term {
                activates_at: self.activates_at.map_or(Term::ALWAYS.activates_at, |Moment(at)| at),
                retires_at: self.retires_at.map(|Moment(at)| at),
            },
        })
    }
}

#[cfg(test)]
mod tests;
