//! `GET /problems`: the page that explains the codes.

use std::collections::BTreeSet;

use latchkey::handlers::problem;
use reqwest::Method;

use crate::support::{Answer, TestServer};

/// Everything between two texts, wherever they stand.
fn between<'a>(text: &'a str, before: &'a str, after: &'a str) -> Vec<&'a str> {
    text.split(before).skip(1).map(|rest| rest.split(after).next().unwrap()).collect()
}

#[actix_web::test]
async fn every_code_has_an_anchor_with_its_title_status_cause_and_remedy() {
    let page = TestServer::start().await.get("/problems").await;

    assert_eq!(page.status, 200);
    let anchors: Vec<_> = between(&page.raw, " id=\"", "\"");
    assert_eq!(anchors, problem::ALL.iter().map(|problem| problem.code).collect::<Vec<_>>());
    let links: BTreeSet<_> = between(&page.raw, "href=\"#", "\"").into_iter().collect();
    assert_eq!(links, anchors.iter().copied().collect());
    for (part, problem) in page.raw.split("<section").skip(1).zip(problem::ALL) {
        let plain = part.replace("<code>", "`").replace("</code>", "`");
        for text in [problem.title, problem.status.as_str(), problem.cause, problem.remedy] {
            assert!(plain.contains(text), "{}: {text} is not in {part}", problem.code);
        }
    }
}

#[actix_web::test]
async fn the_page_is_html_that_may_be_cached_and_can_run_and_load_nothing() {
    let server = TestServer::start().await;
    let page = server.get("/problems").await;

    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("cache-control"), "public, max-age=3600");
    let policy: Vec<_> = page.header("content-security-policy").split("; ").collect();
    assert_eq!(policy.len(), 5, "{policy:?}");
    for directive in ["default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"] {
        assert!(policy.contains(&directive), "{directive} is not in {policy:?}");
    }
    assert!(!policy.iter().any(|directive| directive.contains("unsafe")), "{policy:?}");
    for active in ["<script", "<img", "<link", "<iframe", "<form", "style=", "http:", "https:", "url(", "javascript:"] {
        assert!(!page.raw.contains(active), "{active}");
    }
    let head = Answer::of(server.request(Method::HEAD, "/problems")).await;
    assert_eq!((head.status, head.raw.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), page.raw.len().to_string());
    for header in ["content-type", "cache-control", "content-security-policy"] {
        assert_eq!(head.header(header), page.header(header));
    }
}

#[actix_web::test]
async fn the_policy_names_the_hash_of_the_pages_own_style_sheet() {
    use base64::Engine as _;
    let page = TestServer::start().await.get("/problems").await;

    let style = between(&page.raw, "<style>", "</style>");

    assert_eq!(style.len(), 1);
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, style[0].as_bytes());
    let allowed = format!("style-src 'sha256-{}'", base64::engine::general_purpose::STANDARD.encode(hash));
    assert!(page.header("content-security-policy").contains(&allowed), "{allowed}");
}
