//! A client that does a bit of everything and writes down when.

use std::fs;
use std::path::PathBuf;

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::ledger::{Asked, Held, Line, Told};
use crate::client::{Answer, Client, Lost, Request};
use crate::person::{Grace, PASSWORD};

/// One client with accounts and sessions of its own. It waits for each answer, and asks again where it lost one.
pub struct Holder {
    name: String,
    grace: Grace,
    rng: StdRng,
    journal: PathBuf,
    accounts: Vec<String>,
    live: Vec<Held>,
    /// What was under way when the server died, and how often.
    unanswered: Option<(Asked, u32)>,
    pub lines: Vec<Line>,
}

pub fn password(username: &str) -> String {
    format!("{PASSWORD}{username}")
}

impl Holder {
    pub fn new(name: String, grace: Grace, rng: StdRng, journal: PathBuf) -> Self {
        Self { name, grace, rng, journal, accounts: vec![], live: vec![], unanswered: None, lines: vec![] }
    }

    /// Does one thing. First of all, what it was not answered.
    pub fn act(&mut self, client: &mut Client) -> Result<(), Lost> {
        if let Some((asked, times)) = self.unanswered.take() {
            return self.ask(asked, client, times);
        }
        let asked = match (self.rng.random_range(0..100), self.live.choose(&mut self.rng)) {
            (0..15, _) => Asked::Register(format!("{}-{}", self.name, self.accounts.len())),
            (15..40, _) | (_, None) => match self.accounts.is_empty() {
                true => Asked::Register(format!("{}-0", self.name)),
                false => Asked::Login,
            },
            (40..50, Some(held)) => Asked::Logout(held.clone()),
            (50..55, Some(held)) => {
                client.ask(&Request::profile(&held.tokens.access))?.is(200);
                return Ok(());
            }
            (_, Some(held)) => Asked::Renew(held.clone()),
        };
        self.ask(asked, client, 0)
    }

    fn ask(&mut self, asked: Asked, client: &mut Client, lost: u32) -> Result<(), Lost> {
        let request = match &asked {
            Asked::Register(name) => Request::register(name, &password(name)),
            Asked::Login => {
                let name = self.accounts.choose(&mut self.rng).unwrap();
                Request::login(name, &password(name))
            }
            Asked::Renew(held) => Request::renew(&held.tokens.refresh),
            Asked::Logout(held) => Request::logout(&held.tokens.refresh),
        };
        self.lines.push(Line { sent_at: self.moment(), asked: asked.clone(), told: None });
        let answer = client.ask(&request).inspect_err(|_| self.unanswered = Some((asked.clone(), lost + 1)))?;
        let moment = self.moment();
        let told = self.told(asked, answer, lost);
        self.lines.last_mut().unwrap().told = Some((moment, told));
        Ok(())
    }

    /// `lost`: how often it was asked before, without an answer.
    fn told(&mut self, asked: Asked, answer: Answer, lost: u32) -> Told {
        match asked {
            Asked::Register(name) => {
                let answer = if lost > 0 && answer.status == 409 { answer } else { answer.is(201) };
                drop(answer);
                self.accounts.push(name);
                Told::Exists
            }
            Asked::Login => {
                let held = Held::from(answer.tokens());
                self.live.push(held.clone());
                Told::Given(held)
            }
            Asked::Logout(held) => {
                answer.is(204);
                self.live.retain(|live| live.session != held.session);
                Told::Over
            }
            // Strict: what was done without an answer is a logout.
            Asked::Renew(held) if lost > 0 && self.grace == Grace::Strict && answer.status == 401 => {
                // Asked a third time, it may have ended the session with the second.
                let ended_before = lost > 1 && answer.body["reason"] == "revoked";
                answer.refused_as(if ended_before { "revoked" } else { "reused" });
                self.live.retain(|live| live.session != held.session);
                Told::Over
            }
            Asked::Renew(held) => {
                let given = Held::from(answer.tokens());
                let live = self.live.iter_mut().find(|live| live.session == held.session).unwrap();
                *live = given.clone();
                Told::Given(given)
            }
        }
    }

    /// The journal's length.
    fn moment(&self) -> u64 {
        fs::metadata(&self.journal).unwrap().len()
    }
}
