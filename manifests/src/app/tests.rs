//! App files: valid ones, refused ones with their line, and conflicts between apps.

mod gates;
mod pushed;
mod temporal;
mod timings;

use std::{fs, path::Path};

use super::*;
use crate::render::{EnvironmentKind, Finding};

/// An app file with every field.
pub(super) const EXAMPLE: &str = r#"
app: web
repository: acme/flask-react
images: [registry.example.com/acme/web]
image_pull_secret: regcred
manifests: ./web
isolation: { pod_security: restricted, egress: internet }
cluster_kinds: [PriorityClass]
variables: { KUBE_NODE_POOL: staging-pool }
secrets:
  doppler:
    preview:    { project: web, config: preview,    token: { secret: doppler-web-preview-token } }
    production: { project: web, config: production, token: { secret: doppler-web-production-token } }
preview:
  namespace: pr-{pr}
  host: pr-{pr}.example.com
  temporal_ui_host: pr-{pr}-temporal.example.com
  database: { server: previews, mode: isolated }
  expire_after: 72h
  warn_before: 12h
  sleep_after: 4h
  quota: { cpu: "2", memory: 4Gi, pods: 20 }
  max_live: 30
  gates:
    - name: web
      http: { workload: $KUBE_APP-deployment, port: 8080, path: /health, body: ok }
      deadline: 90s
  scripts: { prefix: "npm run run:", allow: ["send-appointment-reminder"] }
  cron_jobs: run
production:
  namespace: web-production
  host: app.example.com
  temporal_ui_host: temporal.app.example.com
  approval: required
  keep_releases: 20
  isolation: { egress: listed }
  branch: trunk
  environment: live
  approvers: proved
github: { repository_id: 123456789, comment: false, commands: false, label: preview, skip_label: no-preview }
timings: { rollout: 20m, capacity: 1m, database: 30s, stability: 20s, longest: 2h }
wait_for_missing: 90s
"#;

const SMALLEST: &str = "app: api\nrepository: acme/api\nimages: [acme/api]\npreview: {host: 'api-{pr}.example.com'}\n";

fn parse(text: &str) -> App {
    folder::parse("web.yaml", text).unwrap().0
}

