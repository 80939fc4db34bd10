//! Decisions about webhooks, by small payloads with the fields that decide.

use berth_manifests::app::GithubSettings;
use serde_json::{Value, json};

use super::*;

const REPOSITORY: u64 = 123_456_789;

fn app(name: &str) -> AppFacts {
    let github = GithubSettings {
        repository_id: REPOSITORY,
        comment: true,
        commands: true,
        drafts: false,
        label: Some("preview".to_owned()),
        skip_label: Some("no-preview".to_owned()),
    };
    AppFacts {
        name: name.to_owned(),
        github: Some(github),
        has_previews: true,
        production: None,
        job_variables: [].into(),
    }
}

fn pull_request(action: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut event = json!({
        "action": action,
        "pull_request": {
            "number": 123, "state": "open", "draft": false, "locked": false, "user": {"login": "octocat", "type": "User"},
            "head": {"sha": "a".repeat(40), "repo": {"id": REPOSITORY}}, "base": {"repo": {"id": REPOSITORY}},
            "labels": [{"name": "preview"}], "updated_at": "2026-11-28T07:15:00Z",
        },
        "repository": {"id": REPOSITORY},
    });
    change(&mut event);
    event
}

fn decided(event: &str, payload: &Value, apps: &[AppFacts]) -> Decision {
    decide(event, payload.to_string().as_bytes(), apps)
}

/// The messages of a decision: id of the workflow, signal, whether it starts.
fn messages(decision: &Decision) -> Vec<(String, &'static str, bool)> {
    let Decision::Send(messages) = decision else { return Vec::new() };
    let described = |message: &Outgoing| match message.signal {
        Signal::PullRequest { starts, .. } => (message.input.workflow_id(), "pull_request", starts),
        Signal::Command(_) => (message.input.workflow_id(), "command", false),
        Signal::Redeploy(_) => (message.input.workflow_id(), "redeploy", false),
    };
    messages.iter().map(described).collect()
}

fn payload(decision: Decision) -> Value {
    let Decision::Send(mut messages) = decision else { panic!("{decision:?}") };
    let payload = match messages.remove(0).signal {
        Signal::PullRequest { facts, .. } => serde_json::to_value(facts),
        Signal::Command(command) => serde_json::to_value(command),
        Signal::Redeploy(redeploy) => serde_json::to_value(redeploy),
    };
    payload.unwrap()
}

#[test]
fn pull_request_becomes_facts() {
    let opened = decided("pull_request", &pull_request("opened", |_| {}), &[app("web")]);
    assert_eq!(messages(&opened), [("preview-web-123".to_owned(), "pull_request", true)]);
    let facts = json!({
        "head": "a".repeat(40), "state": "open", "labels": ["preview"], "author": "octocat",
        "updated_at": "2026-11-28T07:15:00Z",
    });
    assert_eq!(payload(opened), facts);
}

#[test]
fn only_three_actions_may_start_an_environment() {
    for (action, expected) in [
        ("opened", Some(true)),
        ("reopened", Some(true)),
        ("ready_for_review", Some(true)),
        ("synchronize", Some(false)),
        ("closed", Some(false)),
        ("converted_to_draft", Some(false)),
        ("locked", Some(false)),
        ("unlocked", Some(false)),
        ("edited", None),
        ("assigned", None),
        ("review_requested", None),
        ("auto_merge_enabled", None),
        ("an_action_of_next_year", None),
    ] {
        let decision = decided("pull_request", &pull_request(action, |_| {}), &[app("web")]);
        assert_eq!(messages(&decision).first().map(|(_, _, starts)| *starts), expected, "{action}: {decision:?}");
    }
}

#[test]
fn label_changes_a_fact_only_if_the_app_file_names_it() {
    for (label, expected) in [("preview", 1), ("no-preview", 1), ("bug", 0)] {
        for action in ["labeled", "unlabeled"] {
            let event = pull_request(action, |event| event["label"] = json!({ "name": label }));
            assert_eq!(messages(&decided("pull_request", &event, &[app("web")])).len(), expected, "{action} {label}");
        }
    }
}

