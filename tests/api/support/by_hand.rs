//! The server's own layers, driven by hand: over a socket nobody knows when a handler has begun.

use actix_web::dev::{Service as _, ServiceResponse};
use actix_web::{App, Error, test};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use latchkey::handlers::route_table;
use latchkey::middleware::respond::Respond;
use latchkey::tokens::verified::VerifiedTokens;
use serde_json::Value;

use super::TestServer;

/// Status and body of an answer that is still to come. Dropped before that: the client hangs up.
pub type Waiting = LocalBoxFuture<'static, (u16, Value)>;

impl TestServer {
    /// A request of this host that has asked the store for its first write, and goes on where it is awaited.
    pub async fn begun(&self, request: test::TestRequest) -> Waiting {
        let app = App::new().app_data(self.services.clone()).app_data(VerifiedTokens::new(0));
        let app = test::init_service(app.configure(route_table).wrap(Respond::default())).await;
        let request = request.peer_addr("127.0.0.1:50000".parse().unwrap()).to_request();
        let mut answer = async move { read(app.call(request).await).await }.boxed_local();
        // However slowly this thread runs, the store cannot answer while the file is somebody else's.
        let file = self.rows_to_change();
        file.execute_batch("BEGIN IMMEDIATE").unwrap();
        assert!((&mut answer).now_or_never().is_none(), "the handler waits for the store");
        answer
    }
}

async fn read(answer: Result<ServiceResponse, Error>) -> (u16, Value) {
    let response = match answer {
        Ok(answer) => answer.into_parts().1,
        Err(error) => error.error_response(),
    };
    let status = response.status().as_u16();
    let body = actix_web::body::to_bytes(response.into_body()).await;
    // A 204 has none.
    (status, serde_json::from_slice(&body.unwrap_or_default()).unwrap_or_default())
}
