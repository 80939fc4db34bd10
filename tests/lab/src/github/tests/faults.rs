use std::time::Duration;

use super::*;
use crate::github::{Fault, Limits};

const WEB: &str = "/repos/acme/web";
const OF_PULL: &str = "/repos/acme/web/issues/1/comments";
const OF_PULL_ROUTE: &str = "/repos/{owner}/{repo}/issues/{issue_number}/comments";

#[tokio::test]
async fn each_fault_is_answered_as_github_would() {
    let client = Client::start().await;
    for (fault, status, retry_after) in [
        (Fault::status(401), 401, ""),
        (Fault::secondary_limit(None), 403, ""),
        (Fault::secondary_limit(Some(72)), 403, "72"),
        (Fault::status(404), 404, ""),
        (Fault::status(422), 422, ""),
        (Fault::status(429).header("retry-after", "5"), 429, "5"),
        (Fault::status(500), 500, ""),
        (Fault::status(502), 502, ""),
    ] {
        client.github.fail(fault.times(1));
        let answer = client.get(WEB).await;
        assert_eq!((answer.status, answer.header("retry-after")), (status, retry_after));
    }
    assert_eq!(client.get(WEB).await.status, 200);
    client.github.fail(Fault::status(503));
    assert_eq!(client.get(WEB).await.header("content-type"), "text/html; charset=utf-8");
    client.github.clear_faults();
    assert_eq!(client.get(WEB).await.status, 200);
}

#[tokio::test]
async fn answer_is_lost_after_the_work() {
    let client = Client::with_pull().await;
    client.github.fail(Fault::status(502).on("POST", OF_PULL_ROUTE).times(1).after_work());
    assert_eq!(client.post(OF_PULL, json!({"body": "x"})).await.status, 502);
    assert_eq!(client.github.comments(REPOSITORY, 1).len(), 1);
}

#[tokio::test]
async fn slow_answer_is_a_proper_one() {
    let client = Client::start().await;
    client.github.fail(Fault::slow(Duration::from_millis(50)).times(1));
    let begun = std::time::Instant::now();
    assert_eq!(client.get(WEB).await.status, 200);
    assert!(begun.elapsed() >= Duration::from_millis(50));
}

#[tokio::test]
async fn eighty_first_write_of_a_minute_is_refused() {
    let client = Client::with_pull().await;
    for _ in 0..80 {
        assert_eq!(client.post(OF_PULL, json!({"body": "x"})).await.status, 201);
    }
    let refused = client.post(OF_PULL, json!({"body": "x"})).await;
    assert!(refused.status == 403 && refused.body["message"].as_str().unwrap().contains("secondary rate limit"));
    assert!((1..=60).contains(&refused.header("retry-after").parse::<u64>().unwrap()));
    assert_eq!(client.get(OF_PULL).await.status, 200, "reading goes on");
    assert_eq!(client.github.busiest(Duration::from_secs(60)), 81);
    client.github.advance(Duration::from_secs(60));
    assert_eq!(client.post(OF_PULL, json!({"body": "x"})).await.status, 201);
    client.github.set_limits(Limits::NONE);
    for _ in 0..81 {
        assert_eq!(client.post(OF_PULL, json!({"body": "x"})).await.status, 201);
    }
    assert_eq!(client.github.count("POST", OF_PULL_ROUTE), 163);
}

#[tokio::test]
async fn headers_tell_the_primary_limit_until_it_is_used() {
    let client = Client::start().await;
    client.github.set_limits(Limits { requests_per_hour: Some(2), ..Limits::default() });
    let first = client.get(WEB).await;
    assert_eq!((first.header("x-ratelimit-limit"), first.header("x-ratelimit-remaining")), ("2", "1"));
    assert_eq!(first.header("x-ratelimit-resource"), "core");
    assert_eq!(client.get(WEB).await.status, 200);
    let refused = client.get(WEB).await;
    assert_eq!((refused.status, refused.header("x-ratelimit-remaining")), (403, "0"));
    let asked = client.get("/rate_limit").await;
    assert_eq!((asked.status, &asked.body["rate"]["used"]), (200, &json!(3)));
    client.github.advance(Duration::from_secs(3600));
    client.github.set_limits(Limits::default());
    assert_eq!(client.get(WEB).await.status, 401, "the token's hour is over too");
}

#[tokio::test]
async fn requests_are_recorded_with_route_caller_and_bodies() {
    let client = Client::with_pull().await;
    client.github.forget_requests();
    client.post("/repositories/123456789/issues/1/comments?x=1", json!({"body": "x"})).await;
    client.get("/api/v3/nothing").await;
    let [comment, nothing] = &client.github.requests()[..] else { panic!("two requests") };
    assert_eq!((comment.method.as_str(), comment.route.as_str(), comment.status), ("POST", OF_PULL_ROUTE, 201));
    assert_eq!((comment.path.as_str(), comment.query.as_str()), ("/repositories/123456789/issues/1/comments", "x=1"));
    assert_eq!(
        (comment.caller.as_str(), &comment.request["body"], &comment.answer["body"]),
        ("installation", &json!("x"), &json!("x"))
    );
    assert_eq!((nothing.route.as_str(), nothing.status), ("", 404));
}

#[tokio::test]
async fn request_without_a_user_agent_is_refused() {
    let client = Client::start().await;
    let request = Request::get(format!("{}/meta", client.github.url())).body(Body::empty()).unwrap();
    assert_eq!(Answer::new(client::send(request).await.unwrap()).status, 403);
}

#[tokio::test]
async fn stopped_server_comes_back_with_what_it_held() {
    let mut client = Client::with_pull().await;
    client.github.stop();
    let request = Request::get(format!("{}/meta", client.github.url())).body(Body::empty()).unwrap();
    assert!(client::send(request).await.is_err());
    client.github.start_again().unwrap();
    assert_eq!(client.get("/repos/acme/web/pulls/1").await.status, 200);
}
