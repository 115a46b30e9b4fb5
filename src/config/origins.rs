//! Which web origins may read the answers, and which is the service's own: `CORS_ORIGINS`, `PUBLIC_URL`.
//!
//! Owns one rule: an origin is accepted only as a browser would send it, byte by byte, because it is compared so. What no
//! browser sends would never match, and the operator would look for the fault elsewhere; what matches too much (`*`, `null`)
//! is not an origin.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::parse::{is_host_name, is_loopback};
use super::source::Parsed;

/// More than anybody lists by hand; above it the list is something else. Every request's `Origin` is compared with each.
const MOST_ORIGINS: usize = 100;
const MALFORMED: &str =
    "not origins such as https://app.example.org or http://localhost:5173 between commas (a scheme, a host, no path)";

const NO_PUBLIC_URL: &str = "not a URL such as https://id.example.org: https, a host, perhaps a port that is not the usual \
                             one, in lower case, and nothing behind it";

/// `scheme://host[:port]`, as a browser sends it (RFC 6454 §6.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// The text that a browser sends.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is spoken to over TLS.
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }
}

impl FromStr for Origin {
    type Err = &'static str;

    fn from_str(text: &str) -> Parsed<Self> {
        origin(text)
    }
}

/// Origins between commas; blanks around them do not count.
pub(super) fn origins(text: &str) -> Parsed<Vec<Origin>> {
    let origins: Vec<Origin> = text.split(',').map(|item| origin(item.trim_matches(' '))).collect::<Parsed<_>>()?;
    if origins.len() > MOST_ORIGINS { Err("more than 100 origins") } else { Ok(origins) }
}

/// The service's own origin, as a URL: one slash may stand at its end, as address bars show it.
///
/// Over plain HTTP anybody on the way reads passwords and tokens, and browsers keep no `__Host-` cookie that came so. Only
/// what never leaves a machine may do without TLS.
pub(super) fn public_url(text: &str) -> Parsed<Origin> {
    let origin = origin(text.strip_suffix('/').unwrap_or(text)).map_err(|_| NO_PUBLIC_URL)?;
    match origin.0.split_once("://") {
        Some(("https", _)) => Ok(origin),
        Some(("http", authority)) if names_this_machine(host_and_port(authority).0) => Ok(origin),
        Some(("http", _)) => {
            Err("http is for a loopback host alone (http://localhost:3000); elsewhere it must be https")
        }
        _ => Err(NO_PUBLIC_URL),
    }
}

/// A loopback host as a URL writes it; `*.localhost` too, which browsers never look up (RFC 6761 §6.3).
fn names_this_machine(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    is_loopback(bare) || bare.ends_with(".localhost")
}

fn origin(text: &str) -> Parsed<Origin> {
    if text.contains('*') {
        return Err("a `*` would open it to every site; list each origin in full");
    }
    if text == "null" {
        return Err("null is what every sandboxed frame and local file sends; it tells nobody from anybody");
    }
    let (scheme, authority) = text.split_once("://").ok_or(MALFORMED)?;
    if authority.ends_with('/') {
        return Err("an origin has no path, and no slash at its end");
    }
    if text.chars().any(char::is_uppercase) {
        return Err("browsers send origins in lower case");
    }
    let (host, port) = host_and_port(authority);
    if !is_scheme(scheme) || !is_host(host) || !port.is_none_or(is_port) {
        return Err(MALFORMED);
    }
    if matches!((scheme, port), ("https", Some("443")) | ("http", Some("80"))) {
        return Err("browsers leave the default port (80, 443) out");
    }
    Ok(Origin(text.to_owned()))
}

/// Splits at the colon of the port, not at one inside an IPv6 address.
fn host_and_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        Some(_) | None => (authority, None),
    }
}

/// RFC 3986 §3.1. Not only http and https: apps in a web view send schemes of their own (`capacitor://localhost`). Of a
/// `file:` browsers send `null`.
fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte))
        && scheme != "file"
}

/// A name, an IPv4 address, or an IPv6 address in brackets and in its shortest spelling, which is how browsers write it.
fn is_host(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(bare) => bare.parse::<Ipv6Addr>().is_ok_and(|address| address.to_string() == bare),
        None => host.parse::<Ipv4Addr>().is_ok() || is_host_name(host),
    }
}

