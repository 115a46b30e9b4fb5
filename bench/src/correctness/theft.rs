//! Scenarios in which a token was copied.
//!
//! Owns when a theft can be seen: at the first use of a spent token that can be no retry, by whomever. From then on, and once the
//! owner has renewed or tried to, a thief who renews or calls has stayed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::Size;
use super::client::Client;
use super::holder::{Holder, lineages};
use super::outcome::{Counted, Outcome};
use super::subject::{Person, Subject};

/// How often an old token is presented before the owner renews, meanwhile, and after it.
const POLLS: usize = 100;
/// Between two polls that go on while a window ends.
const BETWEEN: Duration = Duration::from_millis(20);
/// For so many windows an old token is polled from inside the first one on: one that slides would still be open.
const WINDOWS: u32 = 3;

/// A session with two who hold its tokens.
pub struct Stolen {
    person: Person,
    owner: Holder,
    thief: Holder,
}

impl Stolen {
    /// The thief has what the owner has.
    fn copied(person: &Person) -> Self {
        let (owner, thief) = (Holder::honest(&person.tokens), Holder::thief(&person.tokens));
        Self { person: person.clone(), owner, thief }
    }

    /// So many who take part in nothing else.
    fn several(subject: &mut Subject<'_>, count: usize) -> Result<Vec<Self>> {
        Ok(subject.people(count)?.iter().map(Self::copied).collect())
    }

    /// What is left of it, where only one of the two can have been refused so far.
    fn outcome(self, client: &Client<'_>) -> Result<Outcome> {
        let told = self.owner.refused.clone().or_else(|| self.thief.refused.clone());
        Outcome::of_a_theft(client, &self.person, [self.owner, self.thief], told)
    }
}

impl Outcome {
    /// Of a theft that can be seen: owner and thief try once more, in this order, and go on with what they get. `told` is what the
    /// first refusal said.
    pub fn of_a_theft(
        client: &Client<'_>,
        person: &Person,
        mut holders: [Holder; 2],
        told: Option<String>,
    ) -> Result<Self> {
        let (lineages, alive) = lineages(client, &mut holders)?;
        let [owner, thief] = &holders;
        let thief_was_served = thief.served > 0;
        // Whoever is left without a lineage may hold an access token still.
        let is_over = lineages == 0;
        let [owner_calls, thief_calls] = [owner.calls(client, &person.account)?, thief.calls(client, &person.account)?];
        Ok(Self {
            lineages,
            thief_was_served,
            thief_renews: alive.last() == Some(&true),
            // What he copied from the owner and never renewed is no spoil of the service's.
            thief_calls: thief_was_served && thief_calls,
            call_outlived: is_over && (owner_calls || thief_calls),
            told,
            ..Self::default()
        })
    }
}

/// The thief presents the spent token right after the owner renewed. Two rows: what both have then, and what is left once
/// each of them renewed outside the window, the one half with the owner second, the other with the thief.
pub fn parent_inside(subject: &mut Subject<'_>, size: Size) -> Result<[Counted; 2]> {
    subject.progress("a stolen parent inside the window");
    let mut sessions = Stolen::several(subject, size.thefts)?;
    let client = subject.client()?;
    let mut inside = Vec::new();
    for stolen in &mut sessions {
        stolen.owner.renew(&client)?;
        stolen.thief.renew(&client)?;
        let mut holders = [stolen.owner.clone(), stolen.thief.clone()];
        let (lineages, _) = lineages(&client, &mut holders)?;
        let told = holders.iter().find_map(|holder| holder.refused.clone());
        [stolen.owner, stolen.thief] = holders;
        let thief_was_served = stolen.thief.served > 0;
        // Nobody can see it yet, so nobody can be blamed for it.
        inside.push(Outcome { lineages, thief_was_served, told, ..Outcome::default() });
    }
    for turn in 0..2 {
        subject.wait_until_outside();
        for (number, stolen) in sessions.iter_mut().enumerate() {
            let is_owners = (number + turn) % 2 == 0;
            if is_owners {
                stolen.owner.renew(&client)?
            } else {
                stolen.thief.renew(&client)?
            };
        }
    }
    let outside = sessions.into_iter().map(|stolen| stolen.outcome(&client)).collect::<Result<_>>()?;
    Ok([inside.into_iter().collect(), outside])
}

