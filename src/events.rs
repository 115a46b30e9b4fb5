//! The security events, all of them.
//!
//! Owns their names, levels and fields, in OWASP's logging vocabulary
//! (<https://cheatsheetseries.owasp.org/cheatsheets/Logging_Vocabulary_Cheat_Sheet.html>): `event` says what, `outcome` how
//! it ended, `user_id` and `session_id` who, `ip` where from, `request_id` in which request. No token, no password, nothing
//! that a client wrote but its user agent. The name of a failed login is told only where an account has it: people type
//! passwords into the name field. An event is logged once, by the handler that knows both what happened and to whom.
//!
//! handler, `app` -> a function below -> the log, target [`TARGET`]
//!
//! - `words`: what a line may say of a cause or a reason

mod words;

use std::fmt;
use std::net::{IpAddr, SocketAddr};

pub use self::words::{ClientFailure, GrantedFor, LoginFailure, PasswordChangeFailure, RevocationCause, Stranger};
use crate::clients::ClientId;
use crate::middleware::trail::Trail;
use crate::throttle::{Scope, Throttled};
use crate::tokens::principal::{Principal, Role, UserId};
use crate::tokens::refresh::{Presented, SessionId};

/// The name that `RUST_LOG` knows these lines by.
pub const TARGET: &str = "latchkey::security";

/// A line about a request, with what all of them have.
macro_rules! event {
    ($level:ident, $trail:expr, $event:literal, $outcome:literal, $words:literal $(, $($field:tt)+)?) => {
        tracing::$level!(
            target: TARGET, event = %$event, outcome = %$outcome, $($($field)+,)?
            ip = $trail.ip().map(tracing::field::display), request_id = %$trail.id(), $words
        )
    };
}

/// A login was made with the right password.
pub fn login_succeeded(trail: &Trail, user: UserId, session: SessionId) {
    event!(info, trail, "authn_login_success", "success", "logged in", user_id = %user, session_id = %session);
}

/// A login was refused; `account` is the one that has the name, if any does.
pub fn login_failed(trail: &Trail, reason: LoginFailure, account: Option<&Principal>) {
    let user_id = account.map(|account| tracing::field::display(account.id));
    let username = account.map(|account| account.username.as_str());
    event!(warn, trail, "authn_login_fail", "failure", "a login was refused", %reason, user_id, username);
}

/// Logins are refused without a look at the password: told once for each window that is full. `user` is the account that has
/// the name, if any does. `untold`: others that were not told since the last line.
pub fn login_locked(trail: &Trail, throttled: &Throttled, user: Option<UserId>, untold: u64) {
    let scope = match throttled.counter.map(|counter| counter.scope) {
        Some(Scope::Pair) => "account_from_address",
        Some(Scope::Account) => "account",
        Some(Scope::Address) => "address",
        None => "table_full",
    };
    let user_id = user.map(tracing::field::display);
    let retry_after_s = throttled.retry_after.as_secs();
    event!(
        warn, trail, "authn_login_lock", "failure", "too many logins failed: refusing more", scope = %scope,
        retry_after_s, user_id, untold
    );
}

/// Registrations from an address are refused: told once for each address in a while.
pub fn registrations_limited(trail: &Trail, untold: u64) {
    event!(
        warn,
        trail,
        "excess_rate_limit_exceeded",
        "failure",
        "too many registrations from an address: refusing more",
        untold
    );
}

/// Somebody in front says for whom it asks and is not believed: told once.
pub fn proxy_not_trusted(peer: IpAddr) {
    tracing::warn!(
        target: TARGET, event = %"proxy_not_trusted", outcome = %"failure", ip = %peer,
        "a peer of a private address sends X-Forwarded-For: list it in TRUSTED_PROXIES if it is your proxy"
    );
}

/// A session began.
pub fn session_created(trail: &Trail, user: UserId, session: SessionId, user_agent: Option<&str>) {
    event!(
        info, trail, "session_created", "success", "a session began", user_id = %user, session_id = %session, user_agent
    );
}

