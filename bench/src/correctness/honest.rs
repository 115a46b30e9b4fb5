//! Scenarios in which nobody steals: whoever is logged out here was logged out wrongly.

use std::sync::Barrier;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};

use super::Size;
use super::client::{Client, Connection, Open};
use super::holder::{Holder, lineages};
use super::outcome::{Counted, Outcome};
use super::subject::{Person, Subject};

/// Of a browser that is opened again.
const TABS: usize = 10;
/// How often a tab renews as soon as it is answered: restored pages call, and are told that their access token is of yesterday.
const GOES_ON: usize = 2;
/// Sessions whose renewal is under way when the service is killed.
pub const IN_FLIGHT: usize = 5;
/// After the requests went out: while they are read, decided, written, answered.
const KILLED_AFTER: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_micros(300),
    Duration::from_millis(1),
    Duration::from_millis(3),
    Duration::from_millis(10),
];

/// All tabs present one token at once, go on with what they were given, and once more outside the window.
pub fn ten_tabs(subject: &mut Subject<'_>, size: Size) -> Result<Counted> {
    subject.progress("ten tabs at once");
    let people = subject.people(size.sessions)?;
    let client = subject.client()?;
    let mut sessions = Vec::new();
    for person in &people {
        let mut tabs = vec![Holder::honest(&person.tokens); TABS];
        at_once(&client, &mut tabs, 1 + GOES_ON)?;
        sessions.push(tabs);
    }
    subject.wait_until_outside();
    let outcome = |(person, mut tabs): (&Person, Vec<Holder>)| {
        at_once(&client, &mut tabs, 1)?;
        Outcome::of_the_honest(&client, person, &mut tabs)
    };
    people.iter().zip(sessions).map(outcome).collect()
}

/// Every holder on a connection of its own, so many times each.
fn at_once(client: &Client<'_>, holders: &mut [Holder], times: usize) -> Result<()> {
    let start = Barrier::new(holders.len());
    let start = &start;
    thread::scope(|scope| {
        let present = |holder: &mut Holder| {
            let open = client.open();
            start.wait();
            let mut open = open?;
            (0..times).try_for_each(|_| holder.renew_over(&mut open))
        };
        let threads: Vec<_> = holders.iter_mut().map(|holder| scope.spawn(move || present(holder))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a tab panicked"))?)
    })
}

/// The request is sent whole, and the connection closed: for every other session once the answer arrived, unread, for the
/// others at once. Then the same token again, and on.
pub fn lost_answer(subject: &mut Subject<'_>, size: Size) -> Result<Counted> {
    subject.progress("lost answers");
    let people = subject.people(size.sessions)?;
    let client = subject.client()?;
    let mut owners = Vec::new();
    for (number, person) in people.iter().enumerate() {
        drop(client.open()?.present(&person.tokens.refresh, number % 2 == 0)?);
        let mut owner = Holder::honest(&person.tokens);
        owner.renew(&client)?;
        owners.push(owner);
    }
    subject.wait_until_outside();
    let outcome = |(person, owner)| Outcome::of_the_honest(&client, person, &mut [owner]);
    people.iter().zip(owners).map(outcome).collect()
}

/// The service is killed at some moment after the renewals were sent, or once they were answered, started again at once or after
/// a time that is longer than the window, and asked again with the same tokens.
pub fn kill(subject: &mut Subject<'_>, size: Size) -> Result<Counted> {
    let mut owners = Vec::new();
    for number in 0..size.kills {
        subject.progress(&format!("kill {} of {}", number + 1, size.kills));
        let people = subject.people(IN_FLIGHT)?;
        // Of four kills in a row, each is of another kind; of the first two, neither half is missing.
        let (answered, is_long) = (number % 2 == 0, matches!(number % 4, 0 | 3));
        let after = KILLED_AFTER.get(number / 2 % KILLED_AFTER.len()).copied().context("a moment")?;
        kill_in_the_midst(subject, &people, answered, after)?;
        if is_long {
            subject.wait_until_outside();
        }
        subject.start_again()?;
        let client = subject.client()?;
        for person in people {
            let mut owner = Holder::honest(&person.tokens);
            owner.renew(&client)?;
            owners.push((person, owner));
        }
    }
    subject.wait_until_outside();
    let client = subject.client()?;
    let outcome = |(person, owner): (Person, Holder)| Outcome::of_the_honest(&client, &person, &mut [owner]);
    owners.into_iter().map(outcome).collect()
}

fn kill_in_the_midst(subject: &mut Subject<'_>, people: &[Person], answered: bool, after: Duration) -> Result<()> {
    let client = subject.client()?;
    let opened = people.iter().map(|_| client.open()).collect::<Result<Vec<_>>>()?;
    let start = Barrier::new(people.len() + 1);
    let start = &start;
    let waiting = thread::scope(|scope| {
        let present = move |open: Open<'_>, person: &Person| {
            start.wait();
            open.present(&person.tokens.refresh, answered)
        };
        let presenting: Vec<_> =
            opened.into_iter().zip(people).map(|(open, person)| scope.spawn(move || present(open, person))).collect();
        start.wait();
        if !answered {
            thread::sleep(after);
        }
        let join = |thread: ScopedJoinHandle<'_, Result<Connection>>| {
            thread.join().map_err(|_| anyhow!("a client panicked"))?
        };
        presenting.into_iter().map(join).collect::<Result<Vec<_>>>()
    })?;
    subject.kill()?;
    // Nobody hung up before: a service may drop what was asked for by somebody who is gone.
    drop(waiting);
    Ok(())
}

impl Outcome {
    /// Of holders who never stole: at the end, outside the window. Each of them must go on with both tokens.
    fn of_the_honest(client: &Client<'_>, person: &Person, holders: &mut [Holder]) -> Result<Self> {
        let (lineages, _) = lineages(client, holders)?;
        let told = holders.iter().find_map(|holder| holder.refused.clone());
        let mut false_logout = told.is_some();
        for holder in holders {
            false_logout |= !holder.calls(client, &person.account)?;
        }
        Ok(Self { lineages, false_logout, told, ..Self::default() })
    }
}
