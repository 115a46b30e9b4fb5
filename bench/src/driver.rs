//! The load driver.
//!
//! Owns how requests are offered: one thread, all connections non-blocking behind one epoll, one request in flight on
//! each. A closed stream asks again as soon as it is answered. A paced one asks at a fixed rate, and its latencies count
//! from when a request was *meant* to leave: a server that stalls does not get to slow down the questions about its
//! stall. Every answer is checked before the next request leaves; the first wrong one ends the run.
//!
//! [`Stream`]s -> [`drive`] -> a [`Tally`] each

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags};
use rustix::fd::OwnedFd;

use self::lane::Lane;
use crate::http::Answer;
use crate::tally::Tally;

mod lane;

/// How long the last answers may take after the time is up.
const DRAIN: Duration = Duration::from_secs(30);
/// Events taken at once.
const EVENTS: usize = 256;

/// What is asked, and what must be answered.
pub trait Work {
    /// Writes the next request; the ticket comes back with its answer.
    fn ask(&mut self, request: &mut Vec<u8>) -> usize;

    /// Looks at the answer. Errors: it is wrong, and the run with it.
    fn check(&mut self, ticket: usize, answer: &Answer<'_>) -> Result<()>;
}

/// When a stream asks.
#[derive(Debug, Clone, Copy)]
pub enum Pace {
    /// As soon as there is a connection without a request.
    Closed,
    /// So many times a second, whatever the answers do.
    PerSecond(f64),
}

/// One kind of request over connections of its own.
pub struct Stream<'work> {
    /// Where.
    pub address: SocketAddr,
    /// How many requests may be in flight.
    pub connections: usize,
    /// When they leave.
    pub pace: Pace,
    /// What they are.
    pub work: &'work mut dyn Work,
}

/// Offers all streams at once for `duration`, then waits for what is in flight. Errors: a wrong answer, a broken
/// connection, an answer that does not come.
pub fn drive(streams: &mut [Stream<'_>], duration: Duration) -> Result<Vec<Tally>> {
    Connected::to(streams)?.drive(duration)
}

/// Streams whose connections are open.
pub struct Connected<'a, 'work> {
    epoll: OwnedFd,
    lanes: Vec<Lane<'a, 'work>>,
}

impl<'a, 'work> Connected<'a, 'work> {
    /// Opens the connections of all streams.
    pub fn to(streams: &'a mut [Stream<'work>]) -> Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut lanes = Vec::new();
        for stream in streams {
            lanes.push(Lane::open(stream, &epoll, u64::try_from(lanes.len())?)?);
        }
        Ok(Self { epoll, lanes })
    }

    /// Has each connection answered once, one after the other, and counts none of it: a server may be slow to take a connection
    /// up while others keep it busy, which is no part of how soon it answers on one.
    pub fn greet(&mut self) -> Result<()> {
        self.lanes.iter_mut().try_for_each(Lane::greet)
    }

    /// The rest of [`drive`].
    pub fn drive(self, duration: Duration) -> Result<Vec<Tally>> {
        let Self { epoll, mut lanes } = self;
        let start = Instant::now();
        let end = start + duration;
        let mut events = Vec::with_capacity(EVENTS);
        loop {
            let now = Instant::now();
            let mut wake = end;
            for lane in &mut lanes {
                wake = wake.min(lane.offer(start, now, end)?.unwrap_or(end));
            }
            if now >= end && lanes.iter().all(Lane::is_quiet) {
                break;
            }
            let missing = || lanes.iter().map(Lane::in_flight).collect::<Vec<_>>();
            ensure!(
                now < end + DRAIN,
                "{} s after the end answers are missing, of each stream {:?}",
                DRAIN.as_secs(),
                missing()
            );
            let patience = if now < end { wake.saturating_duration_since(now) } else { DRAIN };
            let patience = patience.try_into()?;
            match epoll::wait(&epoll, spare_capacity(&mut events), Some(&patience)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in events.drain(..) {
                let (lane, connection) = (event.data.u64() >> 32, event.data.u64() & u64::from(u32::MAX));
                if let Some(lane) = lanes.get_mut(usize::try_from(lane)?) {
                    lane.readable(usize::try_from(connection)?, end)?;
                }
            }
        }
        Ok(lanes.into_iter().map(|lane| lane.finish(start)).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::http;

    /// Answers every request on one connection after the other with what `answer` says to its number.
    fn server(answer: impl Fn(usize) -> String + Send + 'static) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let lines = BufReader::new(socket.try_clone().unwrap()).lines().map_while(|line| line.ok());
            for number in lines.filter(String::is_empty).enumerate().map(|(number, _)| number) {
                let body = answer(number);
                let length = body.len();
                // In one piece: a second one would wait for the acknowledgement of the first.
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
                if socket.write_all(answer.as_bytes()).is_err() {
                    break;
                }
            }
        });
        address
    }

    #[derive(Default)]
    pub(super) struct Echoes(usize);

    impl Work for Echoes {
        fn ask(&mut self, request: &mut Vec<u8>) -> usize {
            http::get(request, "/", "t");
            self.0 += 1;
            self.0 - 1
        }

        fn check(&mut self, ticket: usize, answer: &Answer<'_>) -> Result<()> {
            ensure!(answer.body == ticket.to_string().as_bytes(), "the answer to another request");
            Ok(())
        }
    }

    fn run(address: SocketAddr, pace: Pace) -> Result<Tally> {
        let mut work = Echoes::default();
        let stream = Stream { address, connections: 1, pace, work: &mut work };
        Ok(drive(&mut [stream], Duration::from_millis(200))?.remove(0))
    }

    #[test]
    fn every_request_is_answered_and_counted() {
        let tally = run(server(|number| number.to_string()), Pace::Closed).unwrap();

        assert!(tally.answers > 1);
        assert_eq!(tally.answers, tally.accepted);
    }

    #[test]
    fn a_paced_stream_asks_as_often_as_it_was_told() {
        let tally = run(server(|number| number.to_string()), Pace::PerSecond(100.0)).unwrap();

        assert_eq!(tally.answers, 20);
    }

    #[test]
    fn one_wrong_answer_fails_the_run() {
        let wrong = |number: usize| if number == 3 { "4".to_owned() } else { number.to_string() };

        assert!(run(server(wrong), Pace::Closed).is_err());
    }

    #[test]
    fn what_a_connection_is_greeted_with_is_answered_and_not_counted() {
        let mut work = Echoes::default();
        let address = server(|number| number.to_string());
        let mut stream = [Stream { address, connections: 1, pace: Pace::PerSecond(100.0), work: &mut work }];
        let mut connected = Connected::to(&mut stream).unwrap();

        connected.greet().unwrap();
        let tally = connected.drive(Duration::from_millis(100)).unwrap().remove(0);

        assert_eq!((tally.answers, work.0), (10, 11));
    }
}
