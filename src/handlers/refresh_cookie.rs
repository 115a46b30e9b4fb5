//! The refresh token's cookie, both ways.
//!
//! Owns its form, and one rule: a request with the cookie is one of our own pages' (`own_pages`), has one of it, and no second
//! refresh token in its body. The cookie is read for a renewal and a logout, and authenticates nothing else; a call that ends
//! sessions looks at it only to take it away.
//!
//! `__Host-` has the browser refuse the cookie where it is not Secure, is for a part of the site or names a domain, so that no
//! neighbouring host can plant one (RFC 6265bis §4.1.3.2). Under `COOKIE_INSECURE` it has another name, and neither is read for
//! the other.
//!
//! `Cookie` -> [`presented`] -> refresh token; refresh token -> [`RefreshCookie::carrying`] -> `Set-Cookie`

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderMap, HeaderValue};

use super::error::ApiError;
use super::services::Services;
use crate::error::{Error, Result};
use crate::events;
use crate::middleware::trail::Trail;
use crate::tokens::access::Identity;
use crate::tokens::grant::Transport;
use crate::tokens::refresh::{RefreshToken, SessionId};

/// What the answers of a renewal and a logout depend on beside the body.
const VARY: HeaderValue = HeaderValue::from_static("Cookie, Sec-Fetch-Site, Origin");
/// What the answer of another call depends on that may take the cookie away.
const VARY_OF_ENDING: HeaderValue = HeaderValue::from_static("Cookie");

/// The cookie as the settings want it.
#[derive(Debug, Clone, Copy)]
pub struct RefreshCookie {
    name: &'static str,
    secure: &'static str,
}

impl RefreshCookie {
    /// `insecure`: works over plain HTTP too.
    pub fn new(insecure: bool) -> Self {
        if insecure {
            Self { name: "latchkey_refresh", secure: "" }
        } else {
            Self { name: "__Host-latchkey_refresh", secure: " Secure;" }
        }
    }

    /// Puts the token into the browser for as long as it is good for. Errors: [`Error::Internal`] where there is no such header.
    pub(super) fn carrying(&self, token: &RefreshToken, seconds: u64) -> Result<HeaderValue> {
        self.set(token.expose(), seconds)
    }

    /// Takes the cookie away. The same attributes: a browser replaces a cookie only by one of the same name and path.
    fn gone(&self) -> Result<HeaderValue> {
        self.set("", 0)
    }

    fn set(&self, value: &str, seconds: u64) -> Result<HeaderValue> {
        let Self { name, secure } = self;
        let text = format!("{name}={value}; Path=/; Max-Age={seconds};{secure} HttpOnly; SameSite=Strict");
        let mut header = HeaderValue::try_from(text).map_err(|_| Error::Internal("a cookie that is no header"))?;
        header.set_sensitive(true);
        Ok(header)
    }

    /// The value that a request has under our name (RFC 6265 §4.2). Errors: [`ApiError::InvalidRequest`] for two, of which a
    /// neighbour may have planted one.
    fn value<'a>(&self, headers: &'a HeaderMap) -> std::result::Result<Option<&'a str>, ApiError> {
        let pairs = headers.get_all(header::COOKIE).flat_map(|cookies| cookies.as_bytes().split(|byte| *byte == b';'));
        let mut values = pairs.filter_map(|pair| {
            let equals = pair.iter().position(|byte| *byte == b'=')?;
            let (name, value) = pair.split_at_checked(equals)?;
            (name.trim_ascii() == self.name.as_bytes()).then(|| value.get(1..).unwrap_or_default().trim_ascii())
        });
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            // What is no text is a token that nobody was given.
            (Some(only), None) => Ok(Some(str::from_utf8(only).unwrap_or_default())),
            (Some(_), Some(_)) => Err(ApiError::invalid_request("There is more than one refresh cookie.")),
        }
    }
}

/// The refresh token that a renewal or a logout presents by cookie; `has_body`: there is one in the body too.
///
/// # Errors
///
/// [`ApiError::InvalidRequest`] for two of them, [`ApiError::CrossSite`] where none of our own pages asks; nothing was looked up.
pub(super) fn presented<'a>(
    services: &Services,
    trail: &Trail,
    headers: &'a HeaderMap,
    has_body: bool,
) -> std::result::Result<Option<&'a str>, ApiError> {
    let Some(token) = services.refresh_cookie.value(headers)? else { return Ok(None) };
    if has_body {
        return Err(ApiError::invalid_request("Send the refresh token in a body or in the cookie, not both."));
    }
    if let Err(stranger) = services.own_pages.admit(headers) {
        let session = services.read_refresh_token(token).ok().map(|presented| presented.session);
        events::cross_site_refused(trail, stranger, session);
        return Err(ApiError::CrossSite);
    }
    Ok(Some(token))
}

/// The answer of a call that reads the cookie: it would be another with another one.
pub(super) fn varied(mut answer: HttpResponse) -> HttpResponse {
    answer.headers_mut().insert(header::VARY, VARY);
    answer
}

/// The same answer, which also takes the cookie away.
pub(super) fn without_cookie(services: &Services, mut answer: HttpResponse) -> Result<HttpResponse> {
    answer.headers_mut().append(header::SET_COOKIE, services.refresh_cookie.gone()?);
    Ok(answer)
}

