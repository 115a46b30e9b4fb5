//! Whether a request with a cookie comes from one of our own pages.
//!
//! Owns one rule: browsers say where a request comes from (`Sec-Fetch-Site`), and only the service's own origin, or the person
//! themselves, is taken for its page. A neighbour on the same site is not: SameSite=Strict sends it the cookie. A browser that
//! is too old to say so sends `Origin` with a POST, which then must be one that the operator named. Ambiguity is refused. What
//! is no browser can claim whatever it likes, and has no cookie but its own.
//!
//! request headers -> [`OwnPages::admit`] -> on, or who it was ([`Stranger`]) and 403 `cross_site`

use actix_web::http::header::{self, HeaderMap, HeaderName};

use crate::config::Origin;
use crate::events::Stranger;

/// Fetch Metadata Request Headers, §2.3.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Which pages are ours, where a browser tells no more than its page's origin.
#[derive(Debug)]
pub struct OwnPages {
    origins: Vec<Origin>,
}

impl OwnPages {
    /// Those of `PUBLIC_URL` and of `CORS_ORIGINS`.
    pub fn new(public_url: Option<&Origin>, listed: &[Origin]) -> Self {
        Self { origins: public_url.into_iter().chain(listed).cloned().collect() }
    }

    /// Errors: where it comes from otherwise.
    pub(super) fn admit(&self, headers: &HeaderMap) -> Result<(), Stranger> {
        let mut sites = headers.get_all(SEC_FETCH_SITE).map(|site| site.as_bytes());
        match (sites.next(), sites.next()) {
            (Some(b"same-origin" | b"none"), None) => Ok(()),
            (Some(b"same-site"), None) => Err(Stranger::SameSite),
            (Some(b"cross-site"), None) => Err(Stranger::CrossSite),
            (Some(_), _) => Err(Stranger::Unclear),
            (None, _) => self.admit_by_origin(headers),
        }
    }

    fn admit_by_origin(&self, headers: &HeaderMap) -> Result<(), Stranger> {
        let mut sent = headers.get_all(header::ORIGIN);
        match (sent.next(), sent.next()) {
            (Some(only), None) if self.origins.iter().any(|own| only == own.as_str()) => Ok(()),
            (Some(_), None) => Err(Stranger::OtherOrigin),
            (None, _) | (Some(_), Some(_)) => Err(Stranger::Unclear),
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    const OWN: &str = "https://id.test";
    const LISTED: &str = "https://app.test";

    fn admit(sent: &[(&'static str, &str)]) -> Result<(), Stranger> {
        let own_pages = OwnPages::new(Some(&OWN.parse().unwrap()), &[LISTED.parse().unwrap()]);
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        own_pages.admit(&headers)
    }

    #[test]
    fn what_the_browser_says_decides_whatever_the_origin() {
        let site = |site| ("sec-fetch-site", site);
        for origin in [&[][..], &[("origin", OWN)], &[("origin", "https://evil.test")], &[("origin", "null")]] {
            let asked = |sites: &[(&'static str, &'static str)]| admit(&[sites, origin].concat());
            assert_eq!(asked(&[site("same-origin")]), Ok(()));
            assert_eq!(asked(&[site("none")]), Ok(()));
            assert_eq!(asked(&[site("same-site")]), Err(Stranger::SameSite));
            assert_eq!(asked(&[site("cross-site")]), Err(Stranger::CrossSite));
            for unclear in ["", "Same-Origin", "same-origin, same-origin", "\"same-origin\"", "something-new"] {
                assert_eq!(asked(&[site(unclear)]), Err(Stranger::Unclear), "{unclear}");
            }
            assert_eq!(asked(&[site("same-origin"), site("same-origin")]), Err(Stranger::Unclear));
            assert_eq!(asked(&[site("same-origin"), site("cross-site")]), Err(Stranger::Unclear));
        }
    }

    #[test]
    fn a_browser_that_does_not_say_must_send_the_origin_of_a_page_of_ours() {
        for own in [OWN, LISTED] {
            assert_eq!(admit(&[("origin", own)]), Ok(()));
        }
        for other in [
            "https://evil.test",
            "http://id.test",
            "https://id.test/",
            "https://id.test:8443",
            "https://ID.test",
            "null",
            "",
        ] {
            assert_eq!(admit(&[("origin", other)]), Err(Stranger::OtherOrigin), "{other}");
        }
        assert_eq!(admit(&[]), Err(Stranger::Unclear));
        assert_eq!(admit(&[("origin", OWN), ("origin", OWN)]), Err(Stranger::Unclear));
    }

    #[test]
    fn where_the_operator_named_no_page_none_is_ours_without_a_word_of_the_browser() {
        let headers = HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static(OWN))]);
        assert_eq!(OwnPages::new(None, &[]).admit(&headers), Err(Stranger::OtherOrigin));
    }
}
