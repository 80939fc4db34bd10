//! The answers to tokens of every kind, as tables.

use berth_lab::github::{Forgery, GithubServer};
use berth_test_support::{
    PUBLIC_URL,
    preview::{Does, Preview, preview, push},
    production::{Production, production},
};
use berth_workflows::contract::signals::Push;
use serde_json::{Value, json};

use crate::{
    claims::{changed, now, of_pull_request, of_release},
    history::messages,
    process::{Hooks, Reply},
    table::Table,
};

/// The requests of a preview's job, and of a job of production.
const PREVIEW: [&str; 3] = ["deploy", "close", "read"];
const PRODUCTION: [&str; 7] = ["release", "approve", "reject", "rollback", "freeze", "unfreeze", "read"];

/// A process, GitHub, and the table of what the process has answered.
struct Site {
    hooks: Hooks,
    github: GithubServer,
    path: &'static str,
    requests: &'static [&'static str],
    table: Table,
}

impl Site {
    async fn send(&self, request: &str, token: &str) -> Reply {
        let Push { commit, image, .. } = push('a');
        let body = json!({ "commit": commit, "image": image }).to_string();
        match request {
            "read" => self.hooks.get(self.path, token).await,
            "close" => self.hooks.post(&format!("{}/close", self.path), token, "").await,
            action => self.hooks.post(&format!("{}/{action}", self.path), token, &body).await,
        }
    }

    async fn admit(&mut self, sent: &str, request: &str, claims: &Value, outcome: &str) {
        let reply = self.send(request, &self.github.sign(claims).unwrap()).await;
        self.table.add(sent, request, &reply, (200, outcome));
    }

    /// Sends a token with each request, and holds that all are refused for this reason.
    async fn refuse_token(&mut self, sent: &str, token: &str, (status, why): (u16, &str)) {
        let mut last = None;
        for request in self.requests {
            let reply = self.send(request, token).await;
            let reason = reply.json["reason"].as_str().unwrap_or_default();
            assert!(reply.status == status && reason.contains(why), "{request} with {sent}: {reply:?}");
            last = Some(reply);
        }
        self.table.add(sent, "each", &last.unwrap(), (status, "refused"));
    }

    async fn refuse(&mut self, claims: &Value, changes: &[(&str, Value)], expected: (u16, &str)) {
        let sent: Vec<_> = changes.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let token = self.github.sign(&changed(claims, changes)).unwrap();
        self.refuse_token(&sent.join(", "), &token, expected).await;
    }

    /// Tokens that hold for nobody, whatever their claims allow.
    async fn refuse_those_that_do_not_hold(&mut self, claims: &Value) {
        for (name, value, why) in [
            ("exp", json!(now() - 61), "has expired"),
            ("exp", Value::Null, "lacks a claim"),
            ("nbf", json!(now() + 120), "is not valid yet"),
            ("aud", json!("https://other.example.com"), "another audience"),
            ("aud", Value::Null, "not a token of a GitHub job"),
            ("aud", json!([PUBLIC_URL, "https://other.example.com"]), "not a token of a GitHub job"),
            ("iss", json!("https://issuer.example.com"), "another issuer"),
            ("repository_id", Value::Null, "not a token of a GitHub job"),
        ] {
            self.refuse(claims, &[(name, value)], (401, why)).await;
        }
    }

    /// Tokens that the issuer did not sign as they are.
    async fn refuse_forged_ones(&mut self, claims: &Value) {
        for forgery in Forgery::ALL {
            let token = self.github.forge(claims, forgery).unwrap();
            self.refuse_token(&format!("forged: {forgery:?}"), &token, (401, "")).await;
        }
        for header in [json!({"alg": "RS512"}), json!({"kid": null}), json!({"kid": "another-key"})] {
            let token = self.github.sign_with(&header, claims).unwrap();
            self.refuse_token(&format!("header: {header}"), &token, (401, "")).await;
        }
        let altered = self.github.sign(claims).unwrap().replacen('.', ".e30", 1);
        for (sent, token) in [
            ("altered claims", altered),
            ("no token", String::new()),
            ("not a token", "not a token".to_owned()),
            ("a.b.c", "a.b.c".to_owned()),
            ("10,000 times x", "x".repeat(10_000)),
        ] {
            self.refuse_token(sent, &token, (401, "")).await;
        }
    }
}

#[tokio::test]
async fn tokens_of_previews_are_answered_as_the_table_says() {
    preview("tokens", async |t: Preview| {
        let github = GithubServer::start().unwrap();
        let hooks = Hooks::start("previews", "tokens", &t.address, &t.task_queue, &github).await;
        let claims = of_pull_request(&github);
        let table = Table::new("tokens at /v1/previews/tokens/1");
        let mut site = Site { hooks, github, path: "/v1/previews/tokens/1", requests: &PREVIEW, table };
        site.refuse_those_that_do_not_hold(&claims).await;
        site.refuse_forged_ones(&claims).await;
        refuse_jobs_of_others(&mut site, &claims).await;
        assert_eq!(site.hooks.get_without_token(site.path).await.status, 401);
        assert_eq!(messages(&t.client, &t.input.workflow_id()).await, [], "nothing of it has reached a workflow");
        take_jobs_of_the_pull_request(&mut site, &claims, &t).await;
        site.table.print();
    })
    .await;
}

