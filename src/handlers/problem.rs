//! The catalogue of problems: every error code of the contract, once.
//!
//! Owns one rule: a code, its status and its title stand in exactly one place, together with what the page `GET /problems`
//! says about it. `handlers::error` picks an entry and adds what is particular to one request; no other file spells a code.
//! Nothing here is taken from a request, so nothing here can repeat input.
//!
//! [`Problem`] + detail + request id -> `Problem::body` -> `application/problem+json` (RFC 9457)

use actix_web::http::StatusCode;
use serde::Serialize;

/// One kind of problem: what stays the same however often it happens.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    /// The stable word that clients switch on.
    pub code: &'static str,
    /// The status that the code always comes with.
    pub status: StatusCode,
    /// The URI reference that identifies the kind and leads to its explanation.
    pub kind: &'static str,
    /// The code for people.
    pub title: &'static str,
    /// What brought it about.
    pub cause: &'static str,
    /// What a client does now.
    pub remedy: &'static str,
}

impl Problem {
    /// The body of one answer. Empty only if serialising strings failed, which it has no way to.
    pub(super) fn body(&self, detail: &str, request_id: &str, reason: Option<&str>) -> Vec<u8> {
        let (kind, title, status, code) = (self.kind, self.title, self.status.as_u16(), self.code);
        serde_json::to_vec(&Body { kind, title, status, code, detail, request_id, reason }).unwrap_or_default()
    }
}

/// The members in the order that the contract shows them.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// Writes the constants and [`ALL`] from one list, so that no problem can exist without being explained.
macro_rules! catalogue {
    ($($name:ident = $status:ident $code:literal, $title:literal, cause: $cause:literal, remedy: $remedy:literal;)+) => {
        $(
            #[doc = concat!("`", $code, "`: ", $cause)]
            pub const $name: Problem = Problem {
                code: $code,
                status: StatusCode::$status,
                kind: concat!("/problems#", $code),
                title: $title,
                cause: $cause,
                remedy: $remedy,
            };
        )+

        /// Every problem that this service answers with, by status: the source of `GET /problems`.
        pub const ALL: &[Problem] = &[$($name),+];
    };
}

