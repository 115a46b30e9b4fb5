//! One stream on its way: its connections, what is in flight on them, and what was seen of it.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use hdrhistogram::Histogram;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;

use super::{DRAIN, Pace, Stream, Work};
use crate::figures::number;
use crate::http;
use crate::tally::{DIGITS, Tally};

/// What one read takes: several answers of ours.
const READ: usize = 16 * 1024;

/// A stream on its way.
pub(super) struct Lane<'a, 'work> {
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
    pub(super) fn open(stream: &'a mut Stream<'work>, epoll: &OwnedFd, number: u64) -> Result<Self> {
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

    pub(super) fn is_quiet(&self) -> bool {
        self.in_flight() == 0
    }

    pub(super) fn in_flight(&self) -> usize {
        self.connections.len() - self.idle.len()
    }

    pub(super) fn greet(&mut self) -> Result<()> {
        for _ in 0..self.connections.len() {
            let Some(number) = self.idle.pop_front() else { break };
            let now = Instant::now();
            self.send(number, now)?;
            self.wait_on(number, Some(DRAIN))?;
            while !self.idle.contains(&number) {
                ensure!(now.elapsed() < DRAIN, "a connection is not answered");
                self.readable(number, now)?;
            }
            self.wait_on(number, None)?;
        }
        (self.asked, self.accepted) = (0, 0);
        (self.first_answer, self.last_in_time, self.last_answer) = (None, None, None);
        self.latency.reset();
        Ok(())
    }

    /// Whether reading waits for an answer, and for how long.
    fn wait_on(&mut self, connection: usize, patience: Option<Duration>) -> Result<()> {
        let Some(connection) = self.connections.get_mut(connection) else { bail!("no such connection") };
        connection.socket.set_read_timeout(patience)?;
        Ok(connection.socket.set_nonblocking(patience.is_none())?)
    }

    /// Sends what is due by now; says when it wants to be asked again, if not by an answer. What was due before the end is
    /// sent after it, if no connection was free: to forget it would spare a server that stalls the worst of its latencies.
    pub(super) fn offer(&mut self, start: Instant, now: Instant, end: Instant) -> Result<Option<Instant>> {
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

    pub(super) fn readable(&mut self, number: usize, end: Instant) -> Result<()> {
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

    pub(super) fn finish(self, start: Instant) -> Tally {
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
    use std::net::TcpListener;

    use rustix::event::epoll::CreateFlags;

    use super::super::tests::Echoes;
    use super::*;

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
