use std::time::Duration;

use berth_workflows::contract::{
    command::{AdmitCommandInput, AdmittedCommand, CommentCommand},
    pull_request_list::ListPullRequestsInput,
    release::Commit,
    report::{CheckConclusion, CheckStatus, DeploymentState, GithubWrite, ReportInput, Reported},
    verdict::FailureType,
};
use http::Method;
use serde_json::{Value, json};

use super::{
    admit_command::admit_command,
    fake_github::{FakeGithub, Fault, REPOSITORY},
    list_pull_requests::list_pull_requests,
    report_to_github::report_to_github,
};
use crate::failure::Failure;

const MARKER: &str = "<!-- berth preview-web-7 -->";

fn head() -> Commit {
    Commit::try_from("4f2a9c1".repeat(6)[..40].to_owned()).unwrap()
}

fn comment(id: Option<u64>, text: &str) -> GithubWrite {
    GithubWrite::Comment { pull_request: 7, marker: MARKER.to_owned(), id, body: format!("{MARKER}\n{text}") }
}

fn check(id: Option<u64>) -> GithubWrite {
    GithubWrite::Check {
        head: head(),
        external_id: "preview-web-7".to_owned(),
        id,
        status: CheckStatus::Completed,
        conclusion: Some(CheckConclusion::Success),
        title: "Live".to_owned(),
        summary: "It serves.".to_owned(),
        details_url: None,
    }
}

fn deployment() -> GithubWrite {
    GithubWrite::Deployment {
        reference: head(),
        environment: "preview".to_owned(),
        task: "preview-web-7".to_owned(),
        transient: true,
        production: false,
    }
}

fn status(state: DeploymentState) -> GithubWrite {
    let (log_url, environment_url) = (None, Some("https://pr-7.example.com".to_owned()));
    GithubWrite::DeploymentStatus { deployment: 5, state, log_url, environment_url, description: "Live".to_owned() }
}

async fn report(github: &FakeGithub, write: GithubWrite) -> Result<Reported, Failure> {
    let report = ReportInput { app: "web".to_owned(), environment: "preview-web-7".to_owned(), write };
    report_to_github(&github.client, REPOSITORY, &report).await
}

#[tokio::test]
async fn second_run_finds_what_the_first_has_made() {
    let github = FakeGithub::start().await;
    for write in [comment(None, "one"), check(None), deployment(), status(DeploymentState::Success)] {
        let first = report(&github, write.clone()).await.unwrap();
        assert!(first.id.is_some());
        assert_eq!(report(&github, write.clone()).await.unwrap(), first, "{write:?}");
    }
    let held = github.held();
    let made = [held.comments.len(), held.checks.len(), held.deployments.len(), held.statuses.len()];
    assert_eq!((made, held.tokens), ([1, 1, 1, 1], 1));
    assert_eq!(held.checks[0]["name"], "Preview of web");
    let sent = &held.deployments[0];
    assert_eq!((&sent["auto_merge"], &sent["required_contexts"]), (&json!(false), &json!([])));
    assert_eq!(held.statuses[0]["auto_inactive"], false);
}

#[tokio::test]
async fn write_whose_answer_was_lost_is_not_repeated() {
    for write in [comment(None, "one"), check(None), deployment(), status(DeploymentState::Success)] {
        let github = FakeGithub::start().await;
        let (method, headers) = (Method::POST, Vec::new());
        let fault = Fault { method, status: 502, headers, message: "lost", is_after_work: true };
        github.held().fault = Some(fault);
        assert!(matches!(report(&github, write.clone()).await, Err(Failure::Transient { .. })));
        report(&github, write.clone()).await.unwrap();
        let held = github.held();
        let made = held.comments.len() + held.checks.len() + held.deployments.len() + held.statuses.len();
        assert_eq!(made, 1, "{write:?}");
    }
}

#[tokio::test]
async fn comment_is_edited_in_place() {
    let github = FakeGithub::start().await;
    let id = report(&github, comment(None, "one")).await.unwrap().id;
    assert_eq!(report(&github, comment(id, "two")).await.unwrap().id, id);
    let held = github.held();
    assert_eq!(held.comments.len(), 1);
    assert_eq!(held.comments[0]["body"], format!("{MARKER}\ntwo"));
}