catalogue! {
    INVALID_REQUEST = BAD_REQUEST "invalid_request", "Invalid request",
        cause: "The request is not what the call asks for: not JSON, not an object, a member missing or of the wrong type, or a malformed Authorization header.",
        remedy: "Correct the request; the same one will be refused again.";
    INVALID_CREDENTIALS = UNAUTHORIZED "invalid_credentials", "Invalid credentials",
        cause: "The name is unknown, the password is wrong, or the account is disabled; which of them is never told.",
        remedy: "Ask for name and password again.";
    MISSING_TOKEN = UNAUTHORIZED "missing_token", "Access token required",
        cause: "The call needs an access token and none was sent.",
        remedy: "Send `Authorization: Bearer` with an access token; log in if there is none.";
    INVALID_TOKEN = UNAUTHORIZED "invalid_token", "Access token refused",
        cause: "The access token is malformed, forged or expired, or what it stood for has changed or ended.",
        remedy: "Renew once with the refresh token and repeat the call with the new access token.";
    INVALID_GRANT = UNAUTHORIZED "invalid_grant", "Refresh token refused",
        cause: "The refresh token buys nothing; the member `reason` says `unknown`, `expired`, `revoked` or `reused`.",
        remedy: "Forget both tokens and log in again: on renewal this answer alone is final.";
    INSUFFICIENT_SCOPE = FORBIDDEN "insufficient_scope", "Role missing",
        cause: "The access token is valid, and its user does not have the role that this call asks for.",
        remedy: "Nothing that the client can do: a new token has the same roles until an admin gives others.";
    WRONG_PASSWORD = FORBIDDEN "wrong_password", "Wrong password",
        cause: "The call asks for the account's current password, and what was sent is another.",
        remedy: "Ask for the current password again; the session lives on.";
    CROSS_SITE = FORBIDDEN "cross_site", "Cross-site request",
        cause: "The refresh cookie came with a request of which the browser did not say that a page of the service's own origin sent it; the token was not looked at.",
        remedy: "Send it from a page of the same origin as the service (`Sec-Fetch-Site: same-origin`); for browsers that send no `Sec-Fetch-Site` the operator names the page's origin in `PUBLIC_URL` or `CORS_ORIGINS`.";
    NOT_FOUND = NOT_FOUND "not_found", "Not found",
        cause: "Nothing has this address, or nothing that the caller may see.",
        remedy: "Check the path and the id.";
    METHOD_NOT_ALLOWED = METHOD_NOT_ALLOWED "method_not_allowed", "Method not allowed",
        cause: "The address exists and does not answer to this method.",
        remedy: "Use one of the methods in the header `Allow`.";
    REQUEST_TIMEOUT = REQUEST_TIMEOUT "request_timeout", "Request timed out",
        cause: "The request's body did not arrive in time; nothing was done.",
        remedy: "Send the request again on a new connection.";
    USERNAME_TAKEN = CONFLICT "username_taken", "Username taken",
        cause: "Somebody already has this name, whatever its case.",
        remedy: "Choose another name.";
    LAST_ADMIN = CONFLICT "last_admin", "Last admin",
        cause: "The account is the only enabled admin: without it nobody could administer the service.",
        remedy: "Make another account an admin first.";
    PAYLOAD_TOO_LARGE = PAYLOAD_TOO_LARGE "payload_too_large", "Payload too large",
        cause: "The request's body is longer than 16 KiB.",
        remedy: "Send less; no call of this service needs as much.";
    UNSUPPORTED_MEDIA_TYPE = UNSUPPORTED_MEDIA_TYPE "unsupported_media_type", "Unsupported media type",
        cause: "The request's body is not declared as `application/json` in UTF-8, or it is compressed.",
        remedy: "Send plain JSON with `Content-Type: application/json`, as `Accept` or `Accept-Encoding` of the answer says.";
    INVALID_USERNAME = UNPROCESSABLE_ENTITY "invalid_username", "Invalid username",
        cause: "A username is 3 to 64 of the characters `A-Z a-z 0-9 . _ @ + -` and starts with a letter or a digit.",
        remedy: "Choose another name.";
    WEAK_PASSWORD = UNPROCESSABLE_ENTITY "weak_password", "Password not accepted",
        cause: "The password is outside the policy; `detail` names the rule.",
        remedy: "Choose another password.";
    INVALID_ROLE = UNPROCESSABLE_ENTITY "invalid_role", "Role not accepted",
        cause: "One of the roles does not exist; nothing was changed.",
        remedy: "Send `user`, `admin`, both or none.";
    UNCHANGED_PASSWORD = UNPROCESSABLE_ENTITY "unchanged_password", "Password unchanged",
        cause: "The new password is the current one.",
        remedy: "Choose another password; nothing was changed and no session was ended.";
    TOO_MANY_ATTEMPTS = TOO_MANY_REQUESTS "too_many_attempts", "Too many attempts",
        cause: "Too many passwords were tried, for this account or from this address, or too many accounts registered from it; this time none was looked at.",
        remedy: "Wait for the seconds in `Retry-After`; until then the right password is refused as well.";
    INTERNAL = INTERNAL_SERVER_ERROR "internal", "Internal error",
        cause: "The service has a fault; its log has a line with the same `request_id`.",
        remedy: "Try again later, and report the `request_id` if it happens again.";
    OVERLOADED = SERVICE_UNAVAILABLE "overloaded", "Overloaded",
        cause: "Every place was taken; nothing was started.",
        remedy: "Repeat the same request after the seconds in `Retry-After`.";
    UNAVAILABLE = SERVICE_UNAVAILABLE "unavailable", "Unavailable",
        cause: "Storage did not answer in time; what was asked for may have happened or not.",
        remedy: "Repeat the same request; a renewal with the same refresh token.";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_problem_has_a_code_of_its_own_and_an_error_status() {
        let codes: HashSet<_> = ALL.iter().map(|problem| problem.code).collect();

        assert_eq!(codes.len(), ALL.len());
        for problem in ALL {
            assert!(problem.status.is_client_error() || problem.status.is_server_error(), "{}", problem.code);
            assert_eq!(problem.kind, format!("/problems#{}", problem.code));
        }
    }

    #[test]
    fn the_catalogue_is_in_the_order_of_the_statuses() {
        assert!(ALL.is_sorted_by_key(|problem| problem.status.as_u16()));
    }

    #[test]
    fn a_body_has_the_members_of_the_contract_in_its_order() {
        let body = INVALID_CREDENTIALS.body("Wrong.", "id-1", None);

        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"type":"/problems#invalid_credentials","title":"Invalid credentials","status":401,"code":"invalid_credentials","detail":"Wrong.","request_id":"id-1"}"#
        );
    }
}
