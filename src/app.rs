//! The composition root: settings in, a running server with its address out.
//!
//! Owns the order of starting and stopping, and nothing that happens between. Started: the keys, storage, the map of endings,
//! actors, hashing, then the listener, so that the first request finds everything. Stopped: the listener first, what is
//! in flight finishes and commits, then storage. A part that dies ends the process.
//!
//! [`Settings`] -> [`Server::start`] -> [`Server::address`] -> [`Server::serve_until`]
//!
//! - `error`: why it does not start, or ended
//! - `key_ring`: from the file to the keys in use
//! - `signals`: when to stop

mod error;
mod key_ring;
mod signals;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix::{Arbiter, ArbiterHandle};
use actix_web::rt::{self, System};
use actix_web::web::Data;
use actix_web::{App, HttpServer, dev};
use futures_util::future::{self, Either};

pub use self::error::RunError;
pub use self::key_ring::Looks;
pub use self::key_ring::refuse_older;
use self::key_ring::{AtStart, Follower};
use self::signals::Signals;
use crate::actors::attempts::Attempts;
use crate::actors::password_hasher::Hashing;
use crate::actors::refresh_tokens::{RefreshTokens, Sessions};
use crate::actors::user_store::UserStore;
use crate::clients::Clients;
use crate::clock::Clock;
use crate::config::{Database, Settings};
use crate::events;
use crate::handlers;
use crate::handlers::health::Readiness;
use crate::handlers::oauth::metadata::Metadata;
use crate::handlers::own_pages::OwnPages;
use crate::handlers::refresh_cookie::RefreshCookie;
use crate::handlers::services::Services;
use crate::lifeline::{self, Deaths};
use crate::middleware::cors::Cors;
use crate::middleware::forwarded::Proxies;
use crate::middleware::respond::Respond;
use crate::passwords::{Hasher, Policy};
use crate::storage::sqlite::{Rules, Sqlite};
use crate::storage::{Storage, Swept};
use crate::throttle;
use crate::throttle::registrations::Registrations;
use crate::tokens::live_keys::LiveKeys;
use crate::tokens::revocation::{self, Revocations};
use crate::tokens::ring::Given;
use crate::tokens::rotation;
use crate::tokens::verified::VerifiedTokens;

/// Longer than the idle time of the usual proxies (60 s): the side that reuses a connection must close it first, or a
/// request meets a closing one.
pub const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long the head of a connection's first request may take.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// How long requests in flight may take to finish after a stop was asked for, beyond the longest wait for a hash and for a
/// slow body: the hash itself and the commit, on a busy machine.
const STOP_SLACK: Duration = Duration::from_secs(15);
/// Between two looks of the sweeper at the whole table.
const SWEEP_PAUSE: Duration = Duration::from_secs(60);
/// Between two steps of one look.
const SWEEP_STEP_PAUSE: Duration = Duration::from_millis(100);
/// Between two looks at what other processes ended: the access tokens of whoever the command line disables are refused within a
/// second, and a service that has nothing to do asks SQLite one question in that time.
const FOLLOW_PAUSE: Duration = Duration::from_millis(250);
/// Counters of failed logins that are kept at most: some 10 MB of the database (docs/adr/0009-throttling.md).
const MOST_COUNTERS: u32 = 100_000;

/// A server that listens.
pub struct Server {
    /// Where, with the port that was picked.
    pub address: SocketAddr,
    /// What its handlers ask: tests drive actors through it that have no endpoint yet.
    pub services: Data<Services>,
    /// Counts the work of hashing.
    pub hasher: Arc<Hasher>,
    /// Has the key ring looked at.
    pub key_ring: Looks,
    http: dev::Server,
    storage: Arc<dyn Storage>,
    deaths: Deaths,
    arbiter: Arbiter,
    last_words: Duration,
    /// Somebody had registered when the database was opened.
    has_users: bool,
}