fn is_port(port: &str) -> bool {
    port.parse::<u16>().is_ok_and(|number| number > 0 && number.to_string() == port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_a_browser_sends() {
        let fine = [
            "https://app.example.org",
            "http://localhost:5173",
            "http://127.0.0.1:3000",
            "https://[::1]:8443",
            "https://xn--bcher-kva.example",
            "http://app:443",
            "capacitor://localhost",
            "chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb",
        ];
        for text in fine {
            let parsed = origins(text).unwrap();
            assert_eq!(parsed.iter().map(Origin::as_str).collect::<Vec<_>>(), [text]);
        }
        let list = origins("https://a.example, http://b.example:81 ,https://c.example").unwrap();
        let list: Vec<_> = list.iter().map(Origin::as_str).collect();
        assert_eq!(list, ["https://a.example", "http://b.example:81", "https://c.example"]);
    }

    #[test]
    fn what_no_browser_sends_or_everybody_does_is_refused() {
        let refused = [
            "",
            " ",
            ",",
            "https://a.example,",
            "https://a.example,,https://b.example",
            "*",
            "https://*.example.org",
            "null",
            "https://a.example,null",
            "a.example",
            "//a.example",
            "https:a.example",
            "https://",
            "://a.example",
            "https://a.example/",
            "https://a.example/path",
            "https://a.example?x",
            "https://a.example#x",
            "https://user@a.example",
            "https://A.example",
            "HTTPS://a.example",
            "https://a.example:443",
            "http://a.example:80",
            "https://a.example:",
            "https://a.example:0",
            "https://a.example:65536",
            "https://a.example:08443",
            "https://a.example:+81",
            "https://a..example",
            "https://b\u{fc}cher.example",
            "https://127.0.0.256",
            "https://::1",
            "https://[::1",
            "https://[0:0::1]",
            "https://[::1]x",
            "file://a.example",
            "1http://a.example",
            "https://a.example;https://b.example",
            "https://a.example https://b.example",
            "https://a.example\t",
            "https://a.example\n",
            "'https://a.example'",
        ];
        for text in refused {
            assert!(origins(text).is_err(), "{text:?}");
        }
        assert!(origins(&vec!["https://a.example"; 101].join(",")).is_err());
    }

    #[test]
    fn a_public_url_is_an_origin_with_a_slash_at_its_end_or_without() {
        for (text, kept) in [
            ("https://id.example.org", "https://id.example.org"),
            ("https://id.example.org/", "https://id.example.org"),
            ("https://id.example.org:8443/", "https://id.example.org:8443"),
            ("https://192.0.2.1", "https://192.0.2.1"),
            ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ] {
            let url = public_url(text).unwrap();
            assert_eq!((url.as_str(), url.is_https()), (kept, true));
        }
    }

    #[test]
    fn plain_http_is_for_a_loopback_host_alone_and_the_refusal_says_so() {
        for text in [
            "http://localhost:3000",
            "http://127.0.0.1",
            "http://127.8.9.1:81",
            "http://[::1]:3000/",
            "http://a.localhost",
        ] {
            assert!(!public_url(text).unwrap().is_https(), "{text}");
        }
        for text in [
            "http://id.example.org",
            "http://192.0.2.1",
            "http://0.0.0.0",
            "http://localhost.example",
            "http://xlocalhost",
        ] {
            assert!(public_url(text).unwrap_err().contains("loopback"), "{text}");
        }
    }

    #[test]
    fn a_public_url_is_nothing_more_than_an_origin() {
        for text in [
            "",
            "/",
            "id.example.org",
            "https://",
            "https:///",
            "https://id.example.org//",
            "https://id.example.org/auth",
            "https://id.example.org?x",
            "https://id.example.org/?x",
            "https://id.example.org#x",
            "https://user@id.example.org",
            "https://user:password@id.example.org",
            "https://ID.example.org",
            "https://id.example.org:443",
            "https://a.example,https://b.example",
            "*",
            "null",
            "ws://id.example.org",
            "capacitor://localhost",
        ] {
            assert_eq!(public_url(text), Err(NO_PUBLIC_URL), "{text:?}");
        }
    }
}
