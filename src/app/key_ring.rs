//! From the place of the key ring to the keys in use, at the start and from then on.
//!
//! Owns two rules. A ring is used as a whole or refused, by a line that names its place and never what stands in it; whoever runs
//! already goes on with the keys from before. And the database remembers which ring is in use before a key of it signs, so that a
//! ring that was lost, or went back in time, stops the next start, where nobody was logged out yet.
//!
//! [`KeyRing`](crate::config::KeyRing) -> [`Ring::parse`] -> [`Ring::keys`], which tests each key -> [`LiveKeys`]
//!
//! The text is compared, and not the time of its last change: links and coarse clocks lie about that. It is read and tested on a
//! thread of its own, because a disk may be slow.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use actix_web::rt;
use aws_lc_rs::digest;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::{RunError, given};
use crate::actors::refresh_tokens::Sessions;
use crate::clock::{Clock, Timestamp};
use crate::config::{Database, Settings, SettingsError};
use crate::error::Error;
use crate::events::{self, KeysTold};
use crate::lifeline::Lifeline;
use crate::storage::KeyRingMark;
use crate::storage::sqlite::Sqlite;
use crate::tokens::live_keys::LiveKeys;
use crate::tokens::ring::signers::Signers;
use crate::tokens::ring::{Keys, Kind, PICK_UP, Ring, Shown, State};

/// Between two looks at the ring: two of them fit into the time in which a server has to have read it.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const _: () = assert!(LOOK_EVERY.as_secs() * 2 < PICK_UP.as_secs());

/// What a start needs of the ring.
pub(super) struct AtStart {
    /// Without a ring, they are the secrets of the settings.
    pub keys: Keys,
    /// What the database is to remember of it.
    pub mark: KeyRingMark,
    /// What the follower begins with.
    pub known: Known,
}

/// What stood in the ring's place, as far as it takes to know whether it changed.
#[derive(Clone, PartialEq, Eq)]
enum Seen {
    Nothing,
    /// A text with this SHA-256.
    Text(Vec<u8>),
    /// Something that could not be read, in the words of its refusal.
    Unreadable(String),
}

/// Looks at the ring and makes nothing. Errors: it cannot be read or used, is lost, or older than one that was in use.
pub(super) fn at_start(settings: &Settings) -> Result<AtStart, RunError> {
    let (seen, ring) = look(settings);
    let ring = ring?;
    let Database::Sqlite(path) = &settings.database;
    let noted = Sqlite::key_ring_mark(path)?;
    let ring = in_time(ring, noted, settings)?;
    Ok(AtStart {
        keys: keys_of(&ring, settings)?,
        mark: mark_of(&ring),
        known: Known { seen, noted, signers: ring.signers(given(settings)), signing: [None, None] },
    })
}

/// The ring that was found, or an empty one where none is missed. Errors: it is lost, or older than one that was in use.
fn in_time(found: Option<Ring>, noted: KeyRingMark, settings: &Settings) -> Result<Ring, RunError> {
    match found {
        None if noted.holds_keys => Err(RunError::KeyRingLost { subject: settings.key_ring.subject() }),
        None => Ok(Ring::empty()),
        Some(ring) => refuse_older(&ring, noted, settings).map(|()| ring),
    }
}

/// Refuses a ring that is older than the newest that was in use. One that does not say how old it is was made by hand.
pub fn refuse_older(ring: &Ring, noted: KeyRingMark, settings: &Settings) -> Result<(), RunError> {
    match (ring.changed_at(), noted.changed_at) {
        (Some(changed_at), Some(newest)) if changed_at < newest => {
            Err(RunError::KeyRingOlder { subject: settings.key_ring.subject(), changed_at, newest })
        }
        (Some(_) | None, Some(_) | None) => Ok(()),
    }
}

fn mark_of(ring: &Ring) -> KeyRingMark {
    KeyRingMark { holds_keys: !ring.is_empty(), changed_at: ring.changed_at() }
}

