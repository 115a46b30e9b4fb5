//! The service as its clients see it: the real server, real HTTP, a database of its own for each test.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first thing that is not as it expects"
)]

mod admin_users;
mod administration;
mod changes;
mod changing_ttl;
mod cookie;
mod cookie_ends;
mod cookie_sites;
mod cors;
mod delete_account;
mod downtime;
mod ending_sessions;
mod everywhere;
mod fence;
mod hostile_bodies;
mod hostile_body_frames;
mod hostile_jwt_claims;
mod hostile_jwt_form;
mod hostile_jwt_header;
mod hostile_keys;
mod hostile_refresh_tokens;
mod jwks;
mod key_ring;
mod key_rotation;
mod leaks;
mod limits;
mod log_lines;
mod login;
mod logout;
mod oauth_clients;
mod oauth_forms;
mod oauth_introspect;
mod oauth_keys;
mod oauth_metadata;
mod oauth_revoke;
mod oauth_token;
mod operations;
mod others;
mod overload;
mod overtaken;
mod password;
mod password_policy;
mod problems;
mod profile;
mod proxies;
mod races;
mod refresh;
mod register;
mod registrations;
mod rehash;
mod reuse;
mod rotation;
mod security_events;
mod server;
mod session_limit;
mod sessions;
mod support;
mod sweeping;
mod tabs;
mod throttle;
mod throttle_asked_again;
mod throttle_steps;
mod walk;