#[tokio::test]
async fn marker_in_a_persons_comment_is_not_taken() {
    let github = FakeGithub::start().await;
    let person = json!({"login": "octocat", "type": "User"});
    github.held().comments.push(json!({"id": 1, "body": format!("{MARKER}\nmine"), "user": person}));
    report(&github, comment(None, "one")).await.unwrap();
    let held = github.held();
    assert_eq!(held.comments.len(), 2);
    assert_eq!(held.comments[0]["body"], format!("{MARKER}\nmine"));
}

#[tokio::test]
async fn deleted_comment_is_reported_as_gone() {
    let github = FakeGithub::start().await;
    let gone = report(&github, comment(Some(42), "one")).await.unwrap();
    assert_eq!(gone, Reported { id: None, gone: true });
    assert!(github.held().comments.is_empty());
}

#[tokio::test]
async fn missing_check_run_is_a_failure_for_a_person() {
    let github = FakeGithub::start().await;
    assert_eq!(denied(report(&github, check(Some(42))).await), FailureType::GithubDenied);
}

#[tokio::test]
async fn revoked_token_is_replaced_once() {
    let github = FakeGithub::start().await;
    report(&github, comment(None, "one")).await.unwrap();
    // Another token was given out since, so that the kept one is none any more.
    github.held().tokens += 1;
    report(&github, comment(None, "two")).await.unwrap();
    assert_eq!(github.count("POST", "/access_tokens"), 2);
    github.fail(Method::GET, 401, "Bad credentials");
    assert!(report(&github, comment(None, "three")).await.is_ok());
    assert_eq!(github.count("POST", "/access_tokens"), 3);
}

fn denied<T>(result: Result<T, Failure>) -> FailureType {
    match result {
        Err(Failure::Permanent(verdict)) => verdict.failure,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was done"),
    }
}

#[tokio::test]
async fn refusal_of_a_write_is_typed() {
    let github = FakeGithub::start().await;
    for (status, message) in [
        (403, "Resource not accessible by integration"),
        (403, "Unable to create comment because issue is locked."),
        (404, "Not Found"),
        (422, "Validation Failed"),
    ] {
        github.fail(Method::POST, status, message);
        assert_eq!(denied(report(&github, comment(None, "one")).await), FailureType::GithubDenied, "{status}");
    }
    for (status, headers, pause) in [
        (403, vec![("retry-after", "72")], Some(72)),
        (403, vec![], Some(60)),
        (429, vec![("retry-after", "3")], Some(3)),
        (500, vec![], None),
        (503, vec![], None),
    ] {
        let fault = Fault { method: Method::POST, status, headers, message: "wait", is_after_work: false };
        github.held().fault = Some(fault);
        let failed = report(&github, comment(None, "one")).await;
        let Err(Failure::Transient { failure, retry_after, .. }) = failed else { panic!("{status}: {failed:?}") };
        assert_eq!((failure, retry_after), (FailureType::GithubUnavailable, pause.map(Duration::from_secs)));
    }
    assert!(github.held().comments.is_empty());
}

#[tokio::test]
async fn slow_github_is_not_waited_for() {
    let github = FakeGithub::with_timeout(Duration::from_millis(50)).await;
    github.held().delay = Duration::from_secs(3600);
    let failed = report(&github, comment(None, "one")).await;
    assert!(matches!(failed, Err(Failure::Transient { failure: FailureType::GithubUnavailable, .. })), "{failed:?}");
}

#[tokio::test]
async fn app_that_is_not_installed_is_named() {
    let github = FakeGithub::start().await;
    let write = comment(None, "one");
    let report = ReportInput { app: "web".to_owned(), environment: "preview-web-7".to_owned(), write };
    let refused = report_to_github(&github.client, 2, &report).await.unwrap_err();
    assert!(refused.to_string().contains("the App 1001 is not installed on repository 2"), "{refused}");
}

fn said(body: &str) -> Value {
    json!({"id": 5, "body": body, "user": {"login": "octocat", "type": "User"},
        "issue_url": "https://api.github.com/repos/acme/web/issues/7",
        "created_at": "2026-11-28T07:15:00Z", "updated_at": "2026-11-28T07:15:00Z"})
}