impl Server {
    /// Opens storage, starts the actors and listens. Must be called inside an actix `System`.
    pub async fn start(settings: Settings, clock: Clock) -> Result<Self, RunError> {
        let AtStart { keys, mark, known } = key_ring::at_start(&settings)?;
        let keys = Arc::new(LiveKeys::new(keys));
        let (watch, deaths) = lifeline::watch();
        let Database::Sqlite(path) = &settings.database;
        let engine = Sqlite::open(path, rules(&settings), &clock, &watch)?;
        let has_users = engine.has_users();
        let storage: Arc<dyn Storage> = Arc::new(engine);
        let revocations = Arc::new(Revocations::new(settings.access_token_ttl));
        storage.revocations().await?.into_iter().for_each(|revocation| revocations.publish(revocation));
        let clients = Arc::new(Clients::default());
        clients.replace(storage.clients().await?);

        // Both stores on one arbiter: it never blocks, so they never wait for each other.
        let arbiter = Arbiter::new();
        let users = UserStore::start(
            &arbiter.handle(),
            Arc::clone(&storage),
            Arc::clone(&revocations),
            settings.limits.largest_batch,
            &watch,
        );
        let sessions = RefreshTokens::start(
            &arbiter.handle(),
            Arc::clone(&storage),
            Arc::clone(&revocations),
            Arc::clone(&clients),
            clock.clone(),
            settings.limits.largest_batch,
            &watch,
        );
        sweep_for_ever(&arbiter.handle(), sessions.clone());
        follow_for_ever(&arbiter.handle(), sessions.clone());
        let follower = Follower {
            settings: Arc::new(settings.clone()),
            clock: clock.clone(),
            keys: Arc::clone(&keys),
            sessions: sessions.clone(),
            lifeline: watch.over("follower of the key ring"),
        };
        let key_ring = follower.start(mark, known).await?;
        let hasher = Arc::new(Hasher::new(settings.bcrypt_cost));
        let hashing = Hashing::start(Arc::clone(&hasher), settings.hash_threads, settings.hash_max_wait, clock.clone());
        let services = Data::new(Services {
            attempts: Attempts::new(users.clone(), throttle::Keys::new(&settings.refresh_token_secret), clock.clone()),
            registrations: Registrations::new(settings.registrations, clock.clone()),
            users,
            sessions,
            hashing,
            password_policy: Policy::from(settings.password_policy),
            keys: Arc::clone(&keys),
            metadata: Metadata::of(settings.public_url.as_ref(), &settings.jwt_issuer),
            clients,
            refresh_cookie: RefreshCookie::new(settings.cookie_insecure),
            own_pages: OwnPages::new(settings.public_url.as_ref(), &settings.cors_origins),
            revocations,
            clock,
            readiness: Readiness::default(),
        });
        let (address, http) = listen(&settings, services.clone())?;
        let last_words = settings.limits.last_words;
        Ok(Self { address, services, hasher, key_ring, http, storage, deaths, arbiter, last_words, has_users })
    }

    /// Serves until `stop` is ready or a part dies, then finishes what is in flight, commits and closes.
    ///
    /// Errors: [`RunError::Died`] with the part's name, [`RunError::Serve`].
    pub async fn serve_until(mut self, stop: impl Future<Output = ()>) -> Result<(), RunError> {
        let listener = self.http.handle();
        let http = rt::spawn(self.http);
        let mut stop = std::pin::pin!(stop);
        let died = match future::select(stop.as_mut(), std::pin::pin!(self.deaths.recv())).await {
            Either::Left(((), _)) => None,
            Either::Right((part, _)) => part,
        };
        if let Some(part) = died {
            events::crashed(&RunError::Died(part));
            self.services.readiness.died(part);
            future::select(stop, std::pin::pin!(rt::time::sleep(self.last_words))).await;
        }
        listener.stop(true).await;
        let served = http.await.unwrap_or_else(|join| Err(io::Error::other(join)));
        self.storage.close().await;
        let died_late = self.deaths.try_recv();
        self.arbiter.stop();
        if let Some(part) = died {
            return Err(RunError::Died(part));
        }
        let ended = match died_late {
            Ok(part) => Err(RunError::Died(part)),
            Err(_) => served.map_err(RunError::Serve),
        };
        match &ended {
            Ok(()) => events::stopped(),
            Err(failure) => events::crashed(failure),
        }
        ended
    }
}

/// Runs the service until SIGTERM or SIGINT; SIGHUP has it look at the key ring. Greets on the first start.
pub fn run(settings: Settings) -> Result<(), RunError> {
    System::new().block_on(async {
        // Heard before anybody is told the address: whoever starts us may stop us as soon as they read it, and a signal
        // that nobody hears yet kills the process.
        let signals = Signals::heard().map_err(RunError::Serve)?;
        let cookie_insecure = settings.cookie_insecure;
        let server = Server::start(settings, Clock::system()).await?;
        announce(server.address, !server.has_users, cookie_insecure);
        events::started(server.address);
        if cookie_insecure {
            events::cookies_insecure();
        }
        let stop = signals.stop(server.key_ring.clone());
        let asked = async {
            stop.await;
            tracing::info!("stopping: finishing what is in flight");
        };
        server.serve_until(asked).await
    })
}

