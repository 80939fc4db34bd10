use super::*;
use crate::github::doctor::{check_app, check_repository};

#[tokio::test]
async fn renamed_repository_is_found_by_its_id() {
    let site = Site::start();
    let id = site.report(comment(None, "one")).await.unwrap().id;
    site.github.rename(REPOSITORY, "shop");
    assert_eq!(site.report(comment(id, "two")).await.unwrap().id, id);
}

#[tokio::test]
async fn revoked_token_is_replaced_once() {
    let site = Site::start();
    site.report(comment(None, "one")).await.unwrap();
    site.github.revoke_tokens();
    site.report(comment(None, "two")).await.unwrap();
    assert_eq!((site.github.count("POST", TOKENS), site.github.comments(REPOSITORY, 1).len()), (2, 1));
    site.github.fail(Fault::status(401));
    assert!(denied(site.report(comment(None, "three")).await).contains("--github-key-file"));
}

#[tokio::test]
async fn slow_github_is_not_waited_for() {
    let site = Site::with_timeout(Duration::from_millis(100));
    site.github.fail(Fault::slow(Duration::from_secs(3600)));
    assert_eq!(pause(site.report(comment(None, "one")).await), None);
}

#[tokio::test]
async fn app_that_is_not_installed_or_suspended_is_named() {
    let site = Site::start();
    site.github.suspend_app(true);
    assert!(denied(site.report(comment(None, "one")).await).contains("unsuspend"));
    site.github.suspend_app(false);
    site.github.uninstall(REPOSITORY);
    assert!(denied(site.report(comment(None, "one")).await).contains("not installed on repository 123456789"));
}

/// The findings that are not as they must be, with their advice.
async fn bad(site: &Site, pull_request: Option<u64>) -> Vec<String> {
    let mut findings = check_app(&site.client).await;
    findings.extend(check_repository(&site.client, "web", REPOSITORY, pull_request).await);
    findings.into_iter().filter_map(|finding| Some(format!("{}: {}", finding.subject, finding.advice?))).collect()
}

#[tokio::test]
async fn doctor_names_what_is_missing() {
    let site = Site::start();
    assert_eq!(bad(&site, None).await, [""; 0]);
    assert!(site.github.requests().iter().all(|request| !request.is_write()));
    assert_eq!(bad(&site, Some(1)).await, [""; 0]);
    assert!(site.github.comments(REPOSITORY, 1).is_empty());
    site.github.set_app_permission("deployments", None);
    site.github.set_app_events(&["check_run", "check_suite", "pull_request"]);
    let named = bad(&site, None).await;
    assert_eq!(named.len(), 3, "{named:?}");
    assert!(named[0].starts_with("the App lacks the permission deployments=write"), "{named:?}");
    assert!(named[1].starts_with("the App is not told of the event issue_comment"), "{named:?}");
    assert!(named[2].starts_with("app web: the installation lacks the permission deployments=write"), "{named:?}");
    site.github.uninstall(REPOSITORY);
    assert!(bad(&site, None).await.iter().any(|named| named.contains("the App is not installed")));
}
