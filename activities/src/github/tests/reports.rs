use berth_workflows::contract::report::{CheckConclusion, CheckStatus, DeploymentState};
use http::Method;

use super::*;

const CHECKS: &str = "/repos/{owner}/{repo}/check-runs";
const DEPLOYMENTS: &str = "/repos/{owner}/{repo}/deployments";
const STATUSES: &str = "/repos/{owner}/{repo}/deployments/{deployment_id}/statuses";

fn check(id: Option<u64>) -> GithubWrite {
    GithubWrite::Check {
        head: head(),
        external_id: "preview-web-1".to_owned(),
        id,
        status: CheckStatus::Completed,
        conclusion: Some(CheckConclusion::Success),
        title: "Live".to_owned(),
        summary: "It serves.".to_owned(),
        details_url: Some("https://temporal.example.com".to_owned()),
    }
}

fn deployment() -> GithubWrite {
    GithubWrite::Deployment {
        reference: head(),
        environment: "preview".to_owned(),
        task: "preview-web-1".to_owned(),
        transient: true,
        production: false,
    }
}

fn status(deployment: u64, state: DeploymentState) -> GithubWrite {
    let (log_url, environment_url) = (None, Some("https://pr-1.example.com".to_owned()));
    GithubWrite::DeploymentStatus { deployment, state, log_url, environment_url, description: "Live".to_owned() }
}

/// How many comments, check runs, deployments and statuses there are.
fn made(github: &GithubServer) -> [usize; 4] {
    let deployments = github.deployments(REPOSITORY);
    let statuses = deployments.iter().map(|deployment| deployment.statuses.len()).sum();
    let checks = github.checks(REPOSITORY, head().as_str()).len();
    [github.comments(REPOSITORY, 1).len(), checks, deployments.len(), statuses]
}

#[tokio::test]
async fn second_run_finds_what_the_first_has_made() {
    let site = Site::start();
    for write in [comment(None, "one"), check(None), deployment()] {
        let first = site.report(write.clone()).await.unwrap();
        assert!(first.id.is_some());
        assert_eq!(site.report(write.clone()).await.unwrap(), first, "{write:?}");
    }
    let id = site.github.deployments(REPOSITORY)[0].id;
    for state in [DeploymentState::InProgress, DeploymentState::Success] {
        let first = site.report(status(id, state)).await.unwrap();
        assert_eq!(site.report(status(id, state)).await.unwrap(), first, "{state:?}");
    }
    assert_eq!((made(&site.github), site.github.count("POST", TOKENS)), ([1, 1, 1, 2], 1));
    assert_eq!(site.github.checks(REPOSITORY, head().as_str())[0].name, "Preview of web");
    assert_eq!(site.github.deployments(REPOSITORY)[0].state(), Some("success"));
}

#[tokio::test]
async fn write_whose_answer_was_lost_is_not_repeated() {
    let site = Site::start();
    for (write, route) in [(comment(None, "one"), COMMENTS), (check(None), CHECKS), (deployment(), DEPLOYMENTS)] {
        site.github.fail(Fault::status(502).on("POST", route).after_work().times(1));
        assert_eq!(pause(site.report(write.clone()).await), None);
        site.report(write).await.unwrap();
    }
    let id = site.github.deployments(REPOSITORY)[0].id;
    site.github.fail(Fault::status(502).on("POST", STATUSES).after_work().times(1));
    assert_eq!(pause(site.report(status(id, DeploymentState::Success)).await), None);
    site.report(status(id, DeploymentState::Success)).await.unwrap();
    assert_eq!(made(&site.github), [1, 1, 1, 1]);
}

#[tokio::test]
async fn comment_is_edited_in_place() {
    let site = Site::start();
    let id = site.report(comment(None, "one")).await.unwrap().id;
    assert_eq!(site.report(comment(id, "two")).await.unwrap().id, id);
    let comments = site.github.comments(REPOSITORY, 1);
    assert_eq!((comments.len(), comments[0].body.as_str()), (1, format!("{MARKER}\ntwo").as_str()));
}

