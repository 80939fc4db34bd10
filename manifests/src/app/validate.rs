//! Rules for a well-formed app file; every violation is reported at once.

use super::{
    App, Database, GithubSettings, Pattern, PreviewSettings, ProductionSettings, PullSecret, Quota, Scripts,
    github::MAX_LABEL,
    names::{
        MAX_SCRIPT_NAME, is_api_version, is_dns_label, is_github_repository, is_host, is_image_repository, is_kind,
        is_object_name, is_quantity, is_script_name,
    },
    pattern::LARGEST_PR,
    production::{MAX_KEPT_RELEASES, MAX_NAME},
    unique,
};
use crate::render::{cluster_kinds, finding::Finding, line_of, template::Lines};

mod gates;
mod isolation;
mod timings;
mod variables;

use gates::check_gates;
use variables::{check_pushed, check_variables};

/// The longest name of an app. `preview-<app>-<number>` with ten digits must fit a label's 63 characters, and so must the
/// names that teams derive from `KUBE_APP`.
const MAX_APP_NAME: usize = 30;

/// Namespaces that can never be an environment's.
const CLUSTER_NAMESPACES: [&str; 2] = ["default", "berth"];

/// Every violation in an app.
pub(super) fn check(app: &App, file: &str, lines: &Lines) -> Vec<Finding> {
    let mut report = AppReport { file, lines, findings: Vec::new() };
    check_app(app, &mut report);
    check_pushed(app, &mut report);
    check_secrets(app, &mut report);
    isolation::check(app, &mut report);
    timings::check(app, &mut report);
    if let Some(github) = &app.github {
        check_github(github, &mut report);
    }
    if let Some(preview) = &app.preview {
        check_preview(app, preview, &mut report);
    }
    if let Some(production) = &app.production {
        check_production(app, production, &mut report);
    }
    if app.preview.is_none() && app.production.is_none() {
        report.error("", "has neither `preview` nor `production`: nothing would be deployed");
    }
    for (field, other) in unique::conflicts_within(app) {
        report.error(field, format!("conflicts with `{other}`: both can become the same name"));
    }
    report.findings
}

struct AppReport<'a> {
    file: &'a str,
    lines: &'a Lines,
    findings: Vec<Finding>,
}

impl AppReport<'_> {
    fn error(&mut self, field: &str, message: impl Into<String>) {
        let line = line_of(self.lines, field).unwrap_or(1);
        self.findings.push(Finding::error(self.file, line, message).field(field));
    }

    fn require(&mut self, holds: bool, field: &str, message: impl FnOnce() -> String) {
        if !holds {
            self.error(field, message());
        }
    }
}

fn check_app(app: &App, report: &mut AppReport<'_>) {
    let name = &app.app;
    report.require(is_dns_label(name) && name.len() <= MAX_APP_NAME, "app", || {
        format!("`{name}` is not a DNS label of at most {MAX_APP_NAME} characters (a-z, 0-9 and -)")
    });
    report.require(!is_ambiguous(name), "app", || {
        format!("`{name}` is reserved: it could be confused with a name that berth forms")
    });
    report.require(is_github_repository(&app.repository), "repository", || {
        format!("`{}` is not a GitHub repository (`owner/name`)", app.repository)
    });
    report.require(!app.images.is_empty(), "images", || "must name at least one repository".to_owned());
    for (index, image) in app.images.iter().enumerate() {
        report.require(is_image_repository(image), &format!("images[{index}]"), || {
            format!("`{image}` is not an image repository without tag and digest")
        });
        let twice = app.images.iter().take(index).any(|other| other == image);
        report.require(!twice, &format!("images[{index}]"), || format!("`{image}` is listed twice"));
    }
    if let Some(PullSecret { secret, copy }) = &app.image_pull_secret {
        if secret == copy {
            check_object_name(secret, "image_pull_secret", report);
        } else {
            check_object_name(secret, "image_pull_secret.secret", report);
            check_object_name(copy, "image_pull_secret.as", report);
        }
    }
    if let Some(manifests) = &app.manifests {
        let inside = !manifests.starts_with('/') && !manifests.split('/').any(|part| part == "..");
        report.require(inside && !manifests.is_empty(), "manifests", || {
            format!("`{manifests}` is not a folder beside this file")
        });
    }
    check_variables(&app.variables, "variables", report);
    for (index, kind) in app.cluster_kinds.iter().enumerate() {
        let known: Vec<_> = cluster_kinds().collect();
        report.require(known.contains(&kind.as_str()), &format!("cluster_kinds[{index}]"), || {
            format!(
                "`{kind}` is not a cluster-scoped kind that an app file can allow; it can allow: {}",
                known.join(", ")
            )
        });
    }
    check_kinds(app, report);
}

