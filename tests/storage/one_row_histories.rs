//! Whatever is done, the copy of a user in a session's row is the user, and no user agent is kept for nobody.
//!
//! A history of everything that the service does to a few people and their sessions, and after each step a look at all rows.

use latchkey::error::{Error, Result};
use latchkey::storage::sqlite::Rules;
use latchkey::storage::{Account, Client, SessionOperation, SessionOutcome, UserOperation, UserOutcome};
use latchkey::tokens::principal::Role;
use latchkey::tokens::refresh::SessionId;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::database::{
    DAY, Database, client, deleting, disabling, ending_all, giving, logout, nameless_client, opening_by,
    password_change, presenting, presenting_from, strict_rules,
};
use crate::engine::Engine;
use crate::one_row::WRONG;

every_engine![no_history_leaves_a_copy_that_is_not_its_user_or_a_user_agent_that_nobody_names];

/// Few, so that some of them make room.
const MOST_SESSIONS: usize = 3;

/// What a client calls itself; one beyond these says nothing.
const AGENTS: [&str; 3] = ["phone", "tablet", "laptop"];

fn calling_itself(agent: usize) -> Client {
    AGENTS.get(agent).map_or_else(nameless_client, |agent| client(agent))
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Open {
        person: usize,
        agent: usize,
    },
    Renew {
        session: usize,
        agent: usize,
    },
    /// With a token that was spent.
    Steal {
        session: usize,
    },
    Logout {
        session: usize,
    },
    /// Of one session of its owner's under another.
    EndOwn {
        session: usize,
        other: usize,
    },
    ChangePassword {
        session: usize,
    },
    /// Under a session.
    DeleteOwn {
        session: usize,
    },
    SetRoles {
        person: usize,
        admin: bool,
    },
    Disable {
        person: usize,
        disabled: bool,
    },
    EndAll {
        person: usize,
    },
    Delete {
        person: usize,
    },
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    let (person, session, agent) = (|| 0..3_usize, || any::<usize>(), || 0..=AGENTS.len());
    prop_oneof![
        4 => (person(), agent()).prop_map(|(person, agent)| Step::Open { person, agent }),
        8 => (session(), agent()).prop_map(|(session, agent)| Step::Renew { session, agent }),
        2 => session().prop_map(|session| Step::Steal { session }),
        2 => session().prop_map(|session| Step::Logout { session }),
        2 => (session(), session()).prop_map(|(session, other)| Step::EndOwn { session, other }),
        2 => session().prop_map(|session| Step::ChangePassword { session }),
        1 => session().prop_map(|session| Step::DeleteOwn { session }),
        2 => (person(), any::<bool>()).prop_map(|(person, admin)| Step::SetRoles { person, admin }),
        2 => (person(), any::<bool>()).prop_map(|(person, disabled)| Step::Disable { person, disabled }),
        1 => person().prop_map(|person| Step::EndAll { person }),
        1 => person().prop_map(|person| Step::Delete { person }),
        1 => Just(Step::Sweep),
    ]
}

/// A session that was opened, whoever is left of it.
#[derive(Debug, Clone, Copy)]
struct Held {
    id: SessionId,
    /// Was given last.
    generation: u32,
    person: usize,
}

struct History {
    db: Database,
    people: Vec<Account>,
    sessions: Vec<Held>,
}

impl History {
    fn begin(db: Database) -> Self {
        let people = ["alice", "bob", "carol"].map(|name| db.account(name)).into();
        Self { db, people, sessions: Vec::new() }
    }