#[tokio::test]
async fn comment_without_the_apps_name_is_known_by_its_account() {
    let site = Site::start();
    let id = site.report(comment(None, "one")).await.unwrap().id.unwrap();
    let listed = |login: &str| {
        let user = serde_json::json!({"login": login, "type": "Bot"});
        let comment = serde_json::json!({"id": id, "body": MARKER, "user": user, "performed_via_github_app": null});
        Fault::status(200).body(&serde_json::json!([comment]).to_string()).on("GET", COMMENTS).times(1)
    };
    site.github.fail(listed(&site.github.bot()));
    assert_eq!(site.report(comment(None, "two")).await.unwrap().id, Some(id));
    site.github.fail(listed("another-app[bot]"));
    assert_ne!(site.report(comment(None, "three")).await.unwrap().id, Some(id));
}

#[tokio::test]
async fn deleted_comment_is_reported_as_gone() {
    let site = Site::start();
    let id = site.report(comment(None, "one")).await.unwrap().id.unwrap();
    site.github.delete_comment(REPOSITORY, id);
    let gone = site.report(comment(Some(id), "two")).await.unwrap();
    assert_eq!(gone, Reported { id: None, gone: true });
    assert_eq!(made(&site.github)[0], 0);
}

#[tokio::test]
async fn comment_is_not_gone_where_the_app_may_not_look() {
    let site = Site::start();
    let id = site.report(comment(None, "one")).await.unwrap().id;
    site.github.uninstall(REPOSITORY);
    assert!(denied(site.report(comment(id, "two")).await).contains("not installed"));
}

#[tokio::test]
async fn missing_check_run_is_a_failure_for_a_person() {
    let site = Site::start();
    assert!(denied(site.report(check(Some(42))).await).contains("updating the check run: Not Found (404)"));
}

#[tokio::test]
async fn pull_request_with_many_comments_keeps_one_of_berth() {
    let site = Site::start();
    (0..150).for_each(|n| {
        site.github.comment(REPOSITORY, 1, "octocat", &format!("{MARKER} {n}"));
    });
    let first = site.report(comment(None, "one")).await.unwrap();
    assert_eq!(site.report(comment(None, "two")).await.unwrap(), first);
    let comments = site.github.comments(REPOSITORY, 1);
    assert_eq!((comments.len(), comments[0].body.as_str()), (151, format!("{MARKER} 0").as_str()));
}

#[tokio::test]
async fn refusal_of_a_write_is_typed() {
    let site = Site::start();
    let post = || (Method::POST.to_string(), COMMENTS);
    let fail = |fault: Fault| site.github.fail(fault.on(&post().0, post().1).times(1));
    for (fault, seconds) in [
        (Fault::secondary_limit(Some(72)), Some(72)),
        (Fault::secondary_limit(None), Some(60)),
        (Fault::status(429).header("retry-after", "3"), Some(3)),
        (Fault::status(429), Some(60)),
        (Fault::status(500), None),
        (Fault::status(503), None),
    ] {
        fail(fault.clone());
        assert_eq!(pause(site.report(comment(None, "one")).await), seconds.map(Duration::from_secs), "{fault:?}");
        pass(Duration::from_secs(seconds.unwrap_or_default())).await;
    }
    for (status, advice) in [(403, "give the App a permission"), (404, "not installed"), (422, "the request itself")] {
        fail(Fault::status(status));
        let refused = denied(site.report(comment(None, "one")).await);
        assert!(refused.contains(advice), "{status}: {refused}");
    }
    assert_eq!(made(&site.github)[0], 0);
}

#[tokio::test]
async fn limit_of_one_write_holds_all_others_back() {
    let site = Site::start();
    let id = site.report(comment(None, "one")).await.unwrap().id;
    site.github.fail(Fault::secondary_limit(Some(72)).times(1));
    assert_eq!(pause(site.report(check(None)).await), Some(Duration::from_secs(72)));
    let sent = site.github.requests().len();
    pass(Duration::from_secs(30)).await;
    for write in [comment(id, "two"), check(None), deployment()] {
        let rest = pause(site.report(write).await).unwrap();
        assert!(rest <= Duration::from_secs(42) && rest > Duration::from_secs(12), "{rest:?}");
    }
    assert_eq!(site.github.requests().len(), sent, "nothing is sent during a pause");
    pass(Duration::from_secs(42)).await;
    assert_eq!(site.report(comment(id, "two")).await.unwrap().id, id);
}

#[tokio::test]
async fn locked_conversation_and_missing_permission_are_named() {
    let site = Site::start();
    site.github.set_locked(REPOSITORY, 1, true);
    assert!(denied(site.report(comment(None, "one")).await).contains("unlock the conversation"));
    site.github.set_app_permission("checks", Some("read"));
    assert!(denied(site.report(check(None)).await).contains("lacks the permission checks=write"));
}