#[test]
fn commit_of_another_repository_is_a_forks() {
    for (repo, fork) in [(json!({"id": REPOSITORY}), false), (json!({"id": 1}), true), (Value::Null, true)] {
        let event = pull_request("synchronize", |event| event["pull_request"]["head"]["repo"] = repo.clone());
        assert_eq!(payload(decided("pull_request", &event, &[app("web")]))["fork"] == true, fork, "{repo}");
    }
}

#[test]
fn each_app_of_the_repository_gets_the_facts() {
    let other = AppFacts { github: None, ..app("shop") };
    let production = AppFacts { has_previews: false, ..app("site") };
    let apps = [app("api"), other, app("web"), production];
    let decision = decided("pull_request", &pull_request("opened", |_| {}), &apps);
    let ids: Vec<_> = messages(&decision).into_iter().map(|(id, ..)| id).collect();
    assert_eq!(ids, ["preview-api-123", "preview-web-123"]);
    let foreign = pull_request("opened", |event| event["repository"]["id"] = json!(1));
    assert_eq!(messages(&decided("pull_request", &foreign, &apps)), []);
}

#[test]
fn payload_without_its_fields_is_unreadable() {
    let changes: [fn(&mut Value); 6] = [
        |event| event["pull_request"]["head"]["sha"] = json!("abc; rm -rf /"),
        |event| event["pull_request"]["head"]["sha"] = json!("abcdef1"),
        |event| event["pull_request"]["state"] = json!("merged"),
        |event| event["pull_request"]["updated_at"] = json!("yesterday"),
        |event| event["pull_request"]["user"]["login"] = json!("octo\u{1b}cat"),
        |event| event["pull_request"] = Value::Null,
    ];
    for change in changes {
        let event = pull_request("opened", change);
        let decision = decided("pull_request", &event, &[app("web")]);
        assert!(matches!(decision, Decision::Unreadable(_)), "{event} {decision:?}");
    }
    for event in ["pull_request", "issue_comment", "check_run", "check_suite"] {
        assert!(matches!(decide(event, b"not JSON", &[]), Decision::Unreadable(_)), "{event}");
    }
}

fn comment(body: &str) -> Value {
    json!({
        "action": "created", "issue": {"number": 123, "pull_request": {"url": "…"}}, "repository": {"id": REPOSITORY},
        "comment": {"id": 99, "body": body, "author_association": "COLLABORATOR"}, "sender": {"login": "octocat", "type": "User"},
    })
}

#[test]
fn command_carries_the_comments_id_alone() {
    let decision = decided("issue_comment", &comment("/berth redeploy"), &[app("web")]);
    assert_eq!(messages(&decision), [("preview-web-123".to_owned(), "command", false)]);
    assert_eq!(payload(decision), json!({"comment": 99}));
}

#[test]
fn command_that_names_an_app_goes_to_it() {
    let apps = [app("api"), app("web")];
    let named = decided("issue_comment", &comment("/berth web redeploy"), &apps);
    assert_eq!(messages(&named), [("preview-web-123".to_owned(), "command", false)]);
    assert_eq!(payload(named), json!({"comment": 99, "app": "web"}));
    for to_both in ["/berth status", "/berth frobnicate", "/berth approve 1234567", "/berth status\n/berth redeploy"] {
        assert_eq!(messages(&decided("issue_comment", &comment(to_both), &apps)).len(), 2, "{to_both}");
    }
    assert_eq!(messages(&decided("issue_comment", &comment("/berth shop status"), &apps)), []);
}

#[test]
fn comment_that_is_no_command_reaches_no_workflow() {
    let changed = |change: fn(&mut Value)| {
        let mut event = comment("/berth redeploy");
        change(&mut event);
        event
    };
    let silent =
        AppFacts { github: app("web").github.map(|github| GithubSettings { commands: false, ..github }), ..app("web") };
    for (event, apps) in [
        (comment("looks good"), app("web")),
        (comment("> /berth redeploy"), app("web")),
        (changed(|event| event["action"] = json!("edited")), app("web")),
        (changed(|event| event["issue"]["pull_request"] = Value::Null), app("web")),
        (changed(|event| event["comment"]["body"] = Value::Null), app("web")),
        (changed(|event| event["sender"]["type"] = json!("Bot")), app("web")),
        (comment("/berth redeploy"), silent),
    ] {
        assert!(matches!(decided("issue_comment", &event, &[apps]), Decision::Nothing(_)), "{event}");
    }
}

