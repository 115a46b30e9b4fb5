//! What a client was told, and what must be true because of it.
//!
//! Nobody else uses a person's accounts and sessions, and a person waits for each answer. So when the server dies, at
//! most one request is in doubt for each session and account: the one under way. Of everything else the ledger knows
//! exactly what must be true, and [`Person::check`] asks the server that was started again.

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};

use crate::client::{Answer, Client, Lost, Request, Tokens};

/// How every password begins, so that a log can be searched for all of them.
pub const PASSWORD: &str = "swordfish-";

/// The setting `REFRESH_GRACE` of the server, which decides what a spent token is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grace {
    /// `0s`: a lost answer to a renewal that was done is a logout.
    Strict,
    /// The default: whoever holds a token or asks again with it is given the session's one live token.
    Default,
}

/// How the server before this one ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interruption {
    /// What was under way was done or not.
    Kill,
    /// What was not answered was never begun.
    Stop,
}

/// What became of the requests that were under way.
#[derive(Debug, Default, Clone, Copy)]
pub struct Doubts {
    pub done: u32,
    pub not_done: u32,
}

/// A client with accounts and sessions of its own, and the ledger of what it was told.
pub struct Person {
    name: String,
    grace: Grace,
    rng: StdRng,
    names_used: u32,
    accounts: Vec<Account>,
    sessions: Vec<Session>,
    pub doubts: Doubts,
}

#[derive(Clone)]
struct Account {
    username: String,
    password: String,
    /// False while the answer to its registration is missing.
    acknowledged: bool,
}

struct Session {
    /// The newest pair.
    tokens: Tokens,
    /// Refresh tokens with a successor that was acknowledged.
    spent: Vec<String>,
    /// Known to have ended.
    over: bool,
    under_way: Option<UnderWay>,
}

enum UnderWay {
    /// With this token; with two tabs, the newest may be its successor.
    Renewal(String),
    Logout,
}

