//! Where a request comes from, as far as a session's row keeps it.
//!
//! Owns the form in which it travels: inline, without an allocation. Every renewal carries one to the storage thread, and
//! only a renewal that rotates writes it; what is held or replayed drops it unread.
//!
//! headers and address of a request -> [`Client`] -> the columns `user_agent` and `ip`

use std::fmt::{self, Write as _};
use std::net::IpAddr;

/// The bytes of a user agent that are kept: enough to recognise a browser, little enough to keep rows small.
pub const LONGEST_USER_AGENT: usize = 120;
/// The longest text of an address: IPv6 with an IPv4 address in it (RFC 4291 §2.2, form 3).
const LONGEST_ADDRESS: usize = 45;

/// Where a request comes from, for the owner's list of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Client {
    /// What it calls itself.
    pub user_agent: Option<UserAgent>,
    /// Its address.
    pub ip: Option<IpAddr>,
}

impl Client {
    /// The address as text.
    pub(super) fn address(&self) -> Option<InlineText<LONGEST_ADDRESS>> {
        let mut text = InlineText::default();
        write!(text, "{}", self.ip?).ok()?;
        Some(text)
    }
}

/// What a client calls itself: printable, at most [`LONGEST_USER_AGENT`] bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UserAgent(InlineText<LONGEST_USER_AGENT>);

impl UserAgent {
    /// Takes what the header holds: what is no UTF-8 is replaced, a control character becomes a blank, and what is too long
    /// is cut.
    pub fn of(header: &[u8]) -> Self {
        let mut text = InlineText::default();
        // What nearly all of them are: one look at what is kept, one copy. Every renewal comes by here.
        let kept = header.get(..LONGEST_USER_AGENT).unwrap_or(header);
        if kept.iter().all(|byte| (b' '..=b'~').contains(byte))
            && str::from_utf8(kept).is_ok_and(|plain| text.write_str(plain).is_ok())
        {
            return Self(text);
        }
        for chunk in header.utf8_chunks() {
            let replaced = if chunk.invalid().is_empty() { None } else { Some(char::REPLACEMENT_CHARACTER) };
            for character in chunk.valid().chars().chain(replaced) {
                if text.write_char(if character.is_control() { ' ' } else { character }).is_err() {
                    return Self(text);
                }
            }
        }
        Self(text)
    }

    /// For the row and for the log.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Debug for UserAgent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(out)
    }
}

/// Text of at most `N` bytes, up to 255, in place. What does not fit is refused whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InlineText<const N: usize> {
    bytes: [u8; N],
    length: u8,
}

impl<const N: usize> Default for InlineText<N> {
    fn default() -> Self {
        Self { bytes: [0; N], length: 0 }
    }
}

impl<const N: usize> InlineText<N> {
    pub fn as_str(&self) -> &str {
        // Only whole strings were written.
        self.bytes.get(..usize::from(self.length)).and_then(|text| str::from_utf8(text).ok()).unwrap_or_default()
    }
}

impl<const N: usize> fmt::Write for InlineText<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let begin = usize::from(self.length);
        let end = begin + text.len();
        let length = u8::try_from(end).map_err(|_| fmt::Error)?;
        self.bytes.get_mut(begin..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = length;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_user_agent_is_printable_and_cut_between_characters() {
        let exact = "x".repeat(120);
        let cut_before_a_character = format!("{}\u{fc}", "x".repeat(119));
        for (header, kept) in [
            (&b""[..], ""),
            (b"Mozilla/5.0 (X11)", "Mozilla/5.0 (X11)"),
            (b"a\tb\x1b[31mc\x7f", "a b [31mc "),
            (b"caf\xc3\xa9", "caf\u{e9}"),
            (b"caf\xe9 au lait", "caf\u{fffd} au lait"),
            (exact.as_bytes(), &exact),
            (format!("{exact}y").as_bytes(), &exact),
            (cut_before_a_character.as_bytes(), &exact[..119]),
        ] {
            assert_eq!(UserAgent::of(header).as_str(), kept);
        }
    }

    #[test]
    fn every_address_fits() {
        for text in ["192.0.2.1", "::1", "2001:db8:1111:2222:3333:4444:5555:6666", "::ffff:255.255.255.255"] {
            let client = Client { ip: Some(text.parse().unwrap()), user_agent: None };
            assert_eq!(client.address().unwrap().as_str(), text);
        }
        assert_eq!(Client::default().address(), None);
    }

    /// The rule, spelt otherwise.
    fn longest_that_fits(header: &[u8]) -> String {
        let mut whole = String::from_utf8_lossy(header).replace(char::is_control, " ");
        whole.truncate(whole.floor_char_boundary(LONGEST_USER_AGENT));
        whole
    }

    proptest! {
        #[test]
        fn any_header_is_kept_as_the_longest_beginning_that_fits(header in prop::collection::vec(any::<u8>(), 0..300)) {
            let agent = UserAgent::of(&header);
            prop_assert_eq!(agent.as_str(), longest_that_fits(&header));
        }

        #[test]
        fn any_text_is_kept_as_the_longest_beginning_that_fits(header in "[ -~]{110,130}[ -~\\t\u{fc}\u{20ac}]{0,4}[ -~]{0,99}") {
            let agent = UserAgent::of(header.as_bytes());
            prop_assert_eq!(agent.as_str(), longest_that_fits(header.as_bytes()));
        }
    }
}