#[test]
fn stranger_of_a_public_repository_gives_no_commands() {
    let reaches = |association: Value, private: Value| {
        let mut event = comment("/berth redeploy");
        event["comment"]["author_association"] = association;
        event["repository"]["private"] = private;
        !messages(&decided("issue_comment", &event, &[app("web")])).is_empty()
    };
    for (association, expected) in [
        ("OWNER", true),
        ("MEMBER", true),
        ("COLLABORATOR", true),
        // A member of the organisation whose membership is private.
        ("CONTRIBUTOR", true),
        ("FIRST_TIME_CONTRIBUTOR", false),
        ("FIRST_TIMER", false),
        ("MANNEQUIN", false),
        ("NONE", false),
        ("member", false),
        ("", false),
    ] {
        assert_eq!(reaches(json!(association), json!(false)), expected, "{association}");
        assert!(reaches(json!(association), json!(true)), "a private repository has no strangers: {association}");
    }
    let mut event = comment("/berth redeploy");
    event["comment"].as_object_mut().unwrap().remove("author_association");
    assert_eq!(messages(&decided("issue_comment", &event, &[app("web")])), []);
}

#[test]
fn repository_without_a_known_app_is_told_from_one_without_a_preview() {
    let production = AppFacts { has_previews: false, ..app("web") };
    let mut foreign = comment("/berth redeploy");
    foreign["repository"]["id"] = json!(1);
    for (event, apps, expected) in [
        (&foreign, app("web"), true),
        (&comment("/berth redeploy"), AppFacts { github: None, ..app("web") }, true),
        (&comment("/berth redeploy"), production, false),
        (&comment("/berth shop redeploy"), app("web"), false),
    ] {
        assert_eq!(decided("issue_comment", event, &[apps]) == Decision::NoApp, expected, "{event}");
    }
}

fn check_run(external_id: Value) -> Value {
    json!({
        "action": "rerequested", "check_run": {"external_id": external_id}, "repository": {"id": REPOSITORY},
        "sender": {"login": "octocat", "type": "User"},
    })
}

#[test]
fn check_run_asked_for_again_redeploys_its_environment() {
    let decision = decided("check_run", &check_run(json!("preview-web-123")), &[app("api"), app("web")]);
    assert_eq!(messages(&decision), [("preview-web-123".to_owned(), "redeploy", false)]);
    assert_eq!(payload(decision), json!({"by": "octocat"}));
    for foreign in ["", "preview-shop-123", "preview-web-0123", "preview-web-+1", "preview-web-x", "production-web"] {
        assert_eq!(messages(&decided("check_run", &check_run(json!(foreign)), &[app("web")])), [], "{foreign}");
    }
    assert_eq!(messages(&decided("check_run", &check_run(Value::Null), &[app("web")])), []);
}

#[test]
fn check_suite_asked_for_again_redeploys_its_pull_requests() {
    let listed = |number: u64, repository: u64| json!({"number": number, "base": {"repo": {"id": repository}}});
    let pull_requests = json!([listed(7, REPOSITORY), listed(8, REPOSITORY), listed(9, 1)]);
    let mut event = json!({
        "action": "rerequested", "check_suite": { "pull_requests": pull_requests },
        "repository": {"id": REPOSITORY}, "sender": {"login": "octocat", "type": "User"},
    });
    let decision = decided("check_suite", &event, &[app("web")]);
    let ids: Vec<_> = messages(&decision).into_iter().map(|(id, ..)| id).collect();
    assert_eq!(ids, ["preview-web-7", "preview-web-8"]);
    event["action"] = json!("completed");
    assert_eq!(messages(&decided("check_suite", &event, &[app("web")])), []);
}

#[test]
fn other_events_change_nothing() {
    for event in ["ping", "push", "workflow_run", "an_event_of_next_year", ""] {
        assert!(matches!(decide(event, b"{}", &[app("web")]), Decision::Nothing(_)), "{event}");
    }
}
