//! What the service is measured against.
//!
//! Owns two floors. A bare actix-web server with the same workers, time-outs, allocator and log, whose handlers answer
//! fixed bytes, made ready beforehand: what of a request's cost is HTTP's. And bcrypt by itself, on as many threads as the service hashes on and as
//! nice: how many logins the machine has in it.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::rt::System;
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use anyhow::{Context as _, Result};
use latchkey::actors::password_hasher::NICENESS;
use latchkey::app::{HEAD_TIMEOUT, KEEP_ALIVE};
use latchkey::config::Settings;
use latchkey::logging;
use latchkey::middleware::request_line;
use serde::{Deserialize, Serialize};
use tracing::{Level, enabled, info};

/// The bytes that the bare server answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Answers {
    /// Of `GET /api/profile`.
    pub profile: Fixed,
    /// Of `POST /api/refresh_token`.
    pub renewal: Fixed,
}

/// One answer of the service, taken down.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fixed {
    /// All but those that actix writes itself.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// Serves [`Answers`], which standard input holds, with the settings of the environment; ends as the service does.
pub fn serve() -> Result<()> {
    let settings = Settings::load(std::env::vars_os(), None)?;
    let _log = logging::start(&settings)?;
    let answers: Answers = serde_json::from_reader(io::stdin()).context("the answers on standard input")?;
    let ready = Ready { profile: ReadyAnswer::of(answers.profile)?, renewal: ReadyAnswer::of(answers.renewal)? };
    System::new().block_on(async {
        let server = HttpServer::new(move || {
            App::new()
                .app_data(Data::new(ready.clone()))
                .route("/api/profile", web::get().to(profile))
                .route("/api/refresh_token", web::post().to(renewal))
        })
        .workers(settings.workers)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIMEOUT)
        .tcp_nodelay(true)
        .bind((settings.host.as_str(), settings.port))?;
        let address = server.addrs().first().copied().context("no address")?;
        writeln!(io::stdout(), "listening on http://{address}")?;
        server.run().await.context("serving")
    })
}

/// [`Answers`] whose names and values were read: a handler of one's own would have constants.
#[derive(Clone)]
struct Ready {
    profile: ReadyAnswer,
    renewal: ReadyAnswer,
}

#[derive(Clone)]
struct ReadyAnswer {
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl ReadyAnswer {
    fn of(fixed: Fixed) -> Result<Self> {
        let read = |(name, value): &(String, String)| Ok((name.parse()?, value.parse()?));
        Ok(Self { headers: fixed.headers.iter().map(read).collect::<Result<_>>()?, body: fixed.body.into() })
    }
}

async fn profile(request: HttpRequest, ready: Data<Ready>) -> HttpResponse {
    answer(&request, &ready.profile)
}

/// What a renewal takes.
#[derive(Deserialize)]
struct Body {
    refresh_token: String,
}

async fn renewal(request: HttpRequest, ready: Data<Ready>, body: web::Json<Body>) -> HttpResponse {
    if body.refresh_token.is_empty() {
        return HttpResponse::BadRequest().finish();
    }
    answer(&request, &ready.renewal)
}

/// The fixed answer, and the line that any access log has.
fn answer(request: &HttpRequest, ready: &ReadyAnswer) -> HttpResponse {
    let begun = enabled!(target: request_line::TARGET, Level::INFO).then(Instant::now);
    let mut response = HttpResponse::Ok();
    for header in &ready.headers {
        response.insert_header(header.clone());
    }
    let response = response.body(ready.body.clone());
    if let Some(begun) = begun {
        info!(
            target: request_line::TARGET,
            method = %request.method(),
            route = request.match_pattern(),
            status = response.status().as_u16(),
            duration_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
            ip = request.peer_addr().map(|peer| tracing::field::display(peer.ip())),
            "answered"
        );
    }
    response
}

/// Hashes at `cost` on `threads` niced threads at once for about `duration`. Hashes a second.
pub fn hashing(threads: usize, cost: u32, duration: Duration) -> Result<f64> {
    let end = Instant::now() + duration;
    let workers: Vec<_> = (0..threads).map(|_| std::thread::spawn(move || hash_until(end, cost))).collect();
    let mut rate = 0.0;
    for worker in workers {
        let (hashes, span) = worker.join().map_err(|_| anyhow::anyhow!("a hashing thread panicked"))??;
        rate += f64::from(hashes) / span.as_secs_f64();
    }
    Ok(rate)
}

fn hash_until(end: Instant, cost: u32) -> Result<(u32, Duration)> {
    // The thread's own priority on Linux, and it ends with its work.
    rustix::process::nice(NICENESS)?;
    let begun = Instant::now();
    let mut hashes = 0;
    while Instant::now() < end {
        bcrypt::hash(crate::seed::PASSWORD, cost)?;
        hashes += 1;
    }
    Ok((hashes, begun.elapsed()))
}