fn check_kinds(app: &App, report: &mut AppReport<'_>) {
    for (index, kind) in app.kinds.iter().enumerate() {
        let field = format!("kinds[{index}]");
        report.require(is_api_version(&kind.api_version), &format!("{field}.api_version"), || {
            format!("`{}` is not an API version, for example `monitoring.coreos.com/v1`", kind.api_version)
        });
        report.require(is_kind(&kind.kind), &format!("{field}.kind"), || {
            format!("`{}` is not a kind, for example `ServiceMonitor`", kind.kind)
        });
        if let Some(refusal) = kind.refusal() {
            report.error(&field, refusal);
        }
    }
}

/// Names that end like those that berth forms: `web-pr-7` is a preview of `web`, `<id>-rollout-3` and `<id>-report` are child
/// workflows.
fn is_ambiguous(app: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let stem = match app.rsplit_once('-') {
        Some((stem, end)) if is_number(end) => stem,
        _ => app,
    };
    let numbered = stem.len() < app.len();
    let last = stem.rsplit('-').next().unwrap_or(stem);
    app == "berth"
        || app.starts_with("berth-")
        || matches!(last, "rollout" | "script" | "report")
        || (numbered && last == "pr")
}

fn check_secrets(app: &App, report: &mut AppReport<'_>) {
    let Some(secrets) = &app.secrets else { return };
    for (name, config, used) in [
        ("preview", &secrets.doppler.preview, app.preview.is_some()),
        ("production", &secrets.doppler.production, app.production.is_some()),
    ] {
        let path = format!("secrets.doppler.{name}");
        let Some(config) = config else {
            report.require(!used, "secrets.doppler", || {
                format!("has no `{name}`, but the app has that environment: add it, or remove `secrets`")
            });
            continue;
        };
        for (field, value) in [("project", &config.project), ("config", &config.config)] {
            let good = (1..=100).contains(&value.len())
                && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
            report.require(good, &format!("{path}.{field}"), || format!("`{value}` is not a valid name in Doppler"));
        }
        check_object_name(&config.token.secret, &format!("{path}.token.secret"), report);
    }
    if let (Some(preview), Some(production)) = (&secrets.doppler.preview, &secrets.doppler.production) {
        let same_config = (&preview.project, &preview.config) == (&production.project, &production.config);
        // A Doppler service token reads one config.
        report.require(same_config || preview.token != production.token, "secrets.doppler.production.token", || {
            "is the token of `preview`, but a service token reads only one config".to_owned()
        });
    }
}

fn check_github(github: &GithubSettings, report: &mut AppReport<'_>) {
    let GithubSettings { repository_id, label, skip_label, .. } = github;
    report.require(*repository_id > 0, "github.repository_id", || "must be the repository's id on GitHub".to_owned());
    for (field, label) in [("github.label", label), ("github.skip_label", skip_label)] {
        let Some(label) = label else { continue };
        let fits = (1..=MAX_LABEL).contains(&label.chars().count()) && !label.chars().any(char::is_control);
        report.require(fits, field, || format!("must be a label of 1 to {MAX_LABEL} characters"));
    }
    let is_same = label.is_some() && label == skip_label;
    report.require(!is_same, "github.skip_label", || {
        "is `label` too: no pull request would get an environment".to_owned()
    });
}

fn check_preview(app: &App, preview: &PreviewSettings, report: &mut AppReport<'_>) {
    check_pattern(app, &preview.namespace, "preview.namespace", is_namespace, report);
    check_pattern(app, &preview.host, "preview.host", is_host, report);
    if let Some(host) = &preview.temporal_ui_host {
        check_pattern(app, host, "preview.temporal_ui_host", is_host, report);
    }
    let PreviewSettings { expire_after, warn_before, sleep_after, quota, gates, .. } = preview;
    if let (Some(sleep_after), Some(expire_after)) = (sleep_after, expire_after) {
        report.require(sleep_after < expire_after, "preview.sleep_after", || {
            "must be shorter than `expire_after`; otherwise the environment expires before it sleeps".to_owned()
        });
    }
    if let Some(warn_before) = warn_before {
        report.require(expire_after.is_some_and(|expire| *warn_before < expire), "preview.warn_before", || {
            "must be shorter than `expire_after`".to_owned()
        });
    }
    report.require(preview.max_live != Some(0), "preview.max_live", || "must be at least 1".to_owned());
    check_variables(&preview.variables, "preview.variables", report);
    check_quota(quota, report);
    check_gates(gates, "preview.gates", report);
    if let Some(Database { server, .. }) = &preview.database {
        check_object_name(server, "preview.database.server", report);
    }
    if let Some(scripts) = &preview.scripts {
        check_scripts(scripts, report);
    }
}

