//! `GET /problems`: a page that explains every error code; each answer's `type` leads to its part of it.
//!
//! Owns the page's form and no word about any code: those are [`problem::ALL`]'s, the table that the answers are made from,
//! so the page cannot say something else than they do. It is the same for everybody, made once, and may be cached. It runs
//! nothing and loads nothing: the policy below allows its one style sheet, by its hash.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::problem::{self, Problem};

/// An hour: the page changes with the program only, and who looks a code up after an upgrade should not wait long for its
/// explanation.
const CACHEABLE: &str = "public, max-age=3600";
/// Legible and nothing more.
const STYLE: &str = "body{max-width:46em;margin:2em auto;padding:0 1em;font:1em/1.5 system-ui,sans-serif}\
                     h2{margin:2em 0 0}dl{margin:.5em 0}dt{font-weight:bold}dd{margin:0 0 .5em}\
                     :target{outline:2px solid;outline-offset:.5em}";

static PAGE: LazyLock<String> = LazyLock::new(page);
static POLICY: LazyLock<String> = LazyLock::new(policy);

/// The page.
pub async fn problems() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((header::CACHE_CONTROL, CACHEABLE))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY.as_str()))
        .body(PAGE.as_str())
}

/// No script, no image, no form, no frame around it: the style sheet in it is all.
fn policy() -> String {
    let style = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

fn page() -> String {
    let index: String = problem::ALL
        .iter()
        .map(|Problem { code, .. }| format!("<li><a href=\"#{code}\"><code>{code}</code></a>\n"))
        .collect();
    let parts: String = problem::ALL.iter().map(part).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>Problems</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>Problems</h1>\n\
         <p>Every error is answered as <code>application/problem+json</code> (RFC 9457). Its <code>code</code> is stable: \
         switch on it. <code>detail</code> is for people, and <code>request_id</code> finds the answer in the service's log.\n\
         <ul>\n{index}</ul>\n{parts}</body>\n</html>\n"
    )
}

fn part(problem: &Problem) -> String {
    let status = problem.status.as_str();
    let reason = problem.status.canonical_reason().unwrap_or_default();
    format!(
        "<section id=\"{code}\">\n<h2><code>{code}</code></h2>\n<p>{title}; status {status} {reason}\n\
         <dl>\n<dt>Cause\n<dd>{cause}\n<dt>What a client does\n<dd>{remedy}\n</dl>\n</section>\n",
        code = problem.code,
        title = in_html(problem.title),
        cause = in_html(problem.cause),
        remedy = in_html(problem.remedy),
    )
}

/// Text of the catalogue as HTML; what stands between backticks there is code.
fn in_html(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let pieces = escaped.split('`').enumerate();
    pieces.map(|(at, piece)| if at % 2 == 1 { format!("<code>{piece}</code>") } else { piece.to_owned() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_between_backticks_is_code_and_nothing_is_markup() {
        assert_eq!(in_html("Use `a & b`, not <b>."), "Use <code>a &amp; b</code>, not &lt;b&gt;.");
    }

    #[test]
    fn the_catalogue_closes_every_backtick() {
        for problem in problem::ALL {
            for text in [problem.cause, problem.remedy, problem.title] {
                assert_eq!(text.matches('`').count() % 2, 0, "{text}");
            }
        }
    }
}
