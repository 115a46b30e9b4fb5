//! Which secrets are too weak to sign with.
//!
//! Owns one rule: a secret that somebody can guess, or has read somewhere, is refused. It cannot prove a secret good;
//! it finds what people paste in a hurry. Random text passes: each bound below says how rarely it does not.

use super::source::Parsed;

/// RFC 7518 §3.2 and RFC 2104 §3: a key for HMAC-SHA-256 is at least as long as the hash.
const LEAST_BYTES: usize = 32;
/// 32 random hex digits have fewer than 8 different ones about once in 30 million times.
const LEAST_DISTINCT: usize = 8;
/// Equal steps between neighbours; eight of them in a row are in one of 10^12 random base64 secrets.
const LONGEST_RUN: usize = 8;

/// What sample values are made of, in lower case and without separators. Six letters at least: random base64 of 64
/// characters holds a given word of six about once in 18 million times, but one of four once in 17,000.
const SAMPLE_WORDS: [&str; 16] = [
    "changeme",
    "changethis",
    "secret",
    "example",
    "password",
    "placeholder",
    "replaceme",
    "replacethis",
    "yourjwt",
    "yourkey",
    "yourtoken",
    "yourrefresh",
    "qwerty",
    "letmein",
    "insecure",
    "openssl",
];
/// What samples begin with ("your-256-bit-key"); too short to be looked for without its separator.
const SAMPLE_PARTS: [&[u8]; 2] = [b"your-", b"your_"];
/// Keys that were printed where everybody can read them: the HS256 example of RFC 7515 §A.1.
const PUBLISHED: [&[u8]; 1] =
    [b"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"];

/// Refuses a weak secret.
pub(super) fn check(secret: &[u8]) -> Parsed<()> {
    if secret.len() < LEAST_BYTES {
        return Err("shorter than 32 bytes; make one with `openssl rand -base64 48`");
    }
    if distinct(secret) < LEAST_DISTINCT {
        return Err("too few different characters; make one with `openssl rand -base64 48`");
    }
    if repeats(secret) {
        return Err("a short pattern over and over; make one with `openssl rand -base64 48`");
    }
    if longest_run(secret) >= LONGEST_RUN {
        return Err("holds a run such as 0123456789; make one with `openssl rand -base64 48`");
    }
    if is_sample(secret) {
        return Err("looks like a sample value; make one with `openssl rand -base64 48`");
    }
    Ok(())
}

fn distinct(secret: &[u8]) -> usize {
    (0..=u8::MAX).filter(|byte| secret.contains(byte)).count()
}

/// Whether it is a pattern of at most half its length, over and over (the last time perhaps cut short).
fn repeats(secret: &[u8]) -> bool {
    (1..=secret.len() / 2).any(|period| {
        let (head, _) = secret.split_at(secret.len() - period);
        let (_, tail) = secret.split_at(period);
        head == tail
    })
}

/// The most steps in a row by which each byte is the one before it, plus one, minus one or the same.
fn longest_run(secret: &[u8]) -> usize {
    let step = |(left, right): (&u8, &u8)| i16::from(*right) - i16::from(*left);
    let (mut longest, mut length, mut last) = (0, 0, None);
    for step in secret.iter().zip(secret.iter().skip(1)).map(step) {
        length = match (step.abs() <= 1, last == Some(step)) {
            (true, true) => length + 1,
            (true, false) => 1,
            (false, _) => 0,
        };
        last = Some(step);
        longest = longest.max(length);
    }
    longest
}

fn is_sample(secret: &[u8]) -> bool {
    let lower = secret.to_ascii_lowercase();
    let letters: Vec<u8> = lower.iter().copied().filter(u8::is_ascii_alphanumeric).collect();
    let holds = |text: &[u8], part: &[u8]| text.windows(part.len()).any(|window| window == part);
    SAMPLE_WORDS.iter().any(|word| holds(&letters, word.as_bytes()))
        || SAMPLE_PARTS.iter().any(|part| holds(&lower, part))
        || PUBLISHED.contains(&secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_text_of_every_usual_spelling_passes() {
        let spellings: [&[u8]; 5] = [
            b"3f9a1c7be05d8426f1b79e0c4ad35862",
            b"9d1e6a7c40b8f2539d1e6a7c40b8f253aa04c7e915d36b8f72e0a4c95b1d8f36",
            b"vZ0qf5Jt2mXyB8dKc1RwT7uHs4GnLpEaYi6ObQ9eFzNjVMkCxW3rAhDgIPlSoU+/",
            b"TqvB_cR3o0XyJm-8dZf5KwLs1n7GhEuApYi6Qb9OeFz",
            b"91740628355180273649018256374091",
        ];
        for secret in spellings {
            assert_eq!(check(secret), Ok(()), "{}", String::from_utf8_lossy(secret));
        }
    }

    #[test]
    fn what_people_paste_in_a_hurry_is_refused() {
        let weak: [(&str, &str); 17] = [
            ("", "shorter"),
            ("3f9a1c7be05d8426f1b79e0c4ad3586", "shorter"),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "too few"),
            ("aabbccddeeffgaabbgcdefgfgabcdeggffdd", "too few"),
            ("3f9a1c7be05d84263f9a1c7be05d8426", "over and over"),
            ("k7Qz9mX2vk7Qz9mX2vk7Qz9mX2vk7Qz9mX2v", "over and over"),
            ("0123456789abcdef0123456789ABCDEF", "a run"),
            ("fK2v9xQ7mabcdefghiR4tZ8wLpJ3nYc6sB", "a run"),
            ("fK2v9xQ7m9876543210R4tZ8wLpJ3nYc6sB", "a run"),
            ("fK2v9xQ7mB5R4tZ8wLpJ3nYc            ", "a run"),
            ("please-change-me-before-you-deploy-this", "sample"),
            ("my-Super_SECRET-key-for-the-tokens-42", "sample"),
            ("this is an Example of a longer sentence", "sample"),
            ("your-own-256-bit-key-goes-in-this-place", "sample"),
            ("PassWord1PassWord2PassWord3x9PassWord", "sample"),
            ("<output of openssl rand -base64 48 here>", "sample"),
            ("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow", "sample"),
        ];
        for (secret, part) in weak {
            let refusal = check(secret.as_bytes());
            assert!(refusal.is_err_and(|reason| reason.contains(part)), "{secret}: {refusal:?}");
        }
    }
}
