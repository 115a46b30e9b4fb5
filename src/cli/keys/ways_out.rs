//! The ways out of a key ring that a start refuses, where there is no backup of the right one.
//!
//! Owns one rule: somebody decides it, and is told before what it costs. `init` begins an empty ring, `accept` takes one that is older
//! than what was in use.

use super::words::TOLD;
use super::{answer, date, dotenv, found_or_made, now, ring, tested, typed, unusable};
use crate::cli::failure::Failure;
use crate::config::Settings;
use crate::tokens::ring::Ring;

const THERE_IS_ONE: &str = "there is a key ring already";
pub(super) const AFTER_HELP_INIT: &str = "\
Nobody needs it to begin with: without a ring the secrets of the settings sign,
and the first `generate` or `rotate` makes one. Where a ring was in use and its
file is gone, a server does not start, because everybody whose refresh token a
lost key signed would be told for good that it is unknown. Bring the file back
from a backup; or accept that, with this command: they have to log in again.
So with one that is cut or was changed: it is kept beside the new one, under a
name that ends with damaged- and the time, and holds keys as before.
A file that KEY_RING_FILE names has to be there: this makes the first one.

Exit codes: 0 done, 1 failed, or there is a ring, 2 wrong argument, 78 a setting
was refused.";

pub(super) const AFTER_HELP_ACCEPT: &str = "\
Every change of a ring is dated, and the database remembers the newest ring that
was in use. An older one, as from a backup, stops a start: the tokens of keys
that it lacks would be unknown, which is final. Bring the newest back; or accept
that, with this command: the ring is dated anew, and a server that runs uses it
within 5 s. It costs:

  whoever was signed in with a key that this ring lacks has to log in again
  a key that was withdrawn since (retire --now) is believed again: withdraw it
  again

Exit codes: 0 done, 1 failed, or there is no ring, 2 wrong argument, 78 a
setting or the ring was refused.";

const ACCEPTED: &str = "\
the newest key ring from now on
Whoever was signed in with a key that it lacks has to log in again. A key that
was withdrawn since is believed again: withdraw it again.
";

/// Begins an empty ring. One that nobody can use is kept aside.
pub(super) fn init(yes: bool) -> Result<(), Failure> {
    // Not as a start would: that is refused where the ring was lost.
    let settings = found_or_made(Settings::check(std::env::vars_os(), dotenv())?.settings)?;
    let found = settings.key_ring.found()?;
    refuse_what_is_whole(found.as_ref().map(|text| text.as_slice()), &settings)?;
    let question = "Whoever was signed in with a key of the one before has to log in again.\nBegin an empty key ring?";
    if !yes && !typed::agreed(question, "init asks back where there is a terminal, and needs --yes elsewhere")? {
        return Err(Failure::new("no key ring was begun"));
    }
    let mark = format!("damaged-{}", now(&settings)?.to_rfc3339().replace(':', ""));
    let kept = settings.key_ring.change_and_keep(&mark, |text| {
        refuse_what_is_whole(text, &settings)?;
        let mut begun = Ring::empty();
        date(&mut begun, &settings)?;
        Ok::<_, Failure>(begun.to_text())
    })?;
    let kept = kept.map(|path| format!("{}: what was there, with its keys\n", path.display()));
    answer(&format!("an empty key ring: the secrets of the settings sign\n{}", kept.unwrap_or_default()));
    Ok(())
}

fn refuse_what_is_whole(text: Option<&[u8]>, settings: &Settings) -> Result<(), Failure> {
    match tested(text, settings) {
        Ok(_) if text.is_none() => Ok(()),
        Ok(_) => Err(Failure::new(THERE_IS_ONE)),
        Err(reason) if reason.is_damage() => Ok(()),
        Err(reason) => Err(unusable(reason, settings)),
    }
}

/// Dates the ring that is there anew, so that no other one is newer.
pub(super) fn accept(yes: bool) -> Result<(), Failure> {
    // Not as a start would: that is refused where the ring is an older one.
    let settings = Settings::check(std::env::vars_os(), dotenv())?.settings;
    let none = || Failure::new("there is no key ring to accept");
    let found = settings.key_ring.found()?.ok_or_else(none)?;
    ring(Some(&found), &settings)?;
    let question = "Whoever was signed in with a key that this ring lacks has to log in again, and a key that\n\
                    was withdrawn since is believed again. Take this ring for the newest?";
    if !yes && !typed::agreed(question, "accept asks back where there is a terminal, and needs --yes elsewhere")? {
        return Err(Failure::new("the key ring was not accepted"));
    }
    settings.key_ring.change(|text| {
        let mut accepted = ring(Some(text.ok_or_else(none)?), &settings)?;
        date(&mut accepted, &settings)?;
        Ok(accepted.to_text())
    })?;
    answer(&format!("{ACCEPTED}{TOLD}"));
    Ok(())
}
