//! Workloads and routes that an app file names: they must be in the manifests.

use berth_manifests::{
    app::{App, GateKind, HttpGate, TEMPORAL_WORKLOAD, Through},
    render::{EnvironmentKind, Finding, Object, Rendered, Variables, find_route, substitute},
};

/// Finds gates on workloads and routes that are missing: such a gate could never pass.
pub(super) fn check_gates(
    app: &App,
    file: &str,
    kind: EnvironmentKind,
    variables: &Variables,
    rendered: &Rendered,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, gate) in app.gates(kind).iter().enumerate() {
        if let Some(GateKind::Http(http)) = gate.kind()
            && let Some(message) = missing_route(http, variables, rendered)
        {
            let field = format!("{}.gates[{index}].http", kind.as_str());
            findings.push(Finding::error(file, app.line_of(&field), message).field(field));
        }
        let asks = gate.kind().map(|kind| (kind.field(), kind.workloads()));
        let Some((asks, workloads)) = asks else { continue };
        for (name, written) in workloads {
            let workload = substitute(written, variables);
            let found = rendered.objects().any(|object| {
                object.name() == workload && matches!(object.kind(), "Deployment" | "StatefulSet" | "DaemonSet")
            });
            if found {
                continue;
            }
            let field = format!("{}.gates[{index}].{asks}.{name}", kind.as_str());
            let line = app.line_of(&field);
            let message = format!("`{workload}` is not a Deployment, StatefulSet or DaemonSet of the manifests");
            let finding = if written == TEMPORAL_WORKLOAD {
                let message =
                    format!("{message}: the gate can pass only where Doppler has a `TEMPORAL_SERVER_ADDRESS`");
                Finding::warning(file, line, message)
            } else {
                Finding::error(file, line, message)
            };
            findings.push(finding.field(field));
        }
    }
    findings
}

/// The message about a gate through the Ingress whose request no Ingress of the manifests takes.
fn missing_route(gate: &HttpGate, variables: &Variables, rendered: &Rendered) -> Option<String> {
    if gate.through != Through::Ingress {
        return None;
    }
    let host = substitute(gate.host.as_deref().unwrap_or("$KUBE_INGRESS_HOSTNAME"), variables);
    let path = substitute(&gate.path, variables);
    match find_route(rendered.objects().map(|object| &object.document), &host, &path) {
        Some(_) => None,
        None => Some(format!("no Ingress of the manifests has a rule for `{host}{path}`: the gate cannot pass")),
    }
}

/// Finds scripts that run like a Deployment that is missing: such a script could never start.
pub(super) fn check_scripts(
    app: &App,
    file: &str,
    kind: EnvironmentKind,
    variables: &Variables,
    rendered: &Rendered,
) -> Vec<Finding> {
    let scripts = app.preview.as_ref().and_then(|preview| preview.scripts.as_ref());
    let (Some(scripts), EnvironmentKind::Preview) = (scripts, kind) else { return Vec::new() };
    let names: Vec<_> = rendered.objects().filter(|object| object.kind() == "Deployment").map(Object::name).collect();
    let usual = substitute("$KUBE_APP-web", variables);
    let message = match &scripts.workload {
        Some(written) => {
            let wanted = substitute(written, variables);
            (!names.contains(&&*wanted)).then(|| format!("`{wanted}` is not a Deployment of the manifests"))
        }
        None if names.len() == 1 || names.contains(&&*usual) => None,
        None => Some(format!(
            "must name the Deployment that scripts run like: there is no `{usual}`, but {}",
            names.join(", ")
        )),
    };
    let field = "preview.scripts.workload";
    message.map(|message| Finding::error(file, app.line_of(field), message).field(field)).into_iter().collect()
}
