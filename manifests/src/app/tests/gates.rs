//! Gates of app files: refused ones with their field, and their values with variables.

use super::*;

/// The check of the example's only gate.
const HTTP: &str = "      http: { workload: $KUBE_APP-deployment, port: 8080, path: /health, body: ok }\n";

#[test]
fn gate_must_have_exactly_one_check() {
    let findings = findings_with(HTTP, "");
    let expected = "web.yaml:25: preview.gates[0]: must have a check: `http`, `temporal_server`, \
        `temporal_poller` or `temporal_workflow`";
    assert_eq!(findings, [expected]);
    let findings = findings_with(HTTP, &format!("{HTTP}      temporal_server: {{}}\n"));
    let expected =
        "web.yaml:25: preview.gates[0]: has several checks (`http` and `temporal_server`): use one gate for each";
    assert_eq!(findings, [expected]);
}

#[test]
fn invalid_temporal_gate_is_reported_with_its_field() {
    for (gate, expected) in [
        ("temporal_server: { port: 0 }", "temporal_server.port: must be at least 1"),
        (
            "temporal_server: { namespace: '' }",
            "temporal_server.namespace: `` is not a valid name of a Temporal namespace",
        ),
        ("temporal_server: { workload: '' }", "temporal_server.workload: must name a workload"),
        (
            "temporal_poller: { task_queue: ' x' }",
            "temporal_poller.task_queue: ` x` is not a valid name of a task queue",
        ),
        ("temporal_poller: { task_queue: x, worker_workload: '' }", "temporal_poller.worker_workload: must name a"),
        ("temporal_poller: { task_queue: x, worker_container: '' }", "temporal_poller.worker_container: `` is not"),
        (
            "temporal_workflow: { task_queue: x, type: '' }",
            "temporal_workflow.type: `` is not a valid name of a workflow type",
        ),
        ("temporal_workflow: { task_queue: x, type: T, expect: '' }", "temporal_workflow.expect: must not be empty"),
    ] {
        let findings = findings_with(HTTP, &format!("      {gate}\n"));
        assert!(findings[0].starts_with(&format!("web.yaml:26: preview.gates[0].{expected}")), "{findings:?}");
        assert_eq!(findings.len(), 1, "{findings:?}");
    }
    let findings = findings_with(HTTP, "      temporal_poller: {}\n");
    assert!(findings[0].contains("missing field `task_queue`"), "{findings:?}");
    let long = format!("      temporal_workflow: {{ task_queue: x, type: T, input: {} }}\n", "a".repeat(20_000));
    assert!(findings_with(HTTP, &long)[0].contains("temporal_workflow.input: is 20002 bytes of JSON"));
}

#[test]
fn gate_through_the_ingress_names_neither_workload_nor_port() {
    let gate = |fields: &str| EXAMPLE.replacen(HTTP, &format!("      http: {{ {fields} }}\n"), 1);
    let variables = crate::render::Variables::new(crate::render::examples::preview());
    for (fields, host) in [
        ("through: ingress, path: /health", None),
        ("through: ingress, host: $KUBE_INGRESS_HOSTNAME, path: /health", Some("pr-123.example.com")),
    ] {
        let gate = parse(&gate(fields)).gates(EnvironmentKind::Preview)[0].rendered(&variables);
        let http = gate.http.clone().unwrap();
        assert_eq!((http.through, http.host.as_deref(), http.status), (Through::Ingress, host, 200));
        assert!(gate.kind().unwrap().workloads().is_empty());
        let stored = serde_json::to_value(&gate).unwrap();
        assert!(stored["http"].get("workload").is_none() && stored["http"]["through"] == "ingress", "{stored}");
    }
    for (fields, expected) in [
        ("through: ingress, workload: web, path: /", "workload: is chosen by the ingress controller"),
        ("through: ingress, port: 80, path: /", "port: is chosen by the ingress controller"),
        ("through: ingress, host: 'https://x', path: /", "host: must be a host without scheme and port"),
        ("through: ingress, host: '', path: /", "host: must be a host without scheme and port"),
        ("workload: web, port: 80, host: x, path: /", "host: is for `through: ingress`"),
        ("port: 80, path: /", "workload: must name a workload of the manifests"),
        ("workload: web, path: /", "port: must be at least 1"),
    ] {
        let findings = findings_with(HTTP, &format!("      http: {{ {fields} }}\n"));
        assert!(findings[0].starts_with(&format!("web.yaml:26: preview.gates[0].http.{expected}")), "{findings:?}");
        assert_eq!(findings.len(), 1, "{findings:?}");
    }
}

#[test]
fn temporal_gate_defaults_to_the_environments_server() {
    let variables = crate::render::Variables::new(crate::render::examples::preview());
    let workflow =
        "      temporal_workflow: { task_queue: $KUBE_APP, type: Greet, input: [1, {a: b}], expect: {ok: true} }\n";
    let app = parse(&EXAMPLE.replacen(HTTP, workflow, 1));
    let gate = app.gates(EnvironmentKind::Preview)[0].rendered(&variables).temporal_workflow.unwrap();
    assert_eq!((gate.workload.as_str(), gate.port, gate.namespace.as_str()), ("web-pr-123-temporal", 7233, "default"));
    assert_eq!((gate.task_queue.as_str(), gate.workflow_type.as_str()), ("web-pr-123", "Greet"));
    let json = (gate.input.unwrap().to_string(), gate.expect.unwrap().to_string());
    assert_eq!(json, (r#"[1,{"a":"b"}]"#.to_owned(), r#"{"ok":true}"#.to_owned()));
}

#[test]
fn gate_workload_is_rendered_with_the_variables() {
    let variables = crate::render::Variables::new(crate::render::examples::preview());
    let app = parse(EXAMPLE);
    let gate = app.gates(EnvironmentKind::Preview)[0].rendered(&variables);
    assert_eq!(gate.http.unwrap().workload, "web-pr-123-deployment");
}
