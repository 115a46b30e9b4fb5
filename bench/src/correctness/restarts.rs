//! Scenarios in which the service forgets, or goes back in time.

use anyhow::Result;

use super::Size;
use super::client::Client;
use super::holder::{Holder, lineages};
use super::outcome::{Counted, Outcome};
use super::subject::{Person, Subject};

/// Outside its window a token that was spent before a clean restart is presented by a thief. Beside each session is one that
/// nobody steals from, whose owner goes on with the newest token.
pub fn replay_after_restart(subject: &mut Subject<'_>, size: Size) -> Result<Counted> {
    subject.progress("replay after a restart");
    let people = subject.people(size.thefts)?;
    let bystanders = subject.people(size.thefts)?;
    let renewed = |client: &Client<'_>, people: &[Person]| -> Result<Vec<Holder>> {
        let renew = |person: &Person| {
            let mut owner = Holder::honest(&person.tokens);
            owner.renew(client)?;
            Ok(owner)
        };
        people.iter().map(renew).collect()
    };
    let client = subject.client()?;
    let (owners, bystanders) = (renewed(&client, &people)?, renewed(&client, &bystanders)?);
    subject.wait_until_outside();
    subject.stop()?;
    subject.start_again()?;
    let client = subject.client()?;
    let sessions = people.iter().zip(owners).zip(bystanders);
    let outcome = |((person, owner), mut bystander): ((&Person, Holder), Holder)| {
        bystander.renew(&client)?;
        let mut thief = Holder::thief(&person.tokens);
        thief.renew(&client)?;
        let told = thief.refused.clone();
        let false_logout = bystander.has_given_up();
        Ok(Outcome { false_logout, ..Outcome::of_a_theft(&client, person, [owner, thief], told)? })
    };
    sessions.map(outcome).collect()
}

/// The state is copied while the service runs, everybody renews twice more, and the copy is put back. Two rows: the owner goes on with
/// the newest token, which the copy does not know yet; a thief comes with what was not spent in it yet, and the owner after him.
pub fn restored_backup(subject: &mut Subject<'_>, size: Size) -> Result<[Counted; 2]> {
    subject.progress("a restored backup");
    let (alone, stolen) = (subject.people(size.thefts)?, subject.people(size.thefts)?);
    let hold = |people: &[Person]| people.iter().map(|person| Holder::honest(&person.tokens)).collect::<Vec<_>>();
    let (mut alone_owners, mut owners) = (hold(&alone), hold(&stolen));
    let renew_all = |client: &Client<'_>, owners: [&mut Vec<Holder>; 2]| {
        owners.into_iter().flatten().try_for_each(|owner| owner.renew(client))
    };
    let client = subject.client()?;
    renew_all(&client, [&mut alone_owners, &mut owners])?;
    subject.wait_until_outside();
    let backup = subject.back_up()?;
    let copied = owners.clone();
    for _ in 0..2 {
        renew_all(&client, [&mut alone_owners, &mut owners])?;
        subject.wait_until_outside();
    }
    subject.stop()?;
    subject.restore(&backup)?;
    subject.start_again()?;

    let client = subject.client()?;
    let newest = alone_owners.into_iter().map(|mut owner| {
        let (lineages, _) = lineages(&client, std::slice::from_mut(&mut owner))?;
        let told = owner.refused.clone();
        Ok(Outcome { lineages, false_logout: told.is_some(), told, ..Outcome::default() })
    });
    let newest = newest.collect::<Result<_>>()?;
    let old = stolen.iter().zip(owners).zip(copied).map(|((person, mut owner), copied)| {
        let mut thief = Holder::thief(&copied.tokens);
        thief.renew(&client)?;
        owner.renew(&client)?;
        let told = owner.refused.clone();
        Outcome::of_a_theft(&client, person, [owner, thief], told)
    });
    Ok([newest, old.collect::<Result<_>>()?])
}