fn look(settings: &Settings) -> (Seen, Result<Option<Ring>, RunError>) {
    match settings.key_ring.read() {
        Ok(None) => (Seen::Nothing, Ok(None)),
        Ok(Some(text)) => {
            let seen = Seen::Text(digest::digest(&digest::SHA256, &text).as_ref().to_vec());
            let unusable = |reason| RunError::Keys { subject: settings.key_ring.subject(), reason };
            (seen, Ring::parse(&text).map(Some).map_err(unusable))
        }
        Err(refusal) => (Seen::Unreadable(refusal.to_string()), Err(refusal.into())),
    }
}

fn keys_of(ring: &Ring, settings: &Settings) -> Result<Keys, RunError> {
    let keys = ring.keys(given(settings), &settings.jwt_issuer, &settings.jwt_audience);
    keys.map_err(|reason| RunError::Keys { subject: settings.key_ring.subject(), reason })
}

/// Asks for a look at the ring.
#[derive(Clone)]
pub struct Looks(mpsc::UnboundedSender<oneshot::Sender<()>>);

impl Looks {
    /// Looks now. Afterwards a ring that changed is in use, or was refused.
    pub async fn now(&self) {
        let (reply, looked) = oneshot::channel();
        // Where nobody looks any more, the server is ending.
        if self.0.send(reply).is_ok() {
            looked.await.ok();
        }
    }
}

/// Who follows the ring while the server runs.
pub(super) struct Follower {
    pub settings: Arc<Settings>,
    pub clock: Clock,
    pub keys: Arc<LiveKeys>,
    pub sessions: Sessions,
    /// Reports the follower's death: keys that nobody follows would one day be the wrong ones.
    pub lifeline: Lifeline,
}

/// What was seen last, and what the database knows of the rings that were in use.
pub(super) struct Known {
    seen: Seen,
    noted: KeyRingMark,
    /// Of the ring that is in use.
    signers: Signers,
    /// Which of them signed when somebody last looked, of each kind.
    signing: [Option<String>; 2],
}

/// A ring that is another than the one before, or why it is not used.
struct Changed {
    seen: Seen,
    outcome: Result<Usable, RunError>,
}

/// A ring that was tested.
struct Usable {
    keys: Keys,
    mark: KeyRingMark,
    signers: Signers,
    told: KeysTold,
}

impl Follower {
    /// Tells the database of a ring that a start is about to use, and follows it from then on, until nobody can ask for a look any
    /// more.
    pub async fn start(self, mark: KeyRingMark, mut known: Known) -> Result<Looks, RunError> {
        self.note(mark, &mut known).await?;
        self.look_who_signs(&mut known);
        let (looks, asked) = mpsc::unbounded_channel();
        rt::spawn(self.follow(asked, known));
        Ok(Looks(looks))
    }

    async fn follow(mut self, mut asked: mpsc::UnboundedReceiver<oneshot::Sender<()>>, mut known: Known) {
        loop {
            let ask = match timeout(LOOK_EVERY, asked.recv()).await {
                Ok(Some(ask)) => Some(ask),
                Ok(None) => return self.lifeline.retire(),
                Err(_) => None,
            };
            let (settings, seen, now) = (Arc::clone(&self.settings), known.seen.clone(), self.clock.now());
            let Ok(looked) = aside(move || look_again(&settings, &seen, known.noted, now)).await else {
                // It panicked, or there is no thread to be had, and the lifeline says so.
                return;
            };
            if let Some(changed) = looked {
                self.take(changed, &mut known).await;
            }
            self.look_who_signs(&mut known);
            if let Some(ask) = ask {
                // Whoever asked may have gone.
                ask.send(()).ok();
            }
        }
    }