fn check_production(app: &App, production: &ProductionSettings, report: &mut AppReport<'_>) {
    for (field, text, is_name) in [
        ("production.namespace", Some(&production.namespace), is_namespace as fn(&str) -> bool),
        ("production.host", Some(&production.host), is_host),
        ("production.temporal_ui_host", production.temporal_ui_host.as_ref(), is_host),
    ] {
        let Some(text) = text else { continue };
        match Pattern::new(text, &app.app) {
            Err(message) => report.error(field, message),
            Ok(pattern) if pattern.has_number() => {
                report.error(field, "must not have `{pr}`: production has no pull request")
            }
            Ok(pattern) => check_rendered(&pattern.render(0), field, is_name, report),
        }
    }
    report.require((1..=MAX_KEPT_RELEASES).contains(&production.keep_releases), "production.keep_releases", || {
        format!("must be from 1 to {MAX_KEPT_RELEASES}")
    });
    for (field, name) in
        [("production.branch", &production.branch), ("production.environment", &production.environment)]
    {
        let fits = (1..=MAX_NAME).contains(&name.len()) && !name.chars().any(char::is_control);
        report.require(fits, field, || format!("must be a name of 1 to {MAX_NAME} bytes"));
    }
    let is_branch = !production.branch.starts_with("refs/") && !production.branch.contains(char::is_whitespace);
    report.require(is_branch, "production.branch", || {
        format!("`{}` is not the name of a branch, for example `main`", production.branch.escape_debug())
    });
    check_variables(&production.variables, "production.variables", report);
    check_gates(&production.gates, "production.gates", report);
}

fn check_pattern(app: &App, text: &str, field: &str, is_name: fn(&str) -> bool, report: &mut AppReport<'_>) {
    match Pattern::new(text, &app.app) {
        Err(message) => report.error(field, message),
        Ok(pattern) if !pattern.has_number() => {
            report.error(field, "must have `{pr}`: all pull requests would share one name, and a preview without a pull request is not supported");
        }
        // The largest number makes the longest name; all other rules do not depend on the number.
        Ok(pattern) => check_rendered(&pattern.render(LARGEST_PR), field, is_name, report),
    }
}

fn check_rendered(name: &str, field: &str, is_name: fn(&str) -> bool, report: &mut AppReport<'_>) {
    report.require(is_name(name), field, || format!("would become `{name}`, which is not valid"));
}

fn is_namespace(name: &str) -> bool {
    is_dns_label(name) && !name.starts_with("kube-") && !CLUSTER_NAMESPACES.contains(&name)
}

fn check_object_name(name: &str, field: &str, report: &mut AppReport<'_>) {
    report.require(is_object_name(name), field, || format!("`{name}` is not a valid Kubernetes name"));
}

fn check_quota(quota: &Quota, report: &mut AppReport<'_>) {
    for (field, value) in [("preview.quota.cpu", &quota.cpu), ("preview.quota.memory", &quota.memory)] {
        report.require(is_quantity(value), field, || {
            format!("`{value}` is not a Kubernetes quantity, for example `2`, `500m` or `4Gi`")
        });
    }
    report.require(quota.pods > 0, "preview.quota.pods", || "must be at least 1".to_owned());
}

fn check_scripts(scripts: &Scripts, report: &mut AppReport<'_>) {
    let Scripts { prefix, allow, workload } = scripts;
    report.require(!prefix.trim().is_empty(), "preview.scripts.prefix", || "must not be empty".to_owned());
    let is_harmless = !prefix.chars().any(char::is_control);
    report.require(is_harmless, "preview.scripts.prefix", || "must not have control characters".to_owned());
    for (index, name) in allow.iter().enumerate() {
        report.require(is_script_name(name), &format!("preview.scripts.allow[{index}]"), || {
            format!(
                "`{name}` is not a valid script name: use at most {MAX_SCRIPT_NAME} letters, digits, `-`, `_`, `:` and \
                 `.`, and no `-` at the beginning"
            )
        });
        let twice = allow.iter().take(index).any(|other| other == name);
        report.require(!twice, &format!("preview.scripts.allow[{index}]"), || format!("`{name}` is listed twice"));
    }
    report.require(workload.as_ref().is_none_or(|name| !name.trim().is_empty()), "preview.scripts.workload", || {
        "must name a Deployment of the manifests".to_owned()
    });
}
