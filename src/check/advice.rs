//! Advice about an app that berth takes: warnings and notes, never errors.

use berth_manifests::{
    app::{App, EnvironmentNames},
    render::{EnvironmentKind, Finding, Object, Rendered, Severity},
};
use serde_json::Value;

/// Annotations that make an ingress controller authenticate requests: nginx, Traefik, HAProxy, AWS.
const AUTHENTICATION: [&str; 7] = [
    "nginx.ingress.kubernetes.io/auth-url",
    "nginx.ingress.kubernetes.io/auth-type",
    "nginx.ingress.kubernetes.io/auth-tls-secret",
    "traefik.ingress.kubernetes.io/router.middlewares",
    "haproxy-ingress.github.io/auth-url",
    "haproxy.org/auth-type",
    "alb.ingress.kubernetes.io/auth-type",
];

/// Advice about the app file alone.
pub(super) fn advise_on_app(app: &App, file: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |severity, field: &str, message: String| {
        findings.push(Finding::new(severity, file, app.line_of(field), message).field(field));
    };
    if file != format!("{}.yaml", app.app) && file != format!("{}.yml", app.app) {
        let message =
            format!("call the file {}.yaml: if it cannot be read, berth reports the app by the file's name", app.app);
        add(Severity::Warning, "app", message);
    }
    if app.github.is_none() {
        let message =
            "is missing: without `github.repository_id` berth hooks takes neither webhooks nor jobs of the app";
        add(Severity::Note, "github", message.to_owned());
    }
    let doppler = |kind| app.doppler(kind).map(|config| (&config.project, &config.config));
    let (preview, production) = (doppler(EnvironmentKind::Preview), doppler(EnvironmentKind::Production));
    if preview.is_some() && preview == production {
        let message = "is the config of production: every pull request would get the secrets of production";
        add(Severity::Warning, "secrets.doppler.preview.config", message.to_owned());
    }
    let has_database = app.preview.as_ref().is_none_or(|preview| preview.database.is_some());
    if app.manifests.is_none() && !has_database {
        let message = "has no `database`: the Temporal server that berth brings needs one, so Doppler must have `DATABASE_HOST` \
                       and the other keys";
        add(Severity::Warning, "preview", message.to_owned());
    }
    for (kind, is_there) in
        [(EnvironmentKind::Preview, app.preview.is_some()), (EnvironmentKind::Production, app.production.is_some())]
    {
        if is_there && app.gates(kind).is_empty() {
            let message = "has no gates: live only means that pods are ready, not that the app works";
            add(Severity::Note, kind.as_str(), message.to_owned());
        }
    }
    findings
}

/// Advice about an environment as it would be applied.
pub(super) fn advise_on_environment(
    app: &App,
    file: &str,
    environment: &EnvironmentNames,
    rendered: &Rendered,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let kind = environment.kind.as_str();
    let mut warn = |field: &str, message: String| {
        let field = if field.is_empty() { kind.to_owned() } else { format!("{kind}.{field}") };
        findings.push(Finding::warning(file, app.line_of(&field), message).field(field));
    };
    // A CronJob of a preview is suspended, unless the app file lets it run.
    let runs = |object: &Object| object.kind() == "CronJob" && object.document["spec"]["suspend"] != true;
    if !rendered.objects().any(|object| object.is_workload() || runs(object)) {
        warn("", "the manifests have no workload for it: nothing would run".to_owned());
    }
    if ingresses_with_host(rendered, &environment.host).next().is_none() {
        warn("host", format!("no Ingress has the host `{}`: nothing would answer there", environment.host));
    }
    let Some(ui_host) = &environment.temporal_ui_host else { return findings };
    let mut ingresses = ingresses_with_host(rendered, ui_host).peekable();
    if ingresses.peek().is_none() {
        warn("temporal_ui_host", format!("no Ingress has the host `{ui_host}`: nothing would answer there"));
    } else if environment.kind == EnvironmentKind::Production
        && !sets(rendered, "TEMPORAL_AUTH_ENABLED")
        && ingresses.any(|ingress| !authenticates(ingress) && leads_to_temporal_ui(rendered, ingress, ui_host))
    {
        let message = "is open to everyone, with every workflow: give temporal-ui OIDC (TEMPORAL_AUTH_ENABLED), or its Ingress \
                       a middleware that authenticates";
        warn("temporal_ui_host", message.to_owned());
    }
    findings
}

/// The Ingresses that have this host.
fn ingresses_with_host<'a>(rendered: &'a Rendered, host: &'a str) -> impl Iterator<Item = &'a Object> {
    rendered.objects().filter(move |object| {
        let rules = object.document.pointer("/spec/rules").and_then(Value::as_array);
        object.kind() == "Ingress" && rules.is_some_and(|rules| rules.iter().any(|rule| rule["host"] == host))
    })
}

/// Whether an Ingress leads a host to pods of temporal-ui. A team may have another dashboard there.
fn leads_to_temporal_ui(rendered: &Rendered, ingress: &Object, host: &str) -> bool {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let rules = list(ingress.document.pointer("/spec/rules")).into_iter().filter(|rule| rule["host"] == host);
    let backends = rules.flat_map(|rule| list(rule.pointer("/http/paths")));
    let services: Vec<_> = backends.map(|path| path["backend"]["service"]["name"].clone()).collect();
    let selectors = rendered
        .objects()
        .filter(|object| object.kind() == "Service" && services.contains(&Value::from(object.name())))
        .filter_map(|service| service.document.pointer("/spec/selector")?.as_object());
    let selectors: Vec<_> = selectors.collect();
    rendered.objects().filter_map(|object| object.document.pointer("/spec/template")).any(|template| {
        let labels = &template["metadata"]["labels"];
        let is_selected = selectors.iter().any(|selector| selector.iter().all(|(key, value)| &labels[key] == value));
        is_selected && list(template.pointer("/spec/containers")).iter().any(is_temporal_ui)
    })
}

/// Whether a container is temporal-ui, by its name or the name of its image.
fn is_temporal_ui(container: &Value) -> bool {
    let text = |field: &str| container[field].as_str().unwrap_or_default();
    text("name").contains("temporal-ui") || ["temporal-ui", "temporalio/ui"].iter().any(|ui| text("image").contains(ui))
}

/// Whether the ingress controller authenticates the requests of an Ingress.
fn authenticates(ingress: &Object) -> bool {
    let annotations = ingress.document.pointer("/metadata/annotations").and_then(Value::as_object);
    annotations.is_some_and(|annotations| AUTHENTICATION.iter().any(|name| annotations.contains_key(*name)))
}

/// Whether a container has this variable, with the value `true` or one from a Secret.
fn sets(rendered: &Rendered, name: &str) -> bool {
    rendered.objects().any(|object| {
        let containers = object.document.pointer("/spec/template/spec/containers").and_then(Value::as_array);
        let variables = containers.into_iter().flatten().flat_map(|container| container["env"].as_array()).flatten();
        variables
            // An optional key may be absent.
            .filter(|variable| variable.pointer("/valueFrom/secretKeyRef/optional") != Some(&Value::Bool(true)))
            .any(|variable| variable["name"] == name && (variable["value"] == "true" || variable["value"].is_null()))
    })
}