fn folder_with(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn findings(files: &[(&str, &str)]) -> Vec<String> {
    let folder = folder_with(files);
    load_apps(folder.path()).unwrap_err().iter().map(Finding::to_string).collect()
}

/// The findings about the example with one part replaced.
fn findings_with(from: &str, to: &str) -> Vec<String> {
    assert!(EXAMPLE.contains(from), "{from}");
    findings(&[("web.yaml", &EXAMPLE.replacen(from, to, 1))])
}

#[test]
fn example_with_every_field_is_loaded() {
    let folder =
        folder_with(&[("web.yaml", EXAMPLE), ("api.yml", SMALLEST), (".hidden.yaml", "x"), ("notes.txt", "x")]);
    let apps = load_apps(folder.path()).unwrap();
    assert_eq!(apps.iter().map(|app| app.app.as_str()).collect::<Vec<_>>(), ["api", "web"]);
    let web = &apps[1];
    assert_eq!(web.namespace_for(123).as_deref(), Some("pr-123"));
    assert_eq!(web.host_for(123).as_deref(), Some("pr-123.example.com"));
    assert_eq!(web.manifests_folder().unwrap(), folder.path().join("./web"));
    assert_eq!(web.manifests_label(), "web");
    assert_eq!(web.gates(EnvironmentKind::Preview)[0].deadline, Span::seconds(90));
    assert_eq!(web.production_environment().unwrap().namespace, "web-production");
    assert_eq!(web.pod_security(), PodSecurity::Restricted);
}

#[test]
fn omitted_fields_get_their_defaults() {
    let app = parse(SMALLEST);
    assert_eq!(app.namespace_for(7).as_deref(), Some("api-pr-7"));
    assert_eq!(app.pod_security(), PodSecurity::Restricted);
    assert_eq!(app.egress(), Egress::Internet);
    let preview = app.preview.as_ref().unwrap();
    assert_eq!((preview.quota.cpu.as_str(), preview.quota.memory.as_str(), preview.quota.pods), ("2", "4Gi", 20));
    assert_eq!((preview.expire_after, preview.max_live), (None, None));
    assert!(app.production_environment().is_none());
    let gate = "name: web\nhttp: {workload: web, port: 80, path: /}\n";
    let gate: Gate = serde_saphyr::from_str(gate).unwrap();
    assert_eq!((gate.deadline, gate.http.unwrap().status), (Span::seconds(60), 200));
}

#[test]
fn cron_jobs_are_suspended_only_in_previews_by_default() {
    let suspended = |app: &App| {
        let environments = [app.preview_environment(7), app.production_environment()];
        environments.map(|environment| app.policy(&environment.unwrap(), []).suspend_cron_jobs)
    };
    assert_eq!(suspended(&parse(&EXAMPLE.replacen("  cron_jobs: run\n", "", 1))), [true, false]);
    assert_eq!(suspended(&parse(EXAMPLE)), [false, false]);
}

#[test]
fn production_is_isolated_only_where_the_app_file_says_so() {
    let isolation = |isolation: &str, manifests: &str| {
        let text = EXAMPLE.replacen("  isolation: { egress: listed }\n", isolation, 1);
        parse(&text.replacen("manifests: ./web\n", manifests, 1)).production_isolation()
    };
    let own = "manifests: ./web\n";
    assert_eq!(isolation("", own), None);
    assert_eq!(isolation("  isolation: {}\n", own), Some((PodSecurity::Baseline, Egress::Internet)));
    assert_eq!(isolation("  isolation: {}\n", ""), Some((PodSecurity::Restricted, Egress::Internet)));
    let listed = "  isolation: { pod_security: restricted, egress: listed }\n";
    assert_eq!(isolation(listed, own), Some((PodSecurity::Restricted, Egress::Listed)));
    assert_eq!(parse(SMALLEST).production_isolation(), None);
}

#[test]
fn production_keeps_ten_releases_by_default() {
    let kept = |text: &str| parse(text).production.unwrap().keep_releases;
    assert_eq!((kept(EXAMPLE), kept(&EXAMPLE.replacen("  keep_releases: 20\n", "", 1))), (20, 10));
}

#[test]
fn github_and_production_have_defaults_for_their_jobs() {
    let text =
        format!("{SMALLEST}production: {{namespace: api, host: api.example.com}}\ngithub: {{repository_id: 7}}\n");
    let App { github, production, .. } = parse(&text);
    let (github, production) = (github.unwrap(), production.unwrap());
    assert_eq!((github.comment, github.commands, github.drafts), (true, true, false));
    assert_eq!((github.label, github.skip_label), (None, None));
    assert_eq!((&*production.branch, &*production.environment), ("main", "production"));
    assert_eq!(production.approvers, Approvers::Claimed);
    assert_eq!(parse(SMALLEST).github, None);
}

#[test]
fn label_of_berth_is_one_that_the_app_file_names() {
    let github = parse(EXAMPLE).github.unwrap();
    assert!(["preview", "Preview", "no-preview"].iter().all(|label| github.is_label_of_berth(label)));
    assert!(!["bug", "", "preview "].iter().any(|label| github.is_label_of_berth(label)));
}

#[test]
fn app_is_equal_after_a_json_round_trip() {
    let mut app = parse(EXAMPLE);
    let again: App = serde_json::from_value(serde_json::to_value(&app).unwrap()).unwrap();
    assert_eq!(again, app);
    let hash = app.content_hash(&crate::render::SourceFiles::default());
    app.images.push("acme/other".to_owned());
    assert_ne!(app.content_hash(&crate::render::SourceFiles::default()), hash);
}

#[test]
fn pull_secret_is_one_name_or_two() {
    let named = |text: &str| {
        let app = parse(&EXAMPLE.replace("image_pull_secret: regcred", &format!("image_pull_secret: {text}")));
        let again: App = serde_json::from_value(serde_json::to_value(&app).unwrap()).unwrap();
        assert_eq!(again, app);
        let PullSecret { secret, copy } = app.image_pull_secret.unwrap();
        (secret, copy)
    };
    assert_eq!(named("regcred"), ("regcred".into(), "regcred".into()));
    assert_eq!(named("{secret: web-regcred, as: regcred}"), ("web-regcred".into(), "regcred".into()));
}

#[test]
fn malformed_field_is_reported_with_its_line() {
    for (from, to, expected) in [
        ("image_pull_secret", "image_pul_secret", "web.yaml:5:1: unknown field `image_pul_secret`"),
        ("image_pull_secret: regcred", "image_pull_secret: {secret: a}", "web.yaml:5:21: missing field `as`"),
        (
            "image_pull_secret: regcred",
            "image_pull_secret: {secret: a, as: b, c: d}",
            "web.yaml:5:39: unknown field `c`",
        ),
        (
            "image_pull_secret: regcred",
            "image_pull_secret: [a]",
            "web.yaml:5:1: invalid type: sequence, expected the name of a Secret, or",
        ),
        ("72h", "72", "web.yaml:19:17: `72` is not a duration"),
        ("approval: required", "approval: maybe", "web.yaml:34:13: unknown variant `maybe`"),
        ("egress: listed", "egress: none", "web.yaml:36:24: unknown variant `none`"),
        ("approvers: proved", "approvers: all", "web.yaml:39:14: unknown variant `all`"),
        ("repository_id: 123456789, ", "", "web.yaml:40:60: missing field `repository_id`"),
        ("cron_jobs: run", "cron_jobs: never", "web.yaml:29:14: unknown variant `never`"),
        ("http:", "grpc:", "web.yaml:26:7: unknown field `grpc`"),
        ("images: [", "images: [[", "web.yaml:5:18: is not YAML"),
        ("app: web", "app: web\napp: api", "web.yaml:3: app: is there twice, also in line 2"),
    ] {
        let findings = findings_with(from, to);
        assert!(findings[0].starts_with(expected), "{findings:?}");
        assert_eq!(findings.len(), 1, "{findings:?}");
    }
}

#[test]
fn invalid_value_is_reported_with_its_line() {
    for (from, to, expected) in [
        ("app: web", "app: Web", "web.yaml:2: app: `Web` is not a DNS label"),
        ("app: web", "app: a2345678901234567890123456789012", "web.yaml:2: app:"),
        ("app: web", "app: web-pr-7", "web.yaml:2: app: `web-pr-7` is reserved: it could be confused with"),
        ("app: web", "app: web-1-rollout", "web.yaml:2: app:"),
        ("app: web", "app: berth", "web.yaml:2: app:"),
        ("acme/flask-react", "flask-react", "web.yaml:3: repository:"),
        ("acme/web]", "acme/web:v1]", "web.yaml:4: images[0]:"),
        ("image_pull_secret: regcred", "image_pull_secret: Regcred", "web.yaml:5: image_pull_secret: `Regcred`"),
        (
            "image_pull_secret: regcred",
            "image_pull_secret: {secret: A, as: b}",
            "web.yaml:5: image_pull_secret.secret: `A`",
        ),
        (
            "image_pull_secret: regcred",
            "image_pull_secret: {secret: a, as: B}",
            "web.yaml:5: image_pull_secret.as: `B`",
        ),
        ("[registry.example.com/acme/web]", "[]", "web.yaml:4: images: must name at least one"),
        ("./web", "../web", "web.yaml:6: manifests:"),
        ("./web", "/web", "web.yaml:6: manifests:"),
        ("[PriorityClass]", "[ClusterRole]", "web.yaml:8: cluster_kinds[0]: `ClusterRole` is not"),
        ("KUBE_NODE_POOL", "KUBE_NS", "web.yaml:9: variables.KUBE_NS: `KUBE_NS` is reserved"),
        ("KUBE_NODE_POOL", "NODE-POOL", "web.yaml:9: variables.NODE-POOL:"),
        ("config: preview,", "config: ../x,", "web.yaml:12: secrets.doppler.preview.config:"),
        ("namespace: pr-{pr}", "namespace: pr", "web.yaml:15: preview.namespace: must have `{pr}`"),
        ("namespace: pr-{pr}", "namespace: kube-{pr}", "web.yaml:15: preview.namespace:"),
        ("namespace: pr-{pr}", "namespace: pr-{number}", "web.yaml:15: preview.namespace:"),
        ("pr-{pr}.example.com", "pr-{pr}", "web.yaml:16: preview.host:"),
        (
            "pr-{pr}-temporal.example",
            "pr-{pr}.example",
            "web.yaml:17: preview.temporal_ui_host: conflicts with `preview.host`",
        ),
        ("12h", "72h", "web.yaml:20: preview.warn_before:"),
        ("4h", "73h", "web.yaml:21: preview.sleep_after: must be shorter than `expire_after`"),
        ("90s", "11m", "web.yaml:27: preview.gates[0].deadline: must be from 1s to 10m"),
        (
            "acme/web]",
            "acme/web, registry.example.com/acme/web]",
            "web.yaml:4: images[1]: `registry.example.com/acme/web` is listed twice",
        ),
        ("doppler-web-production-token", "doppler-web-preview-token", "web.yaml:13: secrets.doppler.production.token:"),
        ("4Gi", "4GiB", "web.yaml:22: preview.quota.memory:"),
        ("max_live: 30", "max_live: 0", "web.yaml:23: preview.max_live:"),
        ("path: /health", "path: health", "web.yaml:26: preview.gates[0].http.path:"),
        ("\"send-appointment-reminder\"", "\"a; rm -rf /\"", "web.yaml:28: preview.scripts.allow[0]:"),
        (
            "namespace: web-production",
            "namespace: pr-7",
            "web.yaml:31: production.namespace: conflicts with `preview.namespace`",
        ),
        ("namespace: web-production", "namespace: kube-system", "web.yaml:31: production.namespace:"),
        ("host: app.example.com", "host: pr-{pr}.example.org", "web.yaml:32: production.host:"),
        ("keep_releases: 20", "keep_releases: 0", "web.yaml:35: production.keep_releases: must be from 1 to 100"),
        ("keep_releases: 20", "keep_releases: 101", "web.yaml:35: production.keep_releases: must be from 1 to 100"),
        ("branch: trunk", "branch: ''", "web.yaml:37: production.branch: must be a name of 1 to 255 bytes"),
        (
            "branch: trunk",
            "branch: refs/heads/main",
            "web.yaml:37: production.branch: `refs/heads/main` is not the name",
        ),
        ("environment: live", "environment: ''", "web.yaml:38: production.environment: must be a name"),
        ("123456789", "0", "web.yaml:40: github.repository_id: must be the repository's id"),
        ("label: preview", "label: ''", "web.yaml:40: github.label: must be a label of 1 to 50 characters"),
        ("no-preview", "preview", "web.yaml:40: github.skip_label: is `label` too"),
    ] {
        let findings = findings_with(from, to);
        assert!(findings[0].starts_with(expected), "{expected}: {findings:?}");
        assert_eq!(findings.len(), 1, "{findings:?}");
    }
}

#[test]
fn every_error_of_every_app_file_is_reported_at_once() {
    let findings = findings(&[
        ("a.yaml", "app: A\nrepository: a\nimages: [acme/a]\n"),
        ("b.yaml", "nonsense"),
        ("c.yaml", ""),
        ("d.yaml", "a: 1\n---\nb: 1\n"),
    ]);
    assert_eq!(findings.len(), 6, "{findings:#?}");
}

#[test]
fn apps_with_conflicting_names_are_both_refused() {
    let other = |namespace: &str, host: &str| {
        format!(
            "app: api\nrepository: acme/api\nimages: [acme/api]\npreview:\n  namespace: '{namespace}'\n  host: '{host}'\n"
        )
    };
    assert!(
        load_apps(
            folder_with(&[("web.yaml", EXAMPLE), ("api.yaml", &other("api-{pr}", "api-{pr}.example.com"))]).path()
        )
        .is_ok()
    );
    for (namespace, host, field) in [
        ("pr-{pr}", "api-{pr}.example.com", "preview.namespace"),
        ("pr-1{pr}", "api-{pr}.example.com", "preview.namespace"),
        ("api-{pr}", "pr-{pr}.example.com", "preview.host"),
        ("api-{pr}", "pr-{pr}-temporal.example.com", "preview.host"),
    ] {
        let findings = findings(&[("web.yaml", EXAMPLE), ("api.yaml", &other(namespace, host))]);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings[0].contains(&format!("{field}: conflicts with")), "{findings:?}");
    }
    let findings = findings(&[("a.yaml", SMALLEST), ("b.yaml", SMALLEST)]);
    assert!(findings[0].starts_with("a.yaml:1: app: conflicts with `app` of `api` (b.yaml)"), "{findings:?}");
}