/// Whether a start would accept the key ring that the settings name. Makes nothing; a secret that a start would make may be
/// empty. What is wrong with a database that cannot be looked at is not asked here.
pub fn check(settings: &Settings) -> Result<(), RunError> {
    match key_ring::at_start(settings) {
        Err(refusal) if refusal.is_refusal() => Err(refusal),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// What the settings ask of a storage engine.
pub fn rules(settings: &Settings) -> Rules {
    Rules {
        rotation: rotation::Policy {
            window: settings.refresh_grace.window,
            until_used: settings.refresh_grace.until_used,
            idle_ttl: settings.refresh_token_ttl,
            resumed: None,
        },
        session_ttl: settings.session_ttl,
        max_sessions_per_user: settings.max_sessions_per_user,
        revocations_kept_for: revocation::kept_for(settings.access_token_ttl),
        throttle: settings.login_failures.map(|rate| throttle::Policy { rate, most_counters: MOST_COUNTERS }),
    }
}

/// What the settings say of keys.
pub fn given(settings: &Settings) -> Given<'_> {
    Given {
        jwt_secret: &settings.jwt_secret,
        refresh_token_secret: &settings.refresh_token_secret,
        access_token_ttl: settings.access_token_ttl,
        session_ttl: settings.session_ttl,
    }
}

fn listen(settings: &Settings, services: Data<Services>) -> Result<(SocketAddr, dev::Server), RunError> {
    let limits = settings.limits;
    let cors = Cors::new(&settings.cors_origins).map(Arc::new);
    let proxies = Arc::new(Proxies::trusting(&settings.trusted_proxies));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(services.clone())
            .app_data(limits)
            // Made anew for each worker: nobody waits for another.
            .app_data(VerifiedTokens::new(limits.verified_tokens))
            .configure(handlers::route_table)
            // The last `wrap` is the outermost layer.
            .wrap(Respond::with(cors.clone()).behind(Arc::clone(&proxies)))
    })
    .workers(settings.workers)
    .keep_alive(KEEP_ALIVE)
    .client_request_timeout(HEAD_TIMEOUT)
    // Small answers leave at once instead of waiting for the acknowledgement of the one before.
    .tcp_nodelay(true)
    .shutdown_timeout((limits.body_timeout + settings.hash_max_wait + STOP_SLACK).as_secs())
    // Signals are `run`'s: left to the listener, SIGINT would drop what is in flight.
    .disable_signals()
    .bind((settings.host.as_str(), settings.port))
    .map_err(RunError::Listen)?;
    let address = server.addrs().first().copied();
    let address = address.ok_or_else(|| RunError::Listen(io::ErrorKind::AddrNotAvailable.into()))?;
    Ok((address, server.run()))
}

fn sweep_for_ever(arbiter: &ArbiterHandle, sessions: Sessions) {
    arbiter.spawn(async move {
        loop {
            let pause = match sessions.sweep().await {
                Ok(Swept::Step { .. }) => SWEEP_STEP_PAUSE,
                // A storage that does not answer is reported by its own death.
                Ok(Swept::Pass { .. }) | Err(_) => SWEEP_PAUSE,
            };
            rt::time::sleep(pause).await;
        }
    });
}

fn follow_for_ever(arbiter: &ArbiterHandle, sessions: Sessions) {
    arbiter.spawn(async move {
        loop {
            rt::time::sleep(FOLLOW_PAUSE).await;
            // A storage that does not answer is reported by its own death, and the next look finds what this one did not.
            sessions.follow().await.ok();
        }
    });
}

/// Says on standard output where the service listens, what no filter of the log may hide, and while nobody has registered how to
/// try it.
fn announce(address: SocketAddr, is_unused: bool, cookie_insecure: bool) {
    let mut words = format!("listening on http://{address}\n");
    if cookie_insecure {
        words += "\nWARNING: COOKIE_INSECURE=1: refresh cookies travel in the clear. For development on this machine only.\n";
    }
    if is_unused {
        words += &greeting(address);
    }
    // Whoever closed standard output does not want to be told.
    io::stdout().write_all(words.as_bytes()).and_then(|()| io::stdout().flush()).ok();
}

fn greeting(address: SocketAddr) -> String {
    let mut reachable = address;
    if address.ip().is_unspecified() {
        reachable.set_ip(if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    let api = format!("http://{reachable}/api");
    let json = "-H 'Content-Type: application/json'";
    let user = r#"-d '{"username":"demo","password":"demo-password"}'"#;
    format!(
        "\nNobody has registered yet. Try it:\n\n\
         curl -s {api}/register {json} {user}\n\
         TOKEN=$(curl -s {api}/login {json} {user} | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')\n\
         curl -s {api}/profile -H \"Authorization: Bearer $TOKEN\"\n"
    )
}
