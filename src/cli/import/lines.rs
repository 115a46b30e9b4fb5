//! A file, line by line, of which none is held in memory that is too long.

use std::io::{self, BufRead, Read as _};

/// Many times what an account with its hash and its roles takes.
pub(super) const LONGEST_LINE: usize = 64 * 1024;
/// What some programs write at the beginning of a file of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The lines that are left.
pub(super) struct Lines<R> {
    input: R,
    number: u64,
    bytes: u64,
    line: Vec<u8>,
}

/// One of them.
pub(super) struct Line<'a> {
    /// Counted from 1, as editors do.
    pub number: u64,
    /// Without its end; none where it is longer than [`LONGEST_LINE`].
    pub text: Option<&'a [u8]>,
}

impl<R: BufRead> Lines<R> {
    pub fn of(input: R) -> Self {
        Self { input, number: 0, bytes: 0, line: Vec::new() }
    }

    /// How much was read.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next line, or none at the end.
    pub fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let most = u64::try_from(LONGEST_LINE + 1).unwrap_or(u64::MAX);
        let read = self.input.by_ref().take(most).read_until(b'\n', &mut self.line)?;
        self.bytes += u64::try_from(read).unwrap_or(u64::MAX);
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        let number = self.number;
        if read > LONGEST_LINE && !self.line.ends_with(b"\n") {
            let skipped = self.input.skip_until(b'\n')?;
            self.bytes += u64::try_from(skipped).unwrap_or(u64::MAX);
            return Ok(Some(Line { number, text: None }));
        }
        let text = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        let text = if number == 1 { text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text) } else { text };
        Ok(Some(Line { number, text: Some(text) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line with its number, as text.
    fn read(input: &[u8]) -> Vec<(u64, Option<String>)> {
        let mut lines = Lines::of(input);
        let mut all = Vec::new();
        while let Some(Line { number, text }) = lines.next().unwrap() {
            all.push((number, text.map(|text| String::from_utf8(text.to_vec()).unwrap())));
        }
        assert_eq!(lines.bytes(), u64::try_from(input.len()).unwrap());
        all
    }

    #[test]
    fn lines_are_counted_from_one_and_the_last_needs_no_end() {
        let line = |number, text: &str| (number, Some(text.to_owned()));
        assert_eq!(read(b""), []);
        assert_eq!(read(b"a\n\nb\r\nc"), [line(1, "a"), line(2, ""), line(3, "b\r"), line(4, "c")]);
        assert_eq!(read(b"\xef\xbb\xbfa\n\xef\xbb\xbf"), [line(1, "a"), line(2, "\u{feff}")]);
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_whole() {
        let (longest, longer) = ("x".repeat(LONGEST_LINE), "x".repeat(LONGEST_LINE + 1));
        for end in ["", "\n"] {
            let input = format!("a\n{longer}\nb\n{longer}{longer}\n{longest}\n{longer}{end}");

            let lines = read(input.as_bytes());

            let told: Vec<_> = lines.iter().map(|(number, text)| (*number, text.as_deref())).collect();
            assert_eq!(
                told,
                [(1, Some("a")), (2, None), (3, Some("b")), (4, None), (5, Some(longest.as_str())), (6, None)]
            );
        }
    }
}