#[test]
fn invalid_app_file_does_not_stop_other_apps() {
    let folder = folder_with(&[("web.yaml", EXAMPLE), ("api.yaml", "nonsense")]);
    let AppFolder { apps, findings, .. } = read_apps(folder.path());
    assert_eq!((apps.len(), findings.len()), (1, 1));
}

#[test]
fn folder_without_apps_is_an_error() {
    assert_eq!(findings(&[]).len(), 1);
    assert_eq!(load_apps(Path::new("/nonexistent/apps")).unwrap_err().len(), 1);
}

#[test]
fn variables_of_an_environment_win_over_those_of_the_app() {
    let own = "  variables: { KUBE_NODE_POOL: previews, LEVEL: debug }\nproduction:\n  variables: { REGION: eu }\n";
    let app = parse(&EXAMPLE.replace("production:\n", own).replacen(
        "KUBE_NODE_POOL: staging-pool",
        "KUBE_NODE_POOL: shared, LEVEL: info",
        1,
    ));
    let of = |names: EnvironmentNames| {
        let extra = app.variable_input(&names).extra.into_iter();
        extra.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
    };
    assert_eq!(of(app.preview_environment(1).unwrap()), ["KUBE_NODE_POOL=previews", "LEVEL=debug"]);
    let production = of(app.production_environment().unwrap());
    assert_eq!(production, ["KUBE_NODE_POOL=shared", "LEVEL=info", "REGION=eu"]);
}

