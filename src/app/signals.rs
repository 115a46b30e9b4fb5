//! What a process is told from outside.
//!
//! Owns what each signal means: SIGTERM and SIGINT stop the service, SIGHUP has it look at the key ring. A SIGHUP that comes
//! because the terminal is gone in which somebody tries the service stops it as well: it would go on unseen, on its port.

use std::io::{self, IsTerminal as _};
use std::pin::pin;

use actix_web::rt;
use actix_web::rt::signal::unix::{Signal, SignalKind, signal};
use futures_util::future::{self, Either};

use super::Looks;

/// Signals are heard from its making on.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    began_on_a_terminal: bool,
}

impl Signals {
    /// Errors: the system lets nobody hear them.
    pub fn heard() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            began_on_a_terminal: is_on_a_terminal(),
        })
    }

    /// Ready when the service is to stop.
    pub async fn stop(mut self, key_ring: Looks) {
        let mut look = None;
        loop {
            let (terminate, interrupt) = (pin!(self.terminate.recv()), pin!(self.interrupt.recv()));
            match future::select(future::select(terminate, interrupt), pin!(self.hangup.recv())).await {
                Either::Left(_) => return,
                Either::Right(_) if self.began_on_a_terminal && !is_on_a_terminal() => return,
                // One look at a time, and nobody waits for it here: a disk that hangs must not keep the service from stopping.
                Either::Right(_) if look.as_ref().is_none_or(rt::task::JoinHandle::is_finished) => {
                    tracing::info!("asked to look at the key ring");
                    let key_ring = key_ring.clone();
                    look = Some(rt::spawn(async move { key_ring.now().await }));
                }
                Either::Right(_) => {}
            }
        }
    }
}

/// A terminal that was closed is none any more.
fn is_on_a_terminal() -> bool {
    io::stdin().is_terminal() || io::stdout().is_terminal() || io::stderr().is_terminal()
}
