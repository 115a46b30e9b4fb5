//! What stands between a verifier and the keys: it counts who asks, adds a key that the test has, and lets nobody
//! through where it is shut.

use std::future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use actix_web::dev::ServerHandle;
use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse, HttpServer, rt};
use serde_json::Value;

use crate::issuer::Issuer;

const PATH: &str = "/.well-known/jwks.json";

/// It is there for one test. Dropped, it is gone.
pub struct Gate {
    address: SocketAddr,
    state: Data<State>,
    server: ServerHandle,
}

struct State {
    /// Where the keys are.
    behind: String,
    /// A public key that is published with them.
    added: Option<Value>,
    is_shut: AtomicBool,
    is_silent: AtomicBool,
    asked: AtomicUsize,
}

impl Gate {
    /// One that publishes this key too, where there is one.
    pub fn before(issuer: &Issuer, added: Option<Value>) -> Self {
        let state = Data::new(State {
            behind: issuer.url(PATH),
            added,
            is_shut: AtomicBool::new(false),
            is_silent: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
        });
        let state_of_server = state.clone();
        let server =
            HttpServer::new(move || App::new().app_data(state_of_server.clone()).route(PATH, web::get().to(keys)))
                .workers(1)
                .disable_signals()
                .bind(("127.0.0.1", 0))
                .unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        rt::spawn(server);
        Self { address, state, server: handle }
    }

    /// What a verifier takes for Latchkey's address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets nobody through from now on.
    pub fn shut(&self) {
        self.state.is_shut.store(true, Ordering::SeqCst);
    }

    /// Answers nobody from now on, and hangs up on nobody.
    pub fn fall_silent(&self) {
        self.state.is_silent.store(true, Ordering::SeqCst);
    }

    /// How often the keys were asked for.
    pub fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

async fn keys(state: Data<State>) -> HttpResponse {
    state.asked.fetch_add(1, Ordering::SeqCst);
    if state.is_shut.load(Ordering::SeqCst) {
        return HttpResponse::ServiceUnavailable().finish();
    }
    if state.is_silent.load(Ordering::SeqCst) {
        return future::pending().await;
    }
    let mut set: Value = reqwest::get(&state.behind).await.unwrap().json().await.unwrap();
    if let Some(added) = &state.added {
        // Before the others: where whoever takes the next best key finds it.
        set["keys"].as_array_mut().unwrap().insert(0, added.clone());
    }
    HttpResponse::Ok().json(set)
}