#[test]
fn variable_of_an_environment_follows_the_rules_of_all_variables() {
    for environment in ["preview", "production"] {
        let text = EXAMPLE
            .replace(&format!("{environment}:\n  "), &format!("{environment}:\n  variables: {{ KUBE_NS: mine }}\n  "));
        let found = findings(&[("web.yaml", &text)]);
        assert!(found.len() == 1 && found[0].contains("KUBE_NS"), "{environment}: {found:?}");
    }
}

#[test]
fn policy_knows_the_names_of_every_app_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let other = "app: shop\nrepository: acme/shop\nimages: [acme/shop]\n\
                 preview: { host: 's-{pr}.example.org', namespace: 's-{pr}' }\n\
                 production: { host: shop.example.org, namespace: shop }\n";
    std::fs::write(folder.path().join("shop.yaml"), other).unwrap();
    std::fs::write(folder.path().join("web.yaml"), other.replace("shop", "web").replace("s-{pr}", "w-{pr}")).unwrap();
    let app = load_apps(folder.path()).unwrap().remove(1);
    let known = app.policy(&app.preview_environment(1).unwrap(), []).known;
    for host in ["s-7.example.org", "shop.example.org", "w-2.example.org", "web.example.org"] {
        assert!(known.has_host(host), "{host}");
    }
    for namespace in ["s-7", "shop", "w-2", "web"] {
        assert!(known.has_namespace(namespace), "{namespace}");
    }
    assert!(!known.has_host("www.example.org") && !known.has_namespace("web-2"));
}