async fn admit(github: &FakeGithub) -> AdmittedCommand {
    let admit = AdmitCommandInput { app: "web".to_owned(), pull_request: 7, comment: 5 };
    admit_command(&github.client, REPOSITORY, &admit).await.unwrap()
}

#[tokio::test]
async fn command_of_a_writer_is_admitted_and_reacted_to() {
    let github = FakeGithub::start().await;
    github.held().permission = Some("write");
    github.held().comments.push(said("/berth web redeploy"));
    for _ in 0..2 {
        let admitted = admit(&github).await;
        let AdmittedCommand::Admitted { by, command } = admitted else { panic!("{admitted:?}") };
        assert_eq!((by.as_str(), command), ("octocat", CommentCommand::Redeploy));
    }
    assert_eq!(github.held().reactions, [json!({"content": "eyes"}), json!({"content": "eyes"})]);
}

#[tokio::test]
async fn comment_that_is_no_command_of_a_writer_is_not_obeyed() {
    let command = |change: &dyn Fn(&mut Value)| {
        let mut comment = said("/berth redeploy");
        change(&mut comment);
        comment
    };
    for (comment, permission, reason) in [
        (command(&|_| {}), Some("read"), Some("only people who may write")),
        (command(&|_| {}), None, Some("only people who may write")),
        (command(&|c| c["updated_at"] = json!("2026-11-28T07:16:00Z")), Some("admin"), Some("was edited")),
        (command(&|c| c["body"] = json!("/berth fly")), Some("admin"), Some("there is no command")),
        (command(&|c| c["id"] = json!(6)), Some("admin"), Some("is gone")),
        (command(&|c| c["body"] = json!("looks good")), Some("admin"), None),
        (command(&|c| c["body"] = json!("/berth shop redeploy")), Some("admin"), None),
        (command(&|c| c["issue_url"] = json!("https://api.github.com/repos/acme/web/issues/8")), Some("admin"), None),
        (command(&|c| c["user"]["type"] = json!("Bot")), Some("admin"), None),
        (command(&|c| c["user"]["login"] = json!("../../../repos")), Some("admin"), None),
        (command(&|c| c["user"] = Value::Null), Some("admin"), None),
    ] {
        let github = FakeGithub::start().await;
        github.held().permission = permission;
        github.held().comments.push(comment.clone());
        match (admit(&github).await, reason) {
            (AdmittedCommand::Nothing, None) => {}
            (AdmittedCommand::Refused { reason, .. }, Some(why)) => assert!(reason.contains(why), "{reason}"),
            (other, _) => panic!("{comment}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn list_is_whole_or_an_error() {
    let github = FakeGithub::start().await;
    let pull = json!({"number": 7, "state": "MERGED", "isDraft": false, "locked": false, "isCrossRepository": false,
        "headRefOid": head(), "updatedAt": "2026-11-28T07:15:00Z", "author": null, "headRepository": null,
        "labels": {"nodes": []}});
    let page = json!({"pageInfo": {"hasNextPage": false, "endCursor": null}, "nodes": []});
    let whole = json!({"data": {"repository": {"databaseId": 1, "pullRequests": page, "p7": pull}}});
    let list = ListPullRequestsInput { app: "web".to_owned(), asked: vec![7] };
    github.held().graphql = whole.clone();
    for _ in 0..2 {
        let listed = list_pull_requests(&github.client, REPOSITORY, &list).await.unwrap().pull_requests;
        assert!(listed.len() == 1 && listed[0].facts.is_closed() && listed[0].facts.fork);
    }
    let mut partial = whole.clone();
    partial["errors"] = json!([{"message": "Something went wrong"}]);
    let mut other = whole;
    other["data"]["repository"]["databaseId"] = json!(2);
    for answer in [partial, other, json!({}), Value::Null] {
        github.held().graphql = answer.clone();
        let failed = list_pull_requests(&github.client, REPOSITORY, &list).await;
        assert!(matches!(failed, Err(Failure::Transient { .. })), "{answer}: {failed:?}");
    }
}
