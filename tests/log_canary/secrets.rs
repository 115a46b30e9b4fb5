//! What must not be found.

use serde_json::Value;

/// A piece of a secret this long is one: nothing else in a log looks like that by chance.
const PIECE: usize = 12;

/// Secrets, to be looked for in pieces.
#[derive(Default)]
pub struct Secrets(Vec<String>);

impl Secrets {
    pub fn of<const N: usize>(secrets: [&str; N]) -> Self {
        let mut all = Self::default();
        secrets.into_iter().for_each(|secret| all.add(secret));
        all
    }

    /// Adds a secret in the forms that a program could print it in: as it is, and as bytes in two ways.
    pub fn add(&mut self, secret: &str) {
        assert!(secret.len() >= PIECE, "too short to be looked for");
        let bytes = secret.as_bytes();
        self.0.push(secret.to_owned());
        self.0.push(bytes.iter().map(|byte| format!("{byte:02x}")).collect());
        self.0.push(format!("{bytes:?}").trim_matches(['[', ']']).to_owned());
    }

    /// Adds what an answer gave out. Of an access token the claims are no secret, but nothing prints them either.
    pub fn add_tokens(&mut self, answer: &Value) {
        self.add(answer["access_token"].as_str().unwrap_or_else(|| panic!("no tokens in {answer}")));
        self.add(answer["refresh_token"].as_str().unwrap());
    }

    #[track_caller]
    pub fn assert_absent_from(&self, log: &str) {
        for secret in &self.0 {
            let pieces = secret.as_bytes().windows(PIECE).map(|piece| std::str::from_utf8(piece).unwrap());
            for piece in pieces {
                let line = log.lines().find(|line| line.contains(piece));
                assert_eq!(line, None, "{piece:?}, a piece of {secret:?}, was logged");
            }
        }
    }
}