/// Done, where sessions ended: 204, and the cookie goes if it is of one of them.
pub(super) fn ended(services: &Services, cookie_goes: bool) -> Result<HttpResponse> {
    let mut answer = HttpResponse::NoContent().finish();
    answer.headers_mut().append(header::VARY, VARY_OF_ENDING);
    if cookie_goes { without_cookie(services, answer) } else { Ok(answer) }
}

/// The cookie of a request whose bearer token ends sessions. In a browser that is shared it may be somebody else's by now, and who
/// ends their own must not sign them out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carried {
    /// None.
    Nothing,
    /// One that is good for nothing, or two.
    Useless,
    /// That of this session.
    Of(SessionId),
}

impl Carried {
    /// Looks at a request.
    pub(super) fn by(services: &Services, headers: &HeaderMap) -> Self {
        match services.refresh_cookie.value(headers) {
            Ok(None) => Self::Nothing,
            Ok(Some(token)) => {
                services.read_refresh_token(token).map_or(Self::Useless, |token| Self::Of(token.session))
            }
            Err(_) => Self::Useless,
        }
    }

    /// The same for a caller who ends all of their sessions, to be asked while these live: each of them is as good as the one
    /// that asks. Where nobody can say, the cookie stays, and the next renewal takes it away.
    pub(super) async fn of_any_session_of(self, services: &Services, caller: &Identity) -> Self {
        match self {
            Self::Of(session) if session != caller.session => {
                let live = services.sessions.live(caller.principal.id).await.unwrap_or_default();
                let is_own = live.iter().any(|own| own.id == session);
                if is_own { Self::Of(caller.session) } else { self }
            }
            Self::Nothing | Self::Useless | Self::Of(_) => self,
        }
    }

    /// Whether the cookie goes with the session that asked to be ended, of this transport. Where the request came without one, the
    /// browser may have one all the same.
    pub(super) fn goes_with(self, ended: SessionId, transport: Transport) -> bool {
        match self {
            Self::Nothing => transport == Transport::Cookie,
            Self::Useless => true,
            Self::Of(session) => session == ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECURE: &str = "__Host-latchkey_refresh";

    fn read(insecure: bool, sent: &[&[u8]]) -> std::result::Result<Option<String>, ApiError> {
        let mut headers = HeaderMap::new();
        for cookies in sent {
            headers.append(header::COOKIE, HeaderValue::from_bytes(cookies).unwrap());
        }
        RefreshCookie::new(insecure).value(&headers).map(|value| value.map(str::to_owned))
    }

    #[test]
    fn the_cookie_is_found_among_others_by_its_whole_name() {
        for (sent, found) in [
            (&[][..], None),
            (&[&b""[..]], None),
            (&[b"a=b"], None),
            (&[b"__Host-latchkey_refresh"], None),
            (&[b"__Host-latchkey_refresh=x"], Some("x")),
            (&[b"__Host-latchkey_refresh=x=y"], Some("x=y")),
            (&[b"__Host-latchkey_refresh="], Some("")),
            (&[b"__Host-latchkey_refresh=\xff"], Some("")),
            (&[b"a=b; __Host-latchkey_refresh=x; c=d"], Some("x")),
            (&[b"a=b;__Host-latchkey_refresh=x"], Some("x")),
            (&[b"a=b", b"__Host-latchkey_refresh=x"], Some("x")),
            // Names know case; a name within another name or value is none.
            (&[b"__host-latchkey_refresh=x"], None),
            (&[b"x__Host-latchkey_refresh=x; __Host-latchkey_refresh2=x; a=__Host-latchkey_refresh=x"], None),
            (&[b"latchkey_refresh=x"], None),
        ] {
            assert_eq!(read(false, sent).unwrap().as_deref(), found, "{sent:?}");
        }
    }

    #[test]
    fn the_name_of_the_other_setting_is_not_read() {
        let both: &[&[u8]] = &[b"__Host-latchkey_refresh=x; latchkey_refresh=y"];
        assert_eq!(read(false, both).unwrap().as_deref(), Some("x"));
        assert_eq!(read(true, both).unwrap().as_deref(), Some("y"));
        assert_eq!(read(true, &[b"__Host-latchkey_refresh=x"]).unwrap(), None);
    }

    #[test]
    fn two_of_the_name_are_refused_wherever_they_stand_and_even_if_they_agree() {
        let (one, both) = (format!("{SECURE}=x"), format!("{SECURE}=x; a=b; {SECURE}=x"));
        for sent in [
            &[both.as_bytes()][..],
            &[one.as_bytes(), one.as_bytes()],
            &[one.as_bytes(), b"a=b", b"__Host-latchkey_refresh="],
        ] {
            assert!(matches!(read(false, sent), Err(ApiError::InvalidRequest { .. })), "{sent:?}");
        }
    }

    #[test]
    fn what_is_set_and_what_is_taken_away_have_the_same_attributes() {
        for (insecure, name, secure) in [(false, SECURE, " Secure;"), (true, "latchkey_refresh", "")] {
            let cookie = RefreshCookie::new(insecure);
            let attributes = |seconds| format!("; Path=/; Max-Age={seconds};{secure} HttpOnly; SameSite=Strict");
            assert_eq!(cookie.set("lkr_x", 60).unwrap(), format!("{name}=lkr_x{}", attributes(60)));
            assert_eq!(cookie.gone().unwrap(), format!("{name}={}", attributes(0)));
        }
    }

    #[test]
    fn debug_output_of_the_header_does_not_show_the_token() {
        let header = RefreshCookie::new(false).set("lkr_secret", 60).unwrap();
        assert!(!format!("{header:?}").contains("lkr_"), "{header:?}");
    }
}