    fn walk(&mut self, step: Step) {
        match step {
            Step::Open { person, agent } => {
                let Some(account) = self.found(person) else { return };
                let opened = self.one(opening_by(&account, calling_itself(agent)));
                if let Ok(SessionOutcome::Opened { grant, .. }) = opened {
                    self.sessions.push(Held { id: grant.session, generation: 1, person });
                }
            }
            Step::Renew { session, agent } => {
                let Some((number, held)) = self.picked(session) else { return };
                let granted = self.one(presenting_from(held.id, held.generation, calling_itself(agent)));
                if let Ok(SessionOutcome::Granted(grant)) = granted {
                    self.sessions[number].generation = grant.generation.number();
                }
            }
            Step::Steal { session } => {
                let Some((_, held)) = self.picked(session).filter(|(_, held)| held.generation > 1) else { return };
                self.one(presenting(held.id, held.generation - 1)).ok();
            }
            Step::Logout { session } => {
                let Some((_, held)) = self.picked(session) else { return };
                self.one(logout(held.id)).unwrap();
            }
            Step::EndOwn { session, other } => {
                let (Some((_, held)), Some((_, by))) = (self.picked(session), self.picked(other)) else { return };
                let owner = self.people[held.person].principal.id;
                self.one(SessionOperation::EndOwn { owner, asked_by: by.id, session: held.id }).ok();
            }
            Step::ChangePassword { session } => {
                let Some((_, held)) = self.picked(session) else { return };
                let Some(account) = self.found(held.person) else { return };
                let changed = self.one_of_users(password_change(held.id, &account, "another hash"));
                if let Ok(UserOutcome::PasswordChanged { grant, .. }) = changed {
                    self.sessions.push(Held { id: grant.session, generation: 1, person: held.person });
                }
            }
            Step::DeleteOwn { session } => {
                let Some((_, held)) = self.picked(session) else { return };
                let Some(account) = self.found(held.person) else { return };
                self.one_of_users(UserOperation::DeleteOwn { seen: account.fence(), asked_by: held.id }).ok();
            }
            Step::SetRoles { person, admin } => {
                let roles = if admin { vec![Role::User, Role::Admin] } else { vec![Role::User] };
                self.one_of_users(giving(self.people[person].principal.id, roles)).ok();
            }
            Step::Disable { person, disabled } => {
                self.one_of_users(disabling(self.people[person].principal.id, disabled)).ok();
            }
            Step::EndAll { person } => {
                self.one_of_users(ending_all(self.people[person].principal.id)).ok();
            }
            Step::Delete { person } => {
                self.one_of_users(deleting(self.people[person].principal.id)).ok();
            }
            Step::Sweep => {
                self.db.pass(8 * DAY);
                self.db.sweep();
            }
        }
    }

    /// By name: what a login would have read just now.
    fn found(&self, person: usize) -> Option<Account> {
        self.db.find(self.people[person].principal.username.as_str())
    }

    /// Of the last few: most of the others are over.
    fn picked(&self, session: usize) -> Option<(usize, Held)> {
        let nth = session.checked_rem(self.sessions.len().min(2 * MOST_SESSIONS))?;
        let number = self.sessions.len() - 1 - nth;
        Some((number, self.sessions[number]))
    }

    fn one(&self, operation: SessionOperation) -> Result<SessionOutcome> {
        ruled(self.db.sessions(vec![operation]).outcomes.remove(0))
    }

    fn one_of_users(&self, operation: UserOperation) -> Result<UserOutcome> {
        ruled(self.db.users(vec![operation]).outcomes.remove(0))
    }
}

/// Done, or refused by a rule: a statement that the table itself refuses is a fault of ours.
fn ruled<T>(outcome: Result<T>) -> Result<T> {
    assert!(!matches!(outcome, Err(Error::Unavailable | Error::Internal(_))), "a statement failed");
    outcome
}

fn no_history_leaves_a_copy_that_is_not_its_user_or_a_user_agent_that_nobody_names(engine: Box<dyn Engine>) {
    let mut history =
        History::begin(Database::at_rest(Rules { max_sessions_per_user: MOST_SESSIONS, ..strict_rules() }, engine));
    // One database for all histories, each of which goes on from the one before it: a deleted person is registered again.
    let mut runner = TestRunner::new(ProptestConfig { cases: 64, ..ProptestConfig::default() });
    let history = std::cell::RefCell::new(&mut history);
    runner
        .run(&proptest::collection::vec(step(), 1..24), |steps| {
            let mut history = history.borrow_mut();
            for person in 0..history.people.len() {
                let name = history.people[person].principal.username.as_str().to_owned();
                let account = history.db.find(&name).unwrap_or_else(|| history.db.account(&name));
                history.db.change(disabling(account.principal.id, false));
                history.people[person] = account;
            }
            for step in steps {
                history.walk(step);
                for wrong in WRONG {
                    prop_assert_eq!(history.db.engine.number(wrong), 0, "after {:?}: {}", step, wrong);
                }
            }
            Ok(())
        })
        .unwrap();
}