/// A session was ended because its owner opened another and had as many as they may have.
pub fn session_evicted(trail: &Trail, user: UserId, session: SessionId) {
    event!(
        info, trail, "session_evicted", "success", "the least recently renewed session made room for another",
        user_id = %user, session_id = %session
    );
}

/// The tokens of a new session were given out.
pub fn tokens_created(trail: &Trail, grant: GrantedFor, user: UserId, session: SessionId) {
    event!(
        info, trail, "authn_token_created", "success", "tokens were given out", %grant, user_id = %user,
        session_id = %session
    );
}

/// The tokens of a session were renewed. At debug: there are thousands of these a second, the line of the request says the
/// same, and nothing came into being that was not there before.
pub fn tokens_renewed(trail: &Trail, user: UserId, session: SessionId) {
    event!(
        debug, trail, "authn_token_created", "success", "tokens were given out", grant = %"renewal", user_id = %user,
        session_id = %session
    );
}

/// A spent refresh token came back outside the grace window, and its session is over. `rollback_detected`: it was newer
/// than the row, so the database went back in time.
pub fn token_reused(trail: &Trail, user: UserId, presented: &Presented, rollback_detected: bool) {
    event!(
        warn, trail, "authn_token_reuse", "failure", "a spent refresh token ended its session", user_id = %user,
        session_id = %presented.session, generation = presented.generation.number(), rollback_detected
    );
}

/// A session was ended by its holder or its owner, and its tokens with it.
pub fn tokens_revoked(trail: &Trail, cause: RevocationCause, user: UserId, session: SessionId) {
    event!(
        info, trail, "authn_token_revoked", "success", "a session was ended", reason = %cause, user_id = %user,
        session_id = %session
    );
}

/// Every session of a user was ended; `session` is the one that asked.
pub fn all_tokens_revoked(trail: &Trail, user: UserId, session: SessionId) {
    event!(
        info, trail, "authn_token_revoked", "success", "every session of a user was ended", reason = %"logout_all",
        user_id = %user, session_id = %session
    );
}

/// A renewal came too late: the session is past its idle or absolute limit.
pub fn session_expired(trail: &Trail, user: UserId, session: SessionId) {
    event!(
        info, trail, "session_expired", "failure", "a renewal came too late", user_id = %user, session_id = %session
    );
}

/// An account was registered. Its name is its owner's business; who needs it finds it by the id.
pub fn user_created(trail: &Trail, user: UserId) {
    event!(info, trail, "user_created", "success", "an account was registered", user_id = %user);
}

/// An account was deleted by its owner, with its sessions and tokens; `session` is the one that asked.
pub fn user_deleted(trail: &Trail, user: UserId, session: SessionId) {
    event!(info, trail, "user_deleted", "success", "an account was deleted", user_id = %user, session_id = %session);
}

/// A call was refused because its caller lacks a role.
pub fn authorization_failed(trail: &Trail, role: Role, user: UserId, session: SessionId) {
    event!(
        warn, trail, "authz_fail", "failure", "a call was refused for want of a role", role = %role.as_str(),
        user_id = %user, session_id = %session
    );
}

/// A refresh cookie came with a request that none of the service's own pages sent; `session` is the cookie's, where it is
/// authentic. Nothing was spent.
pub fn cross_site_refused(trail: &Trail, stranger: Stranger, session: Option<SessionId>) {
    let session_id = session.map(tracing::field::display);
    event!(
        warn, trail, "malicious_cors", "failure", "a refresh cookie from another site was refused", reason = %stranger,
        session_id
    );
}

/// An admin gave an account other roles.
pub fn roles_changed(trail: &Trail, by: UserId, user: UserId, from: &[Role], to: &[Role]) {
    event!(
        warn, trail, "privilege_permissions_changed", "success", "an account's roles were changed", by = %by,
        user_id = %user, from = %Roles(from), to = %Roles(to)
    );
}

