//! The load driver.
//!
//! Owns how requests are offered: one thread, all connections non-blocking behind one epoll, one request in flight on
//! each. A closed stream asks again as soon as it is answered. A paced one asks at a fixed rate, and its latencies count
//! from when a request was *meant* to leave: a server that stalls does not get to slow down the questions about its
//! stall. Every answer is checked before the next request leaves; the first wrong one ends the run.
//!
//! [`Stream`]s -> [`drive`] -> a [`Tally`] each

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use hdrhistogram::Histogram;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;

use crate::figures::number;
use crate::http::{self, Answer};
use crate::tally::{DIGITS, Tally};

/// How long the last answers may take after the time is up.
const DRAIN: Duration = Duration::from_secs(30);
/// Events taken at once.
const EVENTS: usize = 256;
/// What one read takes: several answers of ours.
const READ: usize = 16 * 1024;

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
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let mut lanes = Vec::new();
    for stream in streams {
        lanes.push(Lane::open(stream, &epoll, u64::try_from(lanes.len())?)?);
    }
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

/// A stream on its way.
struct Lane<'a, 'work> {
    pace: Pace,
    work: &'a mut (dyn Work + 'work),
    connections: Vec<Connection>,
    /// Taken in turn: a connection whose first request does not come is closed by the service after a while.
    idle: VecDeque<usize>,
    /// How many left so far.
    asked: u64,
    request: Vec<u8>,
    accepted: u64,
    first_answer: Option<Instant>,
    last_in_time: Option<(Instant, u64)>,
    last_answer: Option<Instant>,
    latency: Histogram<u64>,
}

struct Connection {
    socket: TcpStream,
    received: Vec<u8>,
    in_flight: Option<InFlight>,
}

#[derive(Clone, Copy)]
struct InFlight {
    ticket: usize,
    meant_at: Instant,
}

impl<'a, 'work> Lane<'a, 'work> {
    fn open(stream: &'a mut Stream<'work>, epoll: &OwnedFd, number: u64) -> Result<Self> {
        let mut connections = Vec::with_capacity(stream.connections);
        for connection in 0..stream.connections {
            let socket = TcpStream::connect(stream.address).context("connecting")?;
            socket.set_nodelay(true)?;
            socket.set_nonblocking(true)?;
            let name = EventData::new_u64(number << 32 | u64::try_from(connection)?);
            epoll::add(epoll, &socket, name, EventFlags::IN)?;
            connections.push(Connection { socket, received: Vec::with_capacity(READ), in_flight: None });
        }
        Ok(Self {
            pace: stream.pace,
            work: stream.work,
            idle: (0..connections.len()).collect(),
            connections,
            asked: 0,
            request: Vec::with_capacity(2048),
            accepted: 0,
            first_answer: None,
            last_in_time: None,
            last_answer: None,
            latency: Histogram::new(DIGITS)?,
        })
    }

    fn is_quiet(&self) -> bool {
        self.in_flight() == 0
    }

    fn in_flight(&self) -> usize {
        self.connections.len() - self.idle.len()
    }

    /// Sends what is due by now; says when it wants to be asked again, if not by an answer. What was due before the end is
    /// sent after it, if no connection was free: to forget it would spare a server that stalls the worst of its latencies.
    fn offer(&mut self, start: Instant, now: Instant, end: Instant) -> Result<Option<Instant>> {
        loop {
            let due = match self.pace {
                Pace::Closed => now,
                Pace::PerSecond(rate) => start + Duration::from_secs_f64(number(self.asked) / rate),
            };
            if due >= end {
                return Ok(None);
            }
            if due > now {
                return Ok((!self.idle.is_empty()).then_some(due));
            }
            let Some(connection) = self.idle.pop_front() else { return Ok(None) };
            self.send(connection, due)?;
        }
    }

