//! What is typed: a password, and a yes.
//!
//! Owns one rule: a password comes from a terminal, twice and without an echo, or is the first line of standard input. It is never
//! an argument, which every user of the machine can read, and is never shown.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use zeroize::Zeroizing;

use super::failure::Failure;
use crate::passwords::Submitted;

/// Far longer than any password that is accepted: what is longer is a file that was sent by mistake.
const LONGEST_LINE: u64 = 4096;

/// A new password.
pub(super) fn password() -> Result<Submitted, Failure> {
    if !io::stdin().is_terminal() {
        return first_line();
    }
    let ask = |prompt: &str| {
        rpassword::prompt_password(prompt)
            .map(Zeroizing::new)
            .map_err(|cause| Failure::new(format!("the password cannot be read: {cause}")))
    };
    let (once, again) = (ask("Password: ")?, ask("Once more: ")?);
    if once != again {
        return Err(Failure::new("the two passwords are not the same"));
    }
    Ok(Submitted::new(String::clone(&once)))
}

fn first_line() -> Result<Submitted, Failure> {
    // As long as it can become, because a buffer that grows leaves copies of a password behind.
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST_LINE as usize + 1));
    let read = io::stdin().lock().take(LONGEST_LINE + 1).read_until(b'\n', &mut line);
    read.map_err(|cause| Failure::new(format!("the password cannot be read: {cause}")))?;
    if line.is_empty() {
        return Err(Failure::new("there is no password on standard input"));
    }
    let text = line.strip_suffix(b"\n").unwrap_or(&line);
    let text = str::from_utf8(text.strip_suffix(b"\r").unwrap_or(text));
    text.map(|text| Submitted::new(text.to_owned())).map_err(|_| Failure::new("the password is not UTF-8"))
}

/// Asks for a yes. Without a terminal there is nobody to ask.
pub(super) fn agreed(question: &str, without_a_terminal: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::argument(without_a_terminal));
    }
    let mut terminal = io::stderr();
    write!(terminal, "{question} [y/N] ").and_then(|()| terminal.flush()).ok();
    let mut answer = String::new();
    let read = io::stdin().lock().take(LONGEST_LINE).read_line(&mut answer);
    read.map_err(|cause| Failure::new(format!("the answer cannot be read: {cause}")))?;
    Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}
