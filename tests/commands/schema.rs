//! The printed JSON Schemas: an editor and berth agree on app files.

use std::process::Command;

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::BERTH;

const EXAMPLE: &str = include_str!("../../manifests/example/web.yaml");
const README: &str = include_str!("../../manifests/README.md");

fn schema(of: &[&str]) -> Value {
    let output = Command::new(BERTH).arg("schema").args(of).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn validator(of: &[&str]) -> Validator {
    jsonschema::validator_for(&schema(of)).unwrap()
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

/// True if berth takes a folder with this app, apart from its manifests.
fn is_taken(app: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("web.yaml"), app).unwrap();
    berth_manifests::app::load_apps(folder.path()).is_ok()
}

#[test]
fn the_example_and_the_readme_block_are_valid() {
    let validator = validator(&[]);
    assert!(README.contains("# yaml-language-server: $schema="), "how an editor finds the schema");
    let readme = README.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let pull_secret =
        EXAMPLE.replacen("app: web\n", "app: web\nimage_pull_secret: { secret: web-regcred, as: regcred }\n", 1);
    for text in [EXAMPLE, readme, &pull_secret] {
        let errors: Vec<_> = validator.iter_errors(&yaml(text)).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}\n{text}");
        assert!(is_taken(text), "{text}");
    }
}

#[test]
fn app_that_breaks_a_rule_is_invalid_in_schema_and_berth() {
    let validator = validator(&["app"]);
    for (from, to) in [
        ("app: web", "app: Web"),
        ("app: web", "app: a234567890123456789012345678901"),
        ("app: web\n", ""),
        ("repository: acme/flask-react", "repository: flask-react"),
        ("[registry.example.com/acme/web]", "[]"),
        ("app: web\n", "app: web\nimage_pull_secret: Regcred\n"),
        ("app: web\n", "app: web\nimage_pull_secret: { secret: regcred }\n"),
        ("app: web\n", "app: web\nimage_pull_secret: { secret: Regcred, as: regcred }\n"),
        ("app: web\n", "app: web\nimage_pull_secret: { secret: web, as: regcred, type: x }\n"),
        ("registry.example.com/acme/web", "registry.example.com/acme/web:v1"),
        ("manifests: ./web", "manifests: ../web"),
        ("manifests: ./web", "manifests: /web"),
        ("manifests: ./web", "manifest: ./web"),
        ("config: preview,", "config: ../x,"),
        ("secret: doppler-web-preview-token", "secret: Doppler_Token"),
        ("namespace: pr-{pr}", "namespace: pr"),
        ("memory: 2Gi", "memory: 2GiB"),
        ("pods: 10", "pods: 0"),
        ("port: 8080", "port: 0"),
        ("port: 8080", "port: 80800"),
        ("path: /api/health", "path: api"),
        ("status: 200", "status: 20"),
        ("      http: {", "      temporal_server: {}\n      http: {"),
        ("http: {", "temporal_poller: {}\n      #"),
        ("http: {", "http: { host: x,"),
        ("http: {", "http: { through: ingress,"),
        ("http: {", "http: { through: service,"),
        ("port: 8080,", ""),
        ("namespace: pr-{pr}", "expire_after: 72\n  namespace: pr-{pr}"),
        ("namespace: pr-{pr}", "max_live: 0\n  namespace: pr-{pr}"),
        ("namespace: web-production", "approval: maybe\n  namespace: web-production"),
        ("namespace: web-production", "keep_releases: 0\n  namespace: web-production"),
        ("namespace: web-production", "keep_releases: 101\n  namespace: web-production"),
        ("namespace: web-production", "isolation: { egress: none }\n  namespace: web-production"),
        ("namespace: pr-{pr}", "cron_jobs: never\n  namespace: pr-{pr}"),
        ("repository_id: 123456789", "repository_id: 0"),
        ("repository_id: 123456789", "repository_id: 1, label: ''"),
        ("repository_id: 123456789", "comment: true"),
        ("namespace: web-production", "branch: ''\n  namespace: web-production"),
        ("app: web\n", "app: web\nnamed_images: { worker: acme/worker }\n"),
        ("app: web\n", "app: web\nnamed_images: { KUBE_WORKER: acme/worker }\n"),
        ("app: web\n", "app: web\nnamed_images: { WORKER: 'acme/worker:v1' }\n"),
        ("app: web\n", "app: web\npush_variables: { flags: { example: a } }\n"),
        ("app: web\n", "app: web\npush_variables: { GITHUB_TOKEN: { example: a } }\n"),
        ("app: web\n", "app: web\npush_variables: { FLAGS: {} }\n"),
        ("app: web\n", "app: web\npush_variables: { FLAGS: { example: 'a b' } }\n"),
        ("namespace: web-production", "approvers: all\n  namespace: web-production"),
    ] {
        assert!(EXAMPLE.contains(from), "{from}");
        let text = EXAMPLE.replacen(from, to, 1);
        assert!(!validator.is_valid(&yaml(&text)), "the schema should refuse {to}");
        assert!(!is_taken(&text), "berth should refuse {to}");
    }
}

#[test]
fn gate_through_the_ingress_is_valid_in_schema_and_berth() {
    let validator = validator(&["app"]);
    let (begin, end) = EXAMPLE.split_once("http: {").unwrap();
    let end = end.split_once('}').unwrap().1;
    for fields in
        ["through: ingress, path: /", "through: ingress, host: $KUBE_INGRESS_HOSTNAME, path: /x, status: 204, body: ok"]
    {
        let text = format!("{begin}http: {{ {fields} }}{end}");
        assert!(validator.is_valid(&yaml(&text)) && is_taken(&text), "{text}");
    }
}