/// An admin locked an account out, which ended its sessions, or let it in again.
pub fn user_disabled(trail: &Trail, by: UserId, user: UserId, disabled: bool) {
    event!(
        warn, trail, "user_updated", "success", "an account was locked out or let in", by = %by, user_id = %user, disabled
    );
}

/// An admin ended every session of an account.
pub fn all_tokens_revoked_by(trail: &Trail, by: UserId, user: UserId) {
    event!(
        info, trail, "authn_token_revoked", "success", "every session of a user was ended", reason = %"by_admin", by = %by,
        user_id = %user
    );
}

/// An admin deleted an account, with its sessions and tokens.
pub fn user_deleted_by(trail: &Trail, by: UserId, user: UserId) {
    event!(warn, trail, "user_deleted", "success", "an account was deleted", by = %by, user_id = %user);
}

/// A password was changed, which ended every session from before; `session` is the one that asked.
pub fn password_changed(trail: &Trail, user: UserId, session: SessionId) {
    event!(
        info, trail, "authn_password_change", "success", "a password was changed", user_id = %user, session_id = %session
    );
}

/// A password was not changed, because of what was sent.
pub fn password_change_failed(trail: &Trail, reason: PasswordChangeFailure, user: UserId, session: SessionId) {
    event!(
        warn, trail, "authn_password_change_fail", "failure", "a password change was refused", %reason, user_id = %user,
        session_id = %session
    );
}

/// A client did not prove itself. `client` is the one that has the name, if any does: people paste secrets into that field.
pub fn client_refused(trail: &Trail, reason: ClientFailure, client: Option<&ClientId>) {
    let client_id = client.map(tracing::field::display);
    event!(warn, trail, "authn_client_fail", "failure", "a client did not prove itself", %reason, client_id);
}

/// The service listens.
pub fn started(address: SocketAddr) {
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(target: TARGET, event = %"sys_startup", outcome = %"success", %version, %address, "serving");
}

/// The service serves cookies that are not for the world.
pub fn cookies_insecure() {
    tracing::warn!(
        target: TARGET, event = %"cookies_insecure", outcome = %"success",
        "COOKIE_INSECURE=1: refresh cookies travel in the clear, for development on this machine only"
    );
}

/// The service was told to stop and did, in order.
pub fn stopped() {
    tracing::info!(target: TARGET, event = %"sys_shutdown", outcome = %"success", "stopped as asked");
}

/// Another key ring is in use from here on.
pub fn keys_changed(keys: &KeysTold) {
    let KeysTold { signer, access_keys, refresh_keys } = keys;
    tracing::warn!(
        target: TARGET, event = %"keys_changed", outcome = %"success", signer = signer.as_ref().map(tracing::field::display),
        access_keys, refresh_keys, "another key ring is in use"
    );
}

/// Another key signs from here on: it took over at its time, or with a change of the ring. Told once a look finds it.
pub fn signer_changed(kind: &'static str, signer: &str, before: &str) {
    tracing::info!(
        target: TARGET, event = %"signer_changed", outcome = %"success", %kind, %signer, %before,
        "another key signs from here on"
    );
}

/// The key ring changed and cannot be used: told once for each change. The keys from before go on.
pub fn keys_refused(reason: &impl fmt::Display) {
    tracing::error!(
        target: TARGET, event = %"keys_refused", outcome = %"failure", %reason,
        "the key ring changed and cannot be used: going on with the keys from before"
    );
}

/// A part of the service died, and the process with it.
pub fn crashed(reason: &impl fmt::Display) {
    tracing::error!(target: TARGET, event = %"sys_crash", outcome = %"failure", %reason, "stopping: it cannot go on");
}

/// Roles in a line: `user,admin`, or nothing.
struct Roles<'a>(&'a [Role]);

impl fmt::Display for Roles<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(","))
    }
}

/// What is told of a key ring: names and numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysTold {
    /// The `kid` of the key that signs access tokens.
    pub signer: Option<String>,
    /// How many keys of access tokens verify.
    pub access_keys: usize,
    /// How many keys of refresh tokens do.
    pub refresh_keys: usize,
}
