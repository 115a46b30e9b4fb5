//! What clients call themselves.
//!
//! Owns the user agents. Of a crowd: some twenty, as often as a service for people sees them, in full as the browsers send them, and
//! texts that nobody else has. A session keeps its own; which one follows from its number, so that nobody has to remember it. Of
//! everybody else: one, with which sessions are opened and renewed, because another browser than before is written down, which is not
//! what a renewal is.

use std::borrow::Cow;

/// What whoever is not of a crowd calls themselves, from the login on.
pub const USUAL: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36";

/// A share in percent of the clients that have a text which others have too, and their words.
type Browser = (u32, &'static str);

/// They come to a hundred. The service keeps the first 120 bytes: the browsers of phones send more.
const BROWSERS: [Browser; 20] = [
    (
        24,
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    ),
    (
        6,
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    ),
    (
        2,
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
    ),
    (
        17,
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
    ),
    (
        5,
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
    ),
    (
        10,
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 \
         Mobile/15E148 Safari/604.1",
    ),
    (
        6,
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 \
         Mobile/15E148 Safari/604.1",
    ),
    (
        2,
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 \
         Mobile/15E148 Safari/604.1",
    ),
    (
        6,
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 \
         Edg/142.0.0.0",
    ),
    (
        6,
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 \
         Safari/537.36",
    ),
    (
        4,
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
    ),
    (
        1,
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15",
    ),
    (3, "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0"),
    (1, "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (1, "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"),
    (1, "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"),
    (
        2,
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 \
         Mobile Safari/537.36",
    ),
    (1, "okhttp/4.12.0"),
    (1, "Dart/3.9 (dart:io)"),
    (
        1,
        "Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 \
         Safari/604.1",
    ),
];

/// One in so many has a text that nobody else has. Browsers no longer tell more of themselves than a version that millions have; what
/// does are the views in which apps show a page, which name the device and its build. That these are some percent of the clients of a
/// service for people is an assumption, and that no two of them are alike is worse than it is.
const ONE_ALONE_IN: u32 = 20;

/// That of the session with this number.
pub fn of(number: u32) -> Cow<'static, str> {
    let (place, rest) = (number % ONE_ALONE_IN, number / ONE_ALONE_IN);
    if place == 0 {
        return own(number);
    }
    // Counted without those.
    let mut place = (rest * (ONE_ALONE_IN - 1) + place - 1) % 100;
    for (share, browser) in BROWSERS {
        if place < share {
            return browser.into();
        }
        place -= share;
    }
    "".into()
}

/// One that no other number has; by it they differ in the part that the service keeps.
pub fn own(number: u32) -> Cow<'static, str> {
    format!(
        "Mozilla/5.0 (Linux; Android 16; SM-S938B Build/BP2A.{number:08}; wv) AppleWebKit/537.36 (KHTML, like Gecko) \
         Version/4.0 Chrome/142.0.7444.102 Mobile Safari/537.36"
    )
    .into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use latchkey::storage::UserAgent;

    use super::*;

    #[test]
    fn each_browser_has_its_share_and_one_client_in_twenty_a_text_of_its_own() {
        let clients = || (4000..6000).map(of);
        for (share, browser) in BROWSERS {
            let found = clients().filter(|client| client == browser).count();

            assert_eq!(found, 19 * share as usize, "{browser}");
        }
        let texts: HashSet<_> = clients().map(|client| UserAgent::of(client.as_bytes()).as_str().to_owned()).collect();
        assert_eq!(texts.len(), BROWSERS.len() + 100);
    }
}
