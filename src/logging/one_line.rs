//! A line is one line.
//!
//! Owns one rule: of a log line only its end ends it. Control characters, the other line ends of Unicode and what turns the
//! direction of writing are escaped as JSON escapes them (`\u000a`), in text and in JSON alike: behind the formats, so that no
//! field, message or crate can forget to. In JSON such characters can only be inside strings, where that means the same.

use std::io;

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

/// Makes writers that write each event as one line.
#[derive(Debug)]
pub(super) struct OneLine<M>(pub(super) M);

impl<'writer, M: MakeWriter<'writer>> MakeWriter<'writer> for OneLine<M> {
    type Writer = Escaping<M::Writer>;

    fn make_writer(&'writer self) -> Self::Writer {
        Escaping(self.0.make_writer())
    }

    fn make_writer_for(&'writer self, event: &Metadata<'_>) -> Self::Writer {
        Escaping(self.0.make_writer_for(event))
    }
}

/// Takes a whole line at each `write`, as tracing-subscriber writes them.
pub(super) struct Escaping<W>(W);

impl<W: io::Write> io::Write for Escaping<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        // Nearly every line. No early exit, so that it is a few instructions for sixteen bytes.
        if text.iter().fold(true, |plain, byte| plain & (0x20..0x7f).contains(byte)) {
            self.0.write_all(line)?;
        } else {
            self.0.write_all((escaped(&String::from_utf8_lossy(text)) + "\n").as_bytes())?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The text, with everything in it escaped that misleads whoever reads it as a line.
pub fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len() + 32);
    for char in text.chars() {
        if misleads(char) {
            line.push_str(&format!("\\u{:04x}", u32::from(char)));
        } else {
            line.push(char);
        }
    }
    line
}

/// Ends a line somewhere, steers a terminal, or makes a line read otherwise than it is.
fn misleads(char: char) -> bool {
    char.is_control()
        // Line and paragraph separators.
        || matches!(char, '\u{2028}' | '\u{2029}')
        // Marks, embeddings, overrides and isolates of bidirectional text (UAX #9).
        || matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn written(line: &str) -> String {
        let mut out = Vec::new();
        Escaping(&mut out).write_all(line.as_bytes()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_the_end_of_a_line_ends_it() {
        assert_eq!(written("plain\n"), "plain\n");
        assert_eq!(written("a\nb\r\nc\n"), "a\\u000ab\\u000d\\u000ac\n");
        assert_eq!(written("\u{1b}[2J\0\u{7f}\u{9b}1m\u{85}\n"), "\\u001b[2J\\u0000\\u007f\\u009b1m\\u0085\n");
        assert_eq!(written("a\u{2028}b\u{2029}c\u{202e}d\n"), "a\\u2028b\\u2029c\\u202ed\n");
        assert_eq!(written("grüße, 世界 🦀\n"), "grüße, 世界 🦀\n");
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        let mut out = Vec::new();
        Escaping(&mut out).write_all(b"a\xffb\n").unwrap();

        assert_eq!(out, "a\u{fffd}b\n".as_bytes());
    }
}
