//! What the servers of this process log, as an operator sees it by default.

use std::io;
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use latchkey::config::LogFormat;
use latchkey::logging;

static LINES: Mutex<String> = Mutex::new(String::new());

/// Begins to keep the log. To be called before what should be found in it.
pub fn keep() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = logging::subscriber(LogFormat::Text, "info", || Kept).unwrap();
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
}

/// The lines that hold this text. The log is one for all tests: ask for what only your own server logs.
pub fn lines_with(text: &str) -> Vec<String> {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    lines.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
}

/// The one line that holds all of this. Fails where there is another, or none.
#[track_caller]
pub fn line_with(texts: &[&str]) -> String {
    let mut lines = lines_with(texts[0]);
    lines.retain(|line| texts.iter().all(|text| line.contains(text)));
    let [line] = lines.as_slice() else { panic!("not one line with {texts:?}: {lines:?}") };
    line.clone()
}

/// Waits until a line holds all of this.
pub async fn wait_for(texts: &[&str]) {
    // Only so that a line that never comes fails its test instead of hanging it.
    let patience = Instant::now() + Duration::from_secs(20);
    while !lines_with(texts[0]).iter().any(|line| texts.iter().all(|text| line.contains(text))) {
        assert!(Instant::now() < patience, "no line with {texts:?}");
        actix_web::rt::time::sleep(Duration::from_millis(5)).await;
    }
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
