//! What a new password must be beyond what bcrypt needs.
//!
//! Owns the two named policies. `basic` counts characters. `nist` does what SP 800-63B-4 §3.1.1.2 asks of a password that is
//! the only factor: 15 characters, and none of those that everybody tries first. No rule about digits and signs, and none
//! that looks for a word inside: the whole password is compared, as the same section says. A refusal names the rule and never
//! the password.
//!
//! text + username -> [`Password::parse`] -> length -> (`nist`) the name -> the list of [`common`] passwords

use std::iter::successors;

use zeroize::Zeroizing;

use super::{Password, Submitted, common};
use crate::config::PasswordPolicy;
use crate::error::{Error, PasswordRefusal, Result};
use crate::tokens::principal::Username;

/// Policy `basic`: the least number of characters.
const BASIC_LEAST_CHARACTERS: usize = 8;
/// Policy `nist`: the least number of characters (SP 800-63B-4 §3.1.1.2, for a password that is the only factor).
const NIST_LEAST_CHARACTERS: usize = 15;
/// So many characters that are no letters do not hide the name they are put before or behind: `2024!`. Each of them adds
/// about three bits; behind more of them the name is not what is hard to guess.
const MOST_TRIMMED: usize = 5;

/// What a new password must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// At least 8 characters.
    Basic,
    /// At least 15 characters, not a common password and not made of the username.
    Nist,
}

impl From<PasswordPolicy> for Policy {
    fn from(setting: PasswordPolicy) -> Self {
        match setting {
            PasswordPolicy::Basic => Self::Basic,
            PasswordPolicy::Nist => Self::Nist,
        }
    }
}

impl Policy {
    /// Parses a password that this user is to have. Errors: [`Error::WeakPassword`].
    pub fn accept(self, submitted: &Submitted, username: &Username) -> Result<Password> {
        let password = Password::parse(submitted).map_err(Error::WeakPassword)?;
        let refusal = match self {
            Self::Basic => too_short(&password, BASIC_LEAST_CHARACTERS),
            Self::Nist => too_short(&password, NIST_LEAST_CHARACTERS).or_else(|| expected(&password, username)),
        };
        refusal.map_or(Ok(password), |refusal| Err(Error::WeakPassword(refusal)))
    }
}

/// Unicode scalar values after NFC, as the same section counts.
fn too_short(password: &Password, least: usize) -> Option<PasswordRefusal> {
    (password.0.chars().count() < least).then_some(PasswordRefusal::TooShort { least })
}

fn expected(password: &Password, username: &Username) -> Option<PasswordRefusal> {
    let password = Zeroizing::new(password.0.to_lowercase());
    if is_made_of_name(&password, &username.key()) {
        return Some(PasswordRefusal::Username);
    }
    is_common(&password).then_some(PasswordRefusal::Common)
}

/// The name, forwards or backwards, once or over and over, with up to five characters that are no letters on either side.
fn is_made_of_name(password: &str, name: &str) -> bool {
    let backwards: String = name.chars().rev().collect();
    let is_name =
        |core: &str| [name, &backwards].iter().any(|name| core.starts_with(*name) && repeats(core, name.len()));
    successors(Some(password), without_first)
        .take(MOST_TRIMMED + 1)
        .flat_map(|rest| successors(Some(rest), without_last).take(MOST_TRIMMED + 1))
        .any(is_name)
}

/// Without its first character, where that is no letter.
fn without_first<'a>(text: &&'a str) -> Option<&'a str> {
    let mut rest = text.chars();
    rest.next().filter(|first| !first.is_alphabetic()).map(|_| rest.as_str())
}

/// Without its last character, where that is no letter.
fn without_last<'a>(text: &&'a str) -> Option<&'a str> {
    let mut rest = text.chars();
    rest.next_back().filter(|last| !last.is_alphabetic()).map(|_| rest.as_str())
}

/// On the list; two of the list, one behind the other; or a pattern over and over that is on the list, or that is too short
/// for any policy. With so few entries of 15 characters, this is how the common ones are stretched to them.
fn is_common(password: &str) -> bool {
    let is_stretched = |pattern: &str| pattern.chars().count() < BASIC_LEAST_CHARACTERS || common::holds(pattern);
    common::holds(password)
        || splits(password).any(|(first, second)| common::holds(first) && common::holds(second))
        || splits(password).any(|(pattern, _)| {
            pattern.len() <= password.len() / 2 && repeats(password, pattern.len()) && is_stretched(pattern)
        })
}

