//! What the servers of this process log, at the level they log by default.

use std::io;
use std::sync::{Mutex, Once, PoisonError};

use tracing::Level;

static LINES: Mutex<String> = Mutex::new(String::new());

/// Begins to keep the log. To be called before what should be found in it.
pub fn keep() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::fmt().with_max_level(Level::INFO).with_ansi(false).with_writer(|| Kept);
        subscriber.init();
    });
}

/// The lines that hold this text. The log is one for all tests: ask for what only your own server logs.
pub fn lines_with(text: &str) -> Vec<String> {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    lines.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
}

struct Kept;

impl io::Write for Kept {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        LINES.lock().unwrap_or_else(PoisonError::into_inner).push_str(&String::from_utf8_lossy(text));
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
