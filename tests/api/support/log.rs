//! What the servers of this process log, as an operator sees it by default.

use std::io;
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use latchkey::config::LogFormat;
use latchkey::logging;
use tokio::sync::Notify;

static LINES: Mutex<String> = Mutex::new(String::new());
/// Another piece of the log is there.
static CAME: Notify = Notify::const_new();

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
    loop {
        // Made before the look, so that a line that comes in between is not slept through.
        let another = CAME.notified();
        if lines_with(texts[0]).iter().any(|line| texts.iter().all(|text| line.contains(text))) {
            return;
        }
        // Bounded only so that a line that never comes fails its test instead of hanging it.
        let came = tokio::time::timeout(Duration::from_secs(20), another).await;
        assert!(came.is_ok(), "no line with {texts:?}");
    }
}

struct Kept;

impl io::Write for Kept {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        LINES.lock().unwrap_or_else(PoisonError::into_inner).push_str(&String::from_utf8_lossy(text));
        CAME.notify_waiters();
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
