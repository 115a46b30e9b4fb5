//! Scenarios in which a session is ended while it is renewed: whatever a renewal brought meanwhile must be over as well.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::Size;
use super::client::Client;
use super::holder::{Holder, lineages};
use super::outcome::{Counted, Outcome};
use super::subject::{Person, Subject};
use crate::peers::Tokens;

/// Tabs that renew while the session is ended.
const TABS: usize = 3;
/// How often each does.
const RENEWALS: usize = 5;
/// The ending is up to so much later than the first renewals, or earlier.
const APART: Duration = Duration::from_millis(4);
/// Who has another password from now on.
const NEW_PASSWORD: &str = "another password of the bench";

/// The owner logs out while tabs renew.
pub fn logout(subject: &mut Subject<'_>, size: Size) -> Result<Counted> {
    subject.progress("logout against renewal");
    let people = subject.people(size.sessions)?;
    let client = subject.client()?;
    let outcome = |(number, person): (usize, &Person)| {
        let mut tabs = vec![Holder::honest(&person.tokens); TABS];
        against_renewals(&client, &mut tabs, number, || client.log_out(&person.tokens))?;
        Outcome::of_the_ended(&client, person, &tabs, &[])
    };
    people.iter().enumerate().map(outcome).collect()
}

/// The owner changes the password while tabs renew.
pub fn password_change(subject: &mut Subject<'_>, size: Size) -> Result<Counted> {
    subject.progress("password change against renewal");
    let people = subject.people(size.sessions)?;
    let client = subject.client()?;
    let outcome = |(number, person): (usize, &Person)| {
        let mut tabs = vec![Holder::honest(&person.tokens); TABS];
        let change = || client.change_password(&person.tokens, &person.account, NEW_PASSWORD);
        let fresh = against_renewals(&client, &mut tabs, number, change)?;
        let outcome = Outcome::of_the_ended(&client, person, &tabs, fresh.as_slice())?;
        // A change that is refused comes from a session that ended before, though nobody ended it.
        Ok(Outcome { false_logout: outcome.false_logout || fresh.is_none(), ..outcome })
    };
    people.iter().enumerate().map(outcome).collect()
}

/// Has every tab renew and go on while `end` is done: some time before, after, or at once, by turns.
fn against_renewals<T: Send>(
    client: &Client<'_>,
    tabs: &mut [Holder],
    turn: usize,
    end: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    let (tabs_late, end_late) = match turn % 3 {
        0 => (Duration::ZERO, Duration::ZERO),
        1 => (rand::random_range(Duration::ZERO..APART), Duration::ZERO),
        _ => (Duration::ZERO, rand::random_range(Duration::ZERO..APART)),
    };
    let start = Barrier::new(tabs.len() + 1);
    let start = &start;
    thread::scope(|scope| {
        let renew = move |tab: &mut Holder| {
            let open = client.open();
            start.wait();
            thread::sleep(tabs_late);
            let mut open = open?;
            (0..RENEWALS).try_for_each(|_| tab.renew_over(&mut open))
        };
        let renewing: Vec<_> = tabs.iter_mut().map(|tab| scope.spawn(move || renew(tab))).collect();
        start.wait();
        thread::sleep(end_late);
        let ended = end();
        for thread in renewing {
            thread.join().map_err(|_| anyhow!("a tab panicked"))??;
        }
        ended
    })
}

impl Outcome {
    /// Of a session that was ended: the newest token of everybody is tried, also where a tab was refused, the first one of all,
    /// and that of the `fresh` session, where the ending opened one.
    fn of_the_ended(client: &Client<'_>, person: &Person, tabs: &[Holder], fresh: &[Tokens]) -> Result<Self> {
        let told = tabs.iter().find_map(|tab| tab.refused.clone());
        let mut holders: Vec<Holder> = tabs.iter().map(|tab| Holder::thief(&tab.tokens)).collect();
        holders.push(Holder::thief(&person.tokens));
        let mut call_outlived = false;
        for holder in &holders {
            call_outlived |= holder.calls(client, &person.account)?;
        }
        let of_the_ended = holders.len();
        holders.extend(fresh.iter().map(Holder::honest));
        let (lineages, alive) = lineages(client, &mut holders)?;
        let (ended, fresh_one) = alive.split_at_checked(of_the_ended).unwrap_or((&alive, &[]));
        let fresh_lives = fresh_one.iter().all(|alive| *alive);
        let renewal_outlived = ended.contains(&true);
        Ok(Self { lineages, false_logout: !fresh_lives, renewal_outlived, call_outlived, told, ..Self::default() })
    }
}