/// Tokens that hold, of jobs that are not for this pull request.
async fn refuse_jobs_of_others(site: &mut Site, claims: &Value) {
    site.refuse(claims, &[("repository_id", json!("1"))], (403, "the job is of repository 1")).await;
    for (reference, base) in [
        ("refs/pull/2/merge", "main"),
        ("refs/pull/01/merge", "main"),
        ("refs/pull/1/head", "main"),
        ("refs/heads/feature", "main"),
        ("refs/heads/main", "release"),
    ] {
        let changes = [("ref", json!(reference)), ("base_ref", json!(base))];
        site.refuse(claims, &changes, (403, "not for pull request 1")).await;
    }
    for event in ["pull_request_target", "workflow_run", "issue_comment", "push", "workflow_dispatch", "schedule", ""] {
        site.refuse(claims, &[("event_name", json!(event))], (403, "not of")).await;
    }
}

async fn take_jobs_of_the_pull_request(site: &mut Site, claims: &Value, t: &Preview) {
    let merged = changed(claims, &[("ref", json!("refs/heads/main"))]);
    let closed_run = "run of `closed` after a merge: ref: \"refs/heads/main\"";
    site.admit("a job of the pull request", "read", claims, "not_found").await;
    site.admit(closed_run, "close", &merged, "not_found").await;
    // Both clocks may differ by a minute.
    let expired = changed(claims, &[("exp", json!(now() - 30))]);
    site.admit("expired 30 s ago", "read", &expired, "not_found").await;
    let early = changed(claims, &[("nbf", json!(now() + 30))]);
    site.admit("valid in 30 s", "read", &early, "not_found").await;
    t.world.next("await_rollout", Does::HangUntilFreed);
    site.admit("a job of the pull request", "deploy", claims, "sent").await;
    t.world.free();
    let live = site.hooks.get(&format!("{}?wait=25s", site.path), &site.github.sign(claims).unwrap()).await;
    site.table.add("a job of the pull request", "read", &live, (200, "live"));
    let reply = site.send("deploy", &site.github.sign(&merged).unwrap()).await;
    site.table.add(closed_run, "deploy", &reply, (403, "refused"));
    site.admit(closed_run, "read", &merged, "live").await;
    site.admit(closed_run, "close", &merged, "sent").await;
    site.admit("run of `closed` without a merge: its own ref", "close", claims, "closing").await;
}

#[tokio::test]
async fn tokens_of_production_are_answered_as_the_table_says() {
    production("prod-tokens", async |t: Production| {
        let github = GithubServer::start().unwrap();
        let hooks = Hooks::start("production", "prod-tokens", &t.address, &t.task_queue, &github).await;
        let claims = of_release(&github);
        let table = Table::new("tokens at /v1/production/prod-tokens");
        let mut site = Site { hooks, github, path: "/v1/production/prod-tokens", requests: &PRODUCTION, table };
        site.refuse_those_that_do_not_hold(&claims).await;
        site.refuse_forged_ones(&claims).await;
        for (name, value, why) in [
            ("repository_id", json!("1"), "the job is of repository 1"),
            ("ref", json!("refs/heads/feature"), "jobs of the branch main"),
            ("ref", json!("refs/tags/main"), "jobs of the branch main"),
            ("environment", json!("staging"), "`environment: production`"),
            ("environment", Value::Null, "`environment: production`"),
            ("event_name", json!("pull_request"), "not of"),
            ("event_name", json!("pull_request_target"), "not of"),
            ("event_name", json!("workflow_run"), "not of"),
            ("event_name", json!("issue_comment"), "not of"),
            ("event_name", json!("schedule"), "not of"),
        ] {
            site.refuse(&claims, &[(name, value)], (403, why)).await;
        }
        assert_eq!(messages(&t.client, &t.input.workflow_id()).await, [], "nothing of it has reached a workflow");
        let dispatched = changed(&claims, &[("event_name", json!("workflow_dispatch"))]);
        site.admit("event_name: \"workflow_dispatch\"", "read", &dispatched, "awaiting_release").await;
        site.admit("event_name: \"push\"", "read", &claims, "awaiting_release").await;
        let token = site.github.sign(&claims).unwrap();
        let none = site.hooks.post(&format!("{}/redeploy", site.path), &token, "").await;
        site.table.add("event_name: \"push\"", "redeploy", &none, (404, "refused"));
        site.table.print();
    })
    .await;
}