/// Every way to cut a text into two that are not empty.
fn splits(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.char_indices().skip(1).map(|(at, _)| text.split_at(at))
}

/// Whether a text is its first `period` bytes over and over; the last time perhaps cut short.
fn repeats(text: &str, period: usize) -> bool {
    text.as_bytes().iter().eq(text.as_bytes().iter().take(period).cycle().take(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(policy: Policy, password: &str, username: &str) -> Option<PasswordRefusal> {
        let username = Username::parse(username).unwrap();
        match policy.accept(&Submitted::new(password.to_owned()), &username) {
            Ok(_) => None,
            Err(Error::WeakPassword(refusal)) => Some(refusal),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn length_is_counted_in_characters_after_composing() {
        for (policy, least) in [(Policy::Basic, 8), (Policy::Nist, 15)] {
            let short = Some(PasswordRefusal::TooShort { least });
            let ascii = "9fZ-q7Xw2 kLr8v";
            let (under, enough) = (&ascii[..least - 1], &ascii[..least]);
            assert_eq!((refusal(policy, under, "alice"), refusal(policy, enough, "alice")), (short, None));
            let accented = "äöüßéàçñøåæœðþĳ";
            let under: String = accented.chars().take(least - 1).collect();
            let enough: String = accented.chars().take(least).collect();
            assert_eq!((refusal(policy, &under, "alice"), refusal(policy, &enough, "alice")), (short, None));
            assert_eq!(refusal(policy, &"e\u{301}".repeat(least - 1), "alice"), short);
        }
    }

    #[test]
    fn basic_counts_and_asks_for_nothing_else() {
        for (password, username) in [("password123", "alice"), ("aaaaaaaa", "alice"), ("alice123", "alice123")] {
            assert_eq!(refusal(Policy::Basic, password, username), None, "{password}");
        }
    }

    #[test]
    fn nist_refuses_what_is_common_and_what_is_stretched_from_it() {
        let common = [
            "1qaz2wsx3edc4rfv",
            "1QAZ2wsx3EDC4rfv",
            "ManchesterUnited",
            "passwordpassword",
            "PasswordPasswordPassword",
            "password1password1pass",
            "password12345678",
            "iloveyoubaseball",
            "aaaaaaaaaaaaaaa",
            "abcabcabcabcabcabc",
            "12341234123412341",
            "éèéèéèéèéèéèéèé",
            "               ",
        ];
        for password in common {
            assert_eq!(refusal(Policy::Nist, password, "alice"), Some(PasswordRefusal::Common), "{password}");
        }
    }

    #[test]
    fn nist_refuses_the_name_and_what_is_stretched_from_it() {
        let refused = [
            ("alexander.hamilton", "alexander.hamilton"),
            ("ALEXANDER.hamilton", "Alexander.Hamilton"),
            ("notlimah.rednaxela", "alexander.hamilton"),
            ("alicealicealice", "alice"),
            ("AliceAliceAliceAl", "alice"),
            ("ecilaecilaecila", "alice"),
            ("alicealice2024!", "alice"),
            ("1-alexander.hamilton-9", "alexander.hamilton"),
            ("12345alexander12345", "alexander"),
            ("user2024user2024", "user2024"),
            ("!!user2024user2024!!", "user2024"),
            ("bob@example.org", "bob@example.org"),
        ];
        for (password, username) in refused {
            assert_eq!(refusal(Policy::Nist, password, username), Some(PasswordRefusal::Username), "{password}");
        }
    }

    #[test]
    fn nist_looks_for_no_word_inside_and_asks_for_no_digits_and_signs() {
        let fine = [
            ("correct horse battery", "alice"),
            ("my password is not here", "alice"),
            ("passwordpasswordx7", "alice"),
            ("password, iloveyou", "alice"),
            ("iloveyoubaseballpassword", "alice"),
            ("alice likes her tea", "alice"),
            ("alice83920183746", "alice"),
            ("xalexander.hamilton", "alexander.hamilton"),
            ("kfjwmelcbzrytqo", "alice"),
            ("sunday monday sunday", "alice"),
        ];
        for (password, username) in fine {
            assert_eq!(refusal(Policy::Nist, password, username), None, "{password}");
        }
    }

    #[test]
    fn what_bcrypt_would_ignore_is_refused_under_both() {
        for policy in [Policy::Basic, Policy::Nist] {
            assert_eq!(refusal(policy, "a long password\0tail", "alice"), Some(PasswordRefusal::ControlCharacter));
            assert_eq!(refusal(policy, &"long ".repeat(15), "alice"), Some(PasswordRefusal::TooLong));
        }
    }
}
