//! What berth would take as it is, and its owner should know: warnings and notes, never errors.

use berth_manifests::{
    app::{App, EnvironmentNames},
    render::{EnvironmentKind, Finding, Object, Rendered, Severity},
};
use serde_json::Value;

/// Annotations by which ingress controllers ask who comes: nginx, Traefik, HAProxy, AWS, Contour's and oauth2-proxy's way.
const ASKS_WHO: [&str; 7] = [
    "nginx.ingress.kubernetes.io/auth-url",
    "nginx.ingress.kubernetes.io/auth-type",
    "nginx.ingress.kubernetes.io/auth-tls-secret",
    "traefik.ingress.kubernetes.io/router.middlewares",
    "haproxy-ingress.github.io/auth-url",
    "haproxy.org/auth-type",
    "alb.ingress.kubernetes.io/auth-type",
];

/// About the app file alone.
pub(super) fn of_app(app: &App, file: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut say = |severity, field: &str, message: String| {
        findings.push(Finding::new(severity, file, app.line_of(field), message).field(field));
    };
    if file != format!("{}.yaml", app.app) && file != format!("{}.yml", app.app) {
        let message =
            format!("call the file {}.yaml: where it cannot be read, people are told its app's name", app.app);
        say(Severity::Warning, "app", message);
    }
    let doppler = |kind| app.doppler(kind).map(|config| (&config.project, &config.config));
    let (preview, production) = (doppler(EnvironmentKind::Preview), doppler(EnvironmentKind::Production));
    if preview.is_some() && preview == production {
        let message = "is production's config: every pull request would get production's secrets";
        say(Severity::Warning, "secrets.doppler.preview.config", message.to_owned());
    }
    let has_database = app.preview.as_ref().is_none_or(|preview| preview.database.is_some());
    if app.manifests.is_none() && !has_database {
        let message = "has no `database`: the Temporal of berth's own manifests needs one, so Doppler must have `DATABASE_HOST` \
                       and its kin";
        say(Severity::Warning, "preview", message.to_owned());
    }
    for (kind, is_there) in
        [(EnvironmentKind::Preview, app.preview.is_some()), (EnvironmentKind::Production, app.production.is_some())]
    {
        if is_there && app.gates(kind).is_empty() {
            let message = "has no gates: live will mean that pods are ready, not that the app works";
            say(Severity::Note, kind.as_str(), message.to_owned());
        }
    }
    findings
}

/// About an environment as it would be applied.
pub(super) fn of_environment(
    app: &App,
    file: &str,
    environment: &EnvironmentNames,
    rendered: &Rendered,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let kind = environment.kind.as_str();
    let mut warn = |field: &str, message: String| {
        let field = format!("{kind}.{field}");
        findings.push(Finding::warning(file, app.line_of(&field), message).field(field));
    };
    if !rendered.objects().any(Object::is_workload) {
        warn("", "the manifests have no workload for it: nothing would run".to_owned());
    }
    if ingress_of(rendered, &environment.host).next().is_none() {
        warn("host", format!("no Ingress has the host `{}`: nothing would answer there", environment.host));
    }
    let Some(ui_host) = &environment.temporal_ui_host else { return findings };
    let mut ingresses = ingress_of(rendered, ui_host).peekable();
    if ingresses.peek().is_none() {
        warn("temporal_ui_host", format!("no Ingress has the host `{ui_host}`: nothing would answer there"));
    } else if environment.kind == EnvironmentKind::Production
        && !sets(rendered, "TEMPORAL_AUTH_ENABLED")
        && ingresses.any(|ingress| !asks_who(ingress))
    {
        let message = "whoever finds it sees every workflow: give temporal-ui OIDC (TEMPORAL_AUTH_ENABLED), or its Ingress \
                       a middleware that asks who comes";
        warn("temporal_ui_host", message.to_owned());
    }
    findings
}

/// The Ingresses that have this host.
fn ingress_of<'a>(rendered: &'a Rendered, host: &'a str) -> impl Iterator<Item = &'a Object> {
    rendered.objects().filter(move |object| {
        let rules = object.document.pointer("/spec/rules").and_then(Value::as_array);
        object.kind() == "Ingress" && rules.is_some_and(|rules| rules.iter().any(|rule| rule["host"] == host))
    })
}

fn asks_who(ingress: &Object) -> bool {
    let annotations = ingress.document.pointer("/metadata/annotations").and_then(Value::as_object);
    annotations.is_some_and(|annotations| ASKS_WHO.iter().any(|name| annotations.contains_key(*name)))
}

/// Whether a container has this variable, with `true` or a value from elsewhere.
fn sets(rendered: &Rendered, name: &str) -> bool {
    rendered.objects().any(|object| {
        let containers = object.document.pointer("/spec/template/spec/containers").and_then(Value::as_array);
        let variables = containers.into_iter().flatten().flat_map(|container| container["env"].as_array()).flatten();
        variables
            // One that may be absent says nothing.
            .filter(|variable| variable.pointer("/valueFrom/secretKeyRef/optional") != Some(&Value::Bool(true)))
            .any(|variable| variable["name"] == name && (variable["value"] == "true" || variable["value"].is_null()))
    })
}