    fn send(&mut self, connection: usize, meant_at: Instant) -> Result<()> {
        self.request.clear();
        let ticket = self.work.ask(&mut self.request);
        let Some(connection) = self.connections.get_mut(connection) else { bail!("no such connection") };
        // A connection without a request in flight has an empty buffer, many times the size of a request.
        let sent = connection.socket.write(&self.request).context("sending")?;
        ensure!(sent == self.request.len(), "a request did not fit into the socket's buffer");
        connection.in_flight = Some(InFlight { ticket, meant_at });
        self.asked += 1;
        Ok(())
    }

    fn readable(&mut self, number: usize, end: Instant) -> Result<()> {
        let Some(connection) = self.connections.get_mut(number) else { bail!("no such connection") };
        let mut buffer = [0; READ];
        let taken = match connection.socket.read(&mut buffer) {
            Ok(0) => bail!("the server closed a connection"),
            Ok(taken) => taken,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return Ok(()),
            Err(error) => return Err(error).context("receiving"),
        };
        connection.received.extend_from_slice(buffer.get(..taken).unwrap_or_default());
        let Some((answer, length)) = http::parse(&connection.received)? else { return Ok(()) };
        ensure!(length == connection.received.len(), "more came than was asked for");
        let Some(InFlight { ticket, meant_at }) = connection.in_flight.take() else {
            bail!("an answer that nobody asked for")
        };
        self.work.check(ticket, &answer)?;
        self.accepted += u64::from((200..300).contains(&answer.status));
        connection.received.clear();
        let now = Instant::now();
        self.latency.record(u64::try_from(now.saturating_duration_since(meant_at).as_micros())?)?;
        self.first_answer.get_or_insert(now);
        self.last_answer = Some(now);
        if now < end {
            self.last_in_time = Some((now, self.latency.len()));
        }
        if matches!(self.pace, Pace::Closed) && now < end {
            return self.send(number, now);
        }
        self.idle.push_back(number);
        Ok(())
    }

    fn finish(self, start: Instant) -> Tally {
        let between = match (self.first_answer, self.last_in_time) {
            (Some(first), Some((last, count))) => (last.saturating_duration_since(first), count),
            _ => (Duration::ZERO, 0),
        };
        Tally {
            answers: self.latency.len(),
            accepted: self.accepted,
            elapsed: self.last_answer.map_or(Duration::ZERO, |last| last.saturating_duration_since(start)),
            between,
            latency: self.latency,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

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
    struct Echoes(usize);

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

    /// A lane over so many connections that nobody answers unless the test does: the listener's other ends, in their order.
    fn with_lane<T>(connections: usize, pace: Pace, then: impl FnOnce(&mut Lane<'_, '_>, &TcpListener) -> T) -> T {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut work = Echoes::default();
        let mut stream = Stream { address: listener.local_addr().unwrap(), connections, pace, work: &mut work };
        let epoll = epoll::create(CreateFlags::CLOEXEC).unwrap();
        then(&mut Lane::open(&mut stream, &epoll, 0).unwrap(), &listener)
    }

    #[test]
    fn a_paced_request_that_leaves_late_counts_from_when_it_was_due() {
        let late = Duration::from_secs(5);
        let first = |pace| {
            with_lane(1, pace, |lane, _| {
                let start = Instant::now();
                lane.offer(start, start + late, start + 2 * late).unwrap();
                lane.connections[0].in_flight.unwrap().meant_at - start
            })
        };

        assert_eq!(first(Pace::PerSecond(1.0)), Duration::ZERO);
        assert_eq!(first(Pace::Closed), late);
    }

    #[test]
    fn a_paced_stream_uses_all_of_its_connections_in_turn() {
        with_lane(2, Pace::PerSecond(1.0), |lane, listener| {
            let (start, second) = (Instant::now(), Duration::from_secs(1));
            let end = start + 3 * second;
            lane.offer(start, start, end).unwrap();
            let (mut first, _) = listener.accept().unwrap();
            first.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n0").unwrap();
            lane.connections[0].socket.set_nonblocking(false).unwrap();
            lane.readable(0, end).unwrap();

            lane.offer(start, start + second, end).unwrap();

            assert!(lane.connections[0].in_flight.is_none() && lane.connections[1].in_flight.is_some());
        });
    }
}