/// Outside the window the second of the two presents what the first one spent. Two rows: the thief is second, the owner is.
pub fn parent_outside(subject: &mut Subject<'_>, size: Size) -> Result<[Counted; 2]> {
    subject.progress("a stolen parent outside the window");
    let mut thief_second = Stolen::several(subject, size.thefts)?;
    let mut owner_second = Stolen::several(subject, size.thefts)?;
    let client = subject.client()?;
    thief_second.iter_mut().try_for_each(|stolen| stolen.owner.renew(&client))?;
    owner_second.iter_mut().try_for_each(|stolen| stolen.thief.renew(&client))?;
    subject.wait_until_outside();
    thief_second.iter_mut().try_for_each(|stolen| stolen.thief.renew(&client))?;
    owner_second.iter_mut().try_for_each(|stolen| stolen.owner.renew(&client))?;
    let counted =
        |sessions: Vec<Stolen>| sessions.into_iter().map(|stolen| stolen.outcome(&client)).collect::<Result<Counted>>();
    Ok([counted(thief_second)?, counted(owner_second)?])
}

/// The owner renewed twice, and the thief presents what both had at first: for every other session inside the window of the
/// second renewal, for the others outside it.
pub fn grandparent(subject: &mut Subject<'_>, size: Size) -> Result<Counted> {
    subject.progress("a stolen grandparent");
    let mut sessions = Stolen::several(subject, size.thefts)?;
    let client = subject.client()?;
    sessions.iter_mut().try_for_each(|stolen| stolen.owner.renew(&client))?;
    subject.wait_until_outside();
    for (number, stolen) in sessions.iter_mut().enumerate() {
        stolen.owner.renew(&client)?;
        if number % 2 == 0 {
            stolen.thief.renew(&client)?;
        }
    }
    subject.wait_until_outside();
    for stolen in sessions.iter_mut().skip(1).step_by(2) {
        stolen.thief.renew(&client)?;
    }
    sessions.into_iter().map(|stolen| stolen.outcome(&client)).collect()
}

/// A thief presents an old token for hundreds of times. Two rows: it is old when he begins, and the owner renews before, meanwhile and
/// after it; he begins right after it was spent, and goes on until its window is over for long.
pub fn polled(subject: &mut Subject<'_>, size: Size) -> Result<[Counted; 2]> {
    subject.progress("an old token polled for ever");
    let mut outside = Stolen::several(subject, size.polled)?;
    let mut from_inside = Stolen::several(subject, size.polled)?;
    let client = subject.client()?;
    outside.iter_mut().try_for_each(|stolen| stolen.owner.renew(&client))?;
    subject.wait_until_outside();
    let outside = outside.into_iter().map(|mut stolen| {
        let Stolen { person, owner, thief } = &mut stolen;
        poll_while(thief, person, &client, || {
            for _ in 0..3 {
                thread::sleep(BETWEEN);
                owner.renew(&client)?;
            }
            Ok(())
        })?;
        stolen.outcome_of_polling(&client)
    });
    let outside = outside.collect::<Result<_>>()?;
    from_inside.iter_mut().try_for_each(|stolen| stolen.owner.renew(&client))?;
    let end = Instant::now() + subject.window() * WINDOWS;
    while Instant::now() < end {
        for stolen in &mut from_inside {
            stolen.thief.poll(&client, &stolen.person.tokens)?;
        }
        thread::sleep(BETWEEN);
    }
    let from_inside = from_inside.into_iter().map(|stolen| stolen.outcome_of_polling(&client));
    Ok([outside, from_inside.collect::<Result<_>>()?])
}

/// Polls with the token of the login before, while, and after `meanwhile` is done.
fn poll_while(
    thief: &mut Holder,
    person: &Person,
    client: &Client<'_>,
    meanwhile: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let poll = |thief: &mut Holder| thief.poll(client, &person.tokens);
    (0..POLLS).try_for_each(|_| poll(thief))?;
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let polling = scope.spawn(|| {
            let mut polls = 0;
            while polls < POLLS || !done.load(Ordering::Relaxed) {
                poll(thief)?;
                polls += 1;
            }
            Ok(())
        });
        let renewed = meanwhile();
        done.store(true, Ordering::Relaxed);
        polling.join().map_err(|_| anyhow!("a thief panicked"))?.and(renewed)
    })?;
    (0..POLLS).try_for_each(|_| poll(thief))
}

impl Stolen {
    /// It was the thief who was refused first.
    fn outcome_of_polling(self, client: &Client<'_>) -> Result<Outcome> {
        let told = self.thief.refused.clone();
        Outcome::of_a_theft(client, &self.person, [self.owner, self.thief], told)
    }
}