#[test]
fn an_editor_shows_what_each_field_means() {
    let schema = schema(&["app"]);
    let app = &schema["properties"]["app"];
    assert!(app["description"].as_str().unwrap().contains("DNS label of at most 30 characters"), "{app}");
    assert_eq!((&schema["additionalProperties"], &app["maxLength"]), (&json!(false), &json!(30)));
    let without: Vec<_> = fields(&schema).into_iter().filter(|(_, field)| field.get("description").is_none()).collect();
    assert!(without.is_empty(), "fields without a description: {without:?}");
}

/// Every field of every type of a schema.
fn fields(schema: &Value) -> Vec<(String, &Value)> {
    let definitions = schema["definitions"].as_object().into_iter().flatten().map(|(_, definition)| definition);
    let types = std::iter::once(schema).chain(definitions);
    let fields = types.flat_map(|definition| definition["properties"].as_object().into_iter().flatten());
    fields.map(|(name, field)| (name.clone(), field)).collect()
}

#[test]
fn messages_over_temporal_have_schemas_too() {
    let digest = "a".repeat(64);
    let push =
        json!({"commit": "4f2a9c1", "image": format!("acme/web@sha256:{digest}"), "sequence": 7, "author": "octocat"});
    assert!(validator(&["push"]).is_valid(&push));
    let mut whole = push.clone();
    whole["images"] = json!({"WORKER": format!("acme/worker@sha256:{digest}")});
    whole["variables"] = json!({"FLAGS": "a,b", "EMPTY": ""});
    assert!(validator(&["push"]).is_valid(&whole));
    for (field, wrong) in [
        ("commit", json!("$(touch x)")),
        ("image", json!("acme/web:latest")),
        ("sequence", json!(-1)),
        ("author", json!("a".repeat(300))),
        ("fork", json!("yes")),
        ("colour", json!("red")),
        ("images", json!({"WORKER": "acme/worker:latest"})),
        ("images", json!({"worker": format!("acme/worker@sha256:{digest}")})),
        ("variables", json!({"FLAGS": "a b"})),
        ("variables", json!({"flags": "a"})),
        ("variables", json!({"FLAGS": 1})),
    ] {
        let mut push = push.clone();
        push[field] = wrong;
        assert!(!validator(&["push"]).is_valid(&push), "{push}");
    }
    let pull_request = validator(&["pull-request"]);
    assert!(pull_request.is_valid(&json!({"app": "web", "pr": 123})));
    for wrong in [
        json!({"app": "web", "pr": "123"}),
        json!({"app": "web", "pr": 0}),
        json!({"app": "web", "pr": 1, "carried": {}}),
    ] {
        assert!(!pull_request.is_valid(&wrong), "{wrong}");
    }
    assert!(validator(&["close"]).is_valid(&json!({})));
    assert!(validator(&["close-answer"]).is_valid(&json!({"outcome": "skipped", "seen": 9, "reason": "older"})));
    assert!(!validator(&["redeploy"]).is_valid(&json!({"commit": "4f2a9c1"})));
    assert_eq!(schema(&["deploy-answer"])["type"], "object");
    assert!(schema(&["status"])["properties"]["phase"].is_object());
    assert!(validator(&["approve"]).is_valid(&json!({"commit": "4f2a9c1", "by": "octocat"})));
    for (script, valid) in [
        (json!({"name": "send-appointment-reminder", "args": ["--dry-run"]}), true),
        (json!({"name": "a b"}), false),
        (json!({"name": "x", "args": vec!["a"; 21]}), false),
        (json!({"name": "x", "args": ["a".repeat(256)]}), false),
        (json!({"cron": "nightly"}), true),
        (json!({"cron": "nightly", "args": []}), true),
        (json!({"cron": "nightly", "args": ["x"]}), false),
        (json!({"cron": "nightly", "name": "x"}), false),
        (json!({"cron": "A b"}), false),
        (json!({}), false),
    ] {
        assert_eq!(validator(&["run-script"]).is_valid(&script), valid, "{script}");
    }
    assert!(schema(&["script-answer"])["properties"]["exit_code"].is_object());
}

#[test]
fn messages_of_production_have_schemas_too() {
    for (name, message, valid) in [
        ("production", json!({"app": "web"}), true),
        ("production", json!({"app": "web", "pr": 1}), false),
        ("approve-release", json!({"release": 7, "plan": "0123456789abcdef", "by": "octocat"}), true),
        ("approve-release", json!({"release": 7, "by": "octocat"}), false),
        ("reject-release", json!({"release": 7, "by": "octocat", "reason": "wait for Monday"}), true),
        ("rollback", json!({"to": 6, "by": "octocat", "secrets": "stored", "keep_going": true}), true),
        ("rollback", json!({"by": "octocat", "secrets": "new"}), false),
        ("freeze", json!({"reason": "incident 42", "by": "octocat"}), true),
        ("freeze", json!({"by": "octocat"}), false),
        ("unfreeze", json!({"by": "octocat"}), true),
    ] {
        assert_eq!(validator(&[name]).is_valid(&message), valid, "{name}: {message}");
    }
    assert!(schema(&["production-answer"])["properties"]["outcome"].is_object());
    assert!(schema(&["production-status"])["properties"]["queued"].is_object());
}
