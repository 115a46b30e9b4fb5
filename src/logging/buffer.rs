//! Lines on their way to standard error.
//!
//! Owns one rule: whoever serves never waits for whoever reads the log. A line is copied into memory; one thread writes what
//! has gathered, in order, with one system call for many lines. The memory is bounded: if the reader is slower than the
//! service, request lines are given up first, and everything else only much later; how many were, the log itself says.
//! An orderly end writes out what is left. A killed process loses what a few milliseconds gathered.
//!
//! line -> [`Buffer`] -> the writing thread -> sink; [`Flush`] at the end

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

use crate::middleware::request_line;

/// Beyond so many bytes request lines are given up: some ten thousand lines, a second of a stalled reader at full load.
const ROOM_FOR_REQUESTS: usize = 4 << 20;
/// Beyond so many bytes everything is: what is left above the requests' room is for security events and failures.
const ROOM: usize = 8 << 20;
/// What the buffers keep of their memory after a burst.
const USUAL_ROOM: usize = 256 << 10;
/// How long lines gather after a write before the next one. A reader does not notice, and at full load a system call and a
/// switch of threads are shared by hundreds of lines.
const GATHER: Duration = Duration::from_millis(5);
/// How long an end waits for a reader that does not read.
const FLUSH_WITHIN: Duration = Duration::from_secs(3);
/// Before trying again where the sink would block: standard error can be a pipe that somebody made non-blocking.
const RETRY: Duration = Duration::from_millis(10);

/// Where lines are left; clones share it.
#[derive(Clone)]
pub(super) struct Buffer(Arc<Shared>);

struct Shared {
    gathered: Mutex<Gathered>,
    /// Told to the writing thread: there is something to do.
    work: Condvar,
    /// Told to whoever flushes: the writing thread has ended.
    ended: Condvar,
}

#[derive(Default)]
struct Gathered {
    lines: Vec<u8>,
    /// Lines that were given up since the last time this was told.
    lost: u64,
    /// The writing thread waits for the first line.
    idle: bool,
    closing: bool,
    ended: bool,
}

impl Buffer {
    /// Starts the writing thread.
    pub(super) fn start(sink: impl Write + Send + 'static) -> io::Result<(Self, Flush)> {
        let shared = Arc::new(Shared { gathered: Mutex::default(), work: Condvar::new(), ended: Condvar::new() });
        let of_thread = Arc::clone(&shared);
        thread::Builder::new().name("log".to_owned()).spawn(move || of_thread.write_out(sink))?;
        Ok((Self(Arc::clone(&shared)), Flush(shared)))
    }
}

/// What is left is written out when this is dropped, or given up after [`FLUSH_WITHIN`].
pub struct Flush(Arc<Shared>);

impl Drop for Flush {
    fn drop(&mut self) {
        let mut gathered = self.0.lock();
        gathered.closing = true;
        self.0.work.notify_all();
        // A poisoned lock would be our own panic: there is nothing left to wait for then.
        drop(self.0.ended.wait_timeout_while(gathered, FLUSH_WITHIN, |gathered| !gathered.ended));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, line: &[u8], room: usize) {
        let mut gathered = self.lock();
        if gathered.lines.len().saturating_add(line.len()) > room {
            gathered.lost = gathered.lost.saturating_add(1);
            return;
        }
        gathered.lines.extend_from_slice(line);
        if gathered.idle {
            gathered.idle = false;
            self.work.notify_all();
        }
    }