impl Person {
    pub fn new(name: String, grace: Grace, seed: u64) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        Self { name, grace, rng, names_used: 0, accounts: vec![], sessions: vec![], doubts: Doubts::default() }
    }

    /// Does one thing and writes down what it was told. Two clients: the tabs of a browser.
    pub fn act(&mut self, tabs: &mut [Client; 2]) -> Result<(), Lost> {
        let live: Vec<usize> = (0..self.sessions.len()).filter(|index| !self.sessions[*index].over).collect();
        let session = live.choose(&mut self.rng).copied();
        match (self.rng.random_range(0..100), session) {
            (0..6, _) => self.register(&mut tabs[0]),
            (6..16, _) | (_, None) => self.login(&mut tabs[0]),
            (16..22, Some(session)) => self.log_out(session, &mut tabs[0]),
            (22..30, Some(session)) => {
                tabs[0].ask(&Request::profile(&self.sessions[session].tokens.access))?.is(200);
                Ok(())
            }
            (_, Some(session)) => match self.grace {
                Grace::Strict => self.renew(session, &mut tabs[..1]),
                Grace::Default => self.renew(session, tabs),
            },
        }
    }

    fn register(&mut self, client: &mut Client) -> Result<(), Lost> {
        self.names_used += 1;
        let username = format!("{}-{}", self.name, self.names_used);
        let password = format!("{PASSWORD}{username}");
        let request = Request::register(&username, &password);
        self.accounts.push(Account { username, password, acknowledged: false });
        client.ask(&request)?.is(201);
        self.accounts.last_mut().unwrap().acknowledged = true;
        Ok(())
    }

    fn login(&mut self, client: &mut Client) -> Result<(), Lost> {
        let Some(account) = self.accounts.choose(&mut self.rng) else { return self.register(client) };
        let tokens = client.ask(&Request::login(&account.username, &account.password))?.tokens();
        self.sessions.push(Session::with(tokens));
        Ok(())
    }

    fn log_out(&mut self, session: usize, client: &mut Client) -> Result<(), Lost> {
        let session = &mut self.sessions[session];
        session.under_way = Some(UnderWay::Logout);
        client.ask(&Request::logout(&session.tokens.refresh))?.is(204);
        session.under_way = None;
        session.over = true;
        Ok(())
    }

    /// Renews in every tab at once, with the same token.
    fn renew(&mut self, session: usize, tabs: &mut [Client]) -> Result<(), Lost> {
        let session = &mut self.sessions[session];
        let presented = session.tokens.refresh.clone();
        let request = Request::renew(&presented);
        session.under_way = Some(UnderWay::Renewal(presented.clone()));
        let sent: Vec<Result<(), Lost>> = tabs.iter_mut().map(|tab| tab.send(&request)).collect();
        let answers: Vec<Result<Answer, Lost>> =
            tabs.iter_mut().zip(sent).map(|(tab, sent)| sent.and_then(|()| tab.receive())).collect();
        let mut lost = false;
        for answer in answers {
            let Ok(answer) = answer else {
                lost = true;
                continue;
            };
            let tokens = answer.tokens();
            match self.grace {
                Grace::Strict => assert_ne!(tokens.refresh, presented, "every use spends"),
                Grace::Default => session.agrees(&tokens, &presented),
            }
            session.renewed(tokens);
        }
        if lost {
            return Err(Lost);
        }
        session.under_way = None;
        Ok(())
    }

    /// Holds a server that was started again to everything that was acknowledged, and settles what was in doubt.
    pub fn check(&mut self, client: &mut Client, interruption: Interruption) {
        let mut accounts = std::mem::take(&mut self.accounts);
        for account in &mut accounts {
            self.check_account(account, client, interruption);
        }
        let mut sessions = std::mem::take(&mut self.sessions);
        for session in &mut sessions {
            self.check_session(session, client, interruption);
        }
        self.keep_a_few(accounts, sessions);
    }

    fn check_account(&mut self, account: &mut Account, client: &mut Client, interruption: Interruption) {
        let register = Request::register(&account.username, &account.password);
        let login = answered(client, &Request::login(&account.username, &account.password));
        if account.acknowledged {
            self.sessions.push(Session::with(login.tokens()));
        } else if login.status == 200 {
            self.was_done(interruption, "a registration");
        } else {
            self.was_not_done();
            assert_eq!((login.status, login.body["code"].as_str()), (401, Some("invalid_credentials")));
            answered(client, &register).is(201);
        }
        account.acknowledged = true;
        answered(client, &register).is(409);
    }

    fn check_session(&mut self, session: &mut Session, client: &mut Client, interruption: Interruption) {
        if session.over {
            return session.is_over(client);
        }
        let profile = answered(client, &Request::profile(&session.tokens.access));
        match session.under_way.take() {
            Some(UnderWay::Logout) if profile.status == 401 => {
                self.was_done(interruption, "a logout");
                session.over = true;
                return session.is_over(client);
            }
            Some(UnderWay::Logout) => self.was_not_done(),
            Some(UnderWay::Renewal(presented)) => match self.grace {
                Grace::Strict => {
                    let answer = answered(client, &Request::renew(&presented));
                    if answer.status == 200 {
                        self.was_not_done();
                        session.renewed(answer.tokens());
                    } else {
                        self.was_done(interruption, "a renewal");
                        answer.refused_as("reused");
                        session.over = true;
                        session.is_over(client);
                    }
                }
                Grace::Default => {
                    // The tab that was answered, if any, and the one that was not hold the same token from now on.
                    let tokens = answered(client, &Request::renew(&presented)).tokens();
                    session.agrees(&tokens, &presented);
                }
            },
            None => {}
        }
        profile.is(200);
        if !session.over {
            self.check_live(session, client);
        }
    }

    fn check_live(&mut self, session: &mut Session, client: &mut Client) {
        if self.grace == Grace::Strict
            && let Some(spent) = session.spent.choose(&mut self.rng)
            // Presenting a spent token ends the session, so only some are asked.
            && self.rng.random_ratio(1, 3)
        {
            answered(client, &Request::renew(spent)).refused_as("reused");
            session.over = true;
            return session.is_over(client);
        }
        let presented = session.tokens.refresh.clone();
        let tokens = answered(client, &Request::renew(&presented)).tokens();
        match self.grace {
            Grace::Strict => assert_ne!(tokens.refresh, presented, "every use spends"),
            Grace::Default => {
                for held in session.spent.last().into_iter().chain([&presented, &tokens.refresh]) {
                    let answer = answered(client, &Request::renew(held)).tokens();
                    assert_eq!(answer.refresh, tokens.refresh, "there is one lineage");
                }
            }
        }
        session.renewed(tokens);
    }

    /// Some go on into the next round, so that what was acknowledged outlives many kills; not all, so that the number of
    /// requests stays what it is, however many rounds there are.
    fn keep_a_few(&mut self, mut accounts: Vec<Account>, sessions: Vec<Session>) {
        self.accounts = accounts.split_off(accounts.len().saturating_sub(3));
        let (mut over, mut live): (Vec<_>, Vec<_>) = sessions.into_iter().partition(|session| session.over);
        if self.grace == Grace::Default {
            // A window lasts seconds: what is asked again after a kill must have been renewed just before it.
            live.clear();
        }
        over.shuffle(&mut self.rng);
        live.shuffle(&mut self.rng);
        self.sessions.extend(over.into_iter().take(6));
        self.sessions.extend(live.into_iter().take(6));
    }

    fn was_done(&mut self, interruption: Interruption, what: &str) {
        assert_eq!(interruption, Interruption::Kill, "{what} was done by a server that stopped without answering it");
        self.doubts.done += 1;
    }

    fn was_not_done(&mut self) {
        self.doubts.not_done += 1;
    }
}

impl Session {
    fn with(tokens: Tokens) -> Self {
        Self { tokens, spent: Vec::new(), over: false, under_way: None }
    }

    fn renewed(&mut self, tokens: Tokens) {
        if tokens.refresh != self.tokens.refresh {
            self.spent.push(std::mem::replace(&mut self.tokens, tokens).refresh);
        }
    }

    /// Fails where two holders of one token were given different ones.
    fn agrees(&self, tokens: &Tokens, presented: &str) {
        if self.tokens.refresh != presented {
            assert_eq!(tokens.refresh, self.tokens.refresh, "there is one lineage");
        }
    }

    /// Fails unless nothing of this session is worth anything.
    fn is_over(&self, client: &mut Client) {
        for token in self.spent.last().into_iter().chain([&self.tokens.refresh]) {
            answered(client, &Request::renew(token)).refused_as("revoked");
        }
        let profile = answered(client, &Request::profile(&self.tokens.access)).is(401);
        assert_eq!(profile.body["code"], "invalid_token");
    }
}

/// The answer of a server that nobody interrupts.
fn answered(client: &mut Client, request: &Request) -> Answer {
    client.ask(request).expect("an answer")
}