    /// Uses what was found, or says why not.
    async fn take(&self, Changed { seen, outcome }: Changed, known: &mut Known) {
        match outcome {
            Ok(Usable { keys, mark, signers, told }) => {
                // Not seen then, so that the next look tries again.
                if let Err(failure) = self.note(mark, known).await {
                    return events::keys_refused(&failure);
                }
                self.keys.replace(keys);
                known.signers = signers;
                events::keys_changed(&told);
            }
            Err(refusal) => events::keys_refused(&without_place(&refusal)),
        }
        known.seen = seen;
    }

    /// Tells of a key that took over from another since the last look. The first look tells nothing: all is as it was.
    fn look_who_signs(&self, known: &mut Known) {
        let now = self.clock.now();
        for (kind, signing) in Kind::BOTH.into_iter().zip(&mut known.signing) {
            let signer = known.signers.at(kind, now).map(str::to_owned);
            if let (Some(before), Some(signer)) = (&*signing, &signer)
                && before != signer
            {
                events::signer_changed(kind.name(), signer, before);
            }
            *signing = signer;
        }
    }

    /// Has the database remember that this ring is in use, where it does not yet.
    async fn note(&self, mark: KeyRingMark, known: &mut Known) -> Result<(), Error> {
        let both = known.noted.and(mark);
        if both != known.noted {
            self.sessions.note_key_ring(mark).await?;
            known.noted = both;
        }
        Ok(())
    }
}

/// What this comes to on a thread of its own. Not one of the runtime's, which wait for each other at the end: a disk that hangs
/// would keep a service that was told to stop.
fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> oneshot::Receiver<T> {
    let (done, outcome) = oneshot::channel();
    // Without a thread `done` is dropped, and whoever waits hears of it; they may also have gone.
    thread::Builder::new().name("key ring".to_owned()).spawn(move || done.send(work()).ok()).ok();
    outcome
}

/// Reads the ring, and tests it if it is another than what was `seen`.
fn look_again(settings: &Settings, seen: &Seen, noted: KeyRingMark, now: Timestamp) -> Option<Changed> {
    let (found, ring) = look(settings);
    if found == *seen {
        return None;
    }
    let outcome = ring.and_then(|ring| {
        let ring = in_time(ring, noted, settings)?;
        let told = told(&ring, settings, now);
        let (keys, signers) = (keys_of(&ring, settings)?, ring.signers(given(settings)));
        Ok(Usable { keys, mark: mark_of(&ring), signers, told })
    });
    Some(Changed { seen: found, outcome })
}

/// The refusal of a ring without its path: addresses of the database are in no log.
fn without_place(refusal: &RunError) -> String {
    match refusal {
        RunError::Keys { reason, .. } => reason.to_string(),
        RunError::KeyRingLost { .. } => {
            "is missing although keys of it are in use; bring it back from a backup".to_owned()
        }
        RunError::KeyRingOlder { changed_at, newest, .. } => {
            let (changed_at, newest) = (changed_at.to_rfc3339(), newest.to_rfc3339());
            format!("is of {changed_at}, and one of {newest} was in use; bring that one back")
        }
        RunError::Settings(SettingsError::KeyRing { reason, .. }) => reason.clone(),
        RunError::Settings(other) => other.to_string(),
        RunError::Storage(_) | RunError::Listen(_) | RunError::Start(_) | RunError::Serve(_) | RunError::Died(_) => {
            "cannot be used".to_owned()
        }
    }
}

fn told(ring: &Ring, settings: &Settings, now: Timestamp) -> KeysTold {
    let shown = ring.shown(given(settings), now);
    let is_alive = |key: &Shown| !matches!(key.state, State::Withdrawn | State::Over);
    let alive = |kind: Kind| shown.iter().filter(|key| key.kind == kind && is_alive(key)).count();
    let signer = shown.iter().find(|key| key.kind == Kind::Access && key.state == State::Signing);
    KeysTold {
        signer: signer.map(|key| key.kid.clone()),
        access_keys: alive(Kind::Access),
        refresh_keys: alive(Kind::Refresh),
    }
}