    /// The writing thread, until [`Flush`] is dropped and everything is written.
    fn write_out(&self, mut sink: impl Write) {
        let mut out = Vec::new();
        let mut gathered = self.lock();
        loop {
            while gathered.lines.is_empty() && !gathered.closing {
                gathered.idle = true;
                gathered = self.work.wait(gathered).unwrap_or_else(PoisonError::into_inner);
            }
            if gathered.lines.is_empty() {
                break;
            }
            std::mem::swap(&mut gathered.lines, &mut out);
            let lost = std::mem::take(&mut gathered.lost);
            drop(gathered);
            deliver(&mut sink, &out);
            out.clear();
            out.shrink_to(USUAL_ROOM);
            if lost > 0 {
                tracing::warn!(lost, "log lines were given up: nobody read them in time");
            }
            gathered = self.lock();
            let waited = self.work.wait_timeout_while(gathered, GATHER, |gathered| !gathered.closing);
            gathered = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        gathered.ended = true;
        self.ended.notify_all();
    }
}

/// Writes all of it, or what a broken sink takes: there is nobody left to tell.
fn deliver(sink: &mut impl Write, mut lines: &[u8]) {
    while !lines.is_empty() {
        match sink.write(lines) {
            Ok(0) => return,
            Ok(written) => lines = lines.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(RETRY),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

impl<'writer> MakeWriter<'writer> for Buffer {
    type Writer = Leave<'writer>;

    fn make_writer(&'writer self) -> Leave<'writer> {
        Leave { shared: &self.0, room: ROOM }
    }

    fn make_writer_for(&'writer self, event: &Metadata<'_>) -> Leave<'writer> {
        let room = if event.target() == request_line::TARGET { ROOM_FOR_REQUESTS } else { ROOM };
        Leave { shared: &self.0, room }
    }
}

/// Leaves lines in the buffer, whole or not at all.
pub(super) struct Leave<'a> {
    shared: &'a Shared,
    room: usize,
}

impl Write for Leave<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.shared.leave(line, self.room);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Receiver, Sender};

    use super::*;
    use crate::config::LogFormat;
    use crate::events;
    use crate::logging;

    /// A reader that takes nothing until it is let, and then everything.
    struct Slow {
        let_go: Receiver<()>,
        read: Sender<Vec<u8>>,
    }

    impl Write for Slow {
        fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
            // Waits for the first time; later the other end is gone.
            self.let_go.recv().ok();
            self.read.send(lines.to_vec()).unwrap();
            Ok(lines.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow() -> (Buffer, Flush, Sender<()>, Receiver<Vec<u8>>) {
        let ((let_it, let_go), (read, reads)) = (mpsc::channel(), mpsc::channel());
        let (buffer, flush) = Buffer::start(Slow { let_go, read }).unwrap();
        (buffer, flush, let_it, reads)
    }

    #[test]
    fn whoever_logs_does_not_wait_for_a_reader_and_an_end_does() {
        let (buffer, flush, let_it, reads) = slow();

        for number in 0..1000 {
            buffer.0.leave(format!("{number}\n").as_bytes(), ROOM);
        }
        assert!(reads.try_recv().is_err(), "nothing was read yet");
        drop(let_it);
        drop(flush);

        let read = String::from_utf8(reads.iter().flatten().collect()).unwrap();
        assert!(read.lines().eq((0..1000).map(|number| number.to_string())), "{read}");
    }

    /// No thread writes.
    fn unwritten() -> Shared {
        Shared { gathered: Mutex::default(), work: Condvar::new(), ended: Condvar::new() }
    }

    #[test]
    fn security_events_have_room_where_request_lines_have_none() {
        let shared = Arc::new(unwritten());
        shared.leave(&vec![b'x'; ROOM_FOR_REQUESTS], ROOM);
        let log = logging::subscriber(LogFormat::Text, "info", Buffer(Arc::clone(&shared))).unwrap();

        tracing::subscriber::with_default(log, || {
            tracing::info!(target: request_line::TARGET, "a request");
            tracing::info!(target: events::TARGET, "an event");
        });

        let gathered = shared.lock();
        assert_eq!(gathered.lost, 1);
        assert!(
            gathered.lines.ends_with(b"an event\n") && !gathered.lines.windows(9).any(|words| words == b"a request")
        );
    }

    #[test]
    fn request_lines_are_given_up_before_anything_else_and_counted() {
        let shared = unwritten();
        let megabyte = vec![b'x'; 1 << 20];
        let left_by_five = |room| {
            (0..5).for_each(|_| shared.leave(&megabyte, room));
            let gathered = shared.lock();
            (gathered.lines.len(), gathered.lost)
        };

        assert_eq!(left_by_five(ROOM_FOR_REQUESTS), (4 << 20, 1));
        assert_eq!(left_by_five(ROOM), (8 << 20, 2));
    }

    #[test]
    fn a_reader_that_would_block_is_asked_again_and_one_that_is_gone_is_not() {
        struct Full(u32, Vec<u8>);
        impl Write for Full {
            fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
                self.0 += 1;
                match self.0 {
                    1 => Err(io::ErrorKind::WouldBlock.into()),
                    2 => Err(io::ErrorKind::Interrupted.into()),
                    3 | 4 => self.1.write(&lines[..2]),
                    _ => Err(io::ErrorKind::BrokenPipe.into()),
                }
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut sink = Full(0, Vec::new());

        deliver(&mut sink, b"abcdef");

        assert_eq!((sink.0, sink.1.as_slice()), (5, b"abcd".as_slice()));
    }
}
