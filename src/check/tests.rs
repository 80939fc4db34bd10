//! Findings of whole folders.

use std::fs;

use berth_manifests::app::Scripts;

use super::*;

fn fixtures() -> PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/src/render/fixtures")
}

fn check_folder() -> Report {
    let AppFolder { apps, findings, .. } = read_apps(&fixtures());
    check(apps, findings, None)
}

fn written(report: &Report) -> String {
    let mut text = String::new();
    report.write(&mut text).unwrap();
    text
}

#[test]
fn manifests_written_for_envsubst_have_no_error() {
    let report = check_folder();
    assert!(report.ok, "{}", written(&report));
    assert_eq!(report.apps, ["web"]);
    assert!(written(&report).contains("apps checked: web; errors: 0, "));
}

#[test]
fn json_output_has_file_line_and_severity() {
    let json = check_folder().to_envelope().unwrap().data.unwrap();
    assert_eq!(json["ok"], true);
    assert_eq!(json["findings"][0]["file"], "oddities/core/doppler-secret.yaml");
    assert_eq!(json["findings"][0]["line"], 2);
    assert_eq!(json["findings"][0]["severity"], "note");
}

#[test]
fn a_gate_on_a_missing_workload_is_an_error() {
    let AppFolder { mut apps, .. } = read_apps(&fixtures());
    let mut app = apps.remove(0);
    app.preview.as_mut().unwrap().gates[0].http.as_mut().unwrap().workload = "web".to_owned();
    let errors: Vec<_> = check_app(&app, None).into_iter().filter(Finding::is_error).collect();
    assert_eq!(errors.len(), 1);
    assert_eq!((errors[0].field.as_deref(), errors[0].line), (Some("preview.gates[0].http.workload"), 20));
}

#[test]
fn a_gate_through_the_ingress_needs_a_route_in_the_manifests() {
    let AppFolder { mut apps, .. } = read_apps(&fixtures());
    let mut app = apps.remove(0);
    let mut errors = |http: &str| {
        let gate = &mut app.preview.as_mut().unwrap().gates[0];
        gate.http = Some(serde_json::from_str(http).unwrap());
        check_app(&app, None).into_iter().filter(Finding::is_error).map(|found| found.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(errors(r#"{"through": "ingress", "path": "/"}"#), Vec::<String>::new());
    let other = errors(r#"{"through": "ingress", "host": "other.example.com", "path": "/x"}"#);
    let expected = "web.yaml:20: preview.gates[0].http: no Ingress of the manifests has a rule for `other.example.com/x`: the \
        gate cannot pass";
    assert_eq!(other, [expected]);
}

#[test]
fn a_gate_on_a_missing_temporal_is_a_warning() {
    let AppFolder { mut apps, .. } = read_apps(&fixtures());
    let mut app = apps.remove(0);
    let gate = &mut app.preview.as_mut().unwrap().gates[0];
    gate.http = None;
    gate.temporal_server = serde_json::from_str("{}").unwrap();
    let found: Vec<_> =
        check_app(&app, None).into_iter().filter(|finding| finding.severity != Severity::Note).collect();
    let expected = "`web-pr-123-temporal` is not a Deployment, StatefulSet or DaemonSet of the manifests: the gate can pass only \
        where Doppler has a `TEMPORAL_SERVER_ADDRESS`";
    assert!(found.iter().any(|finding| !finding.is_error() && finding.message == expected), "{found:?}");
    assert!(!found.iter().any(Finding::is_error), "{found:?}");
}

#[test]
fn scripts_that_name_a_missing_deployment_are_an_error() {
    let AppFolder { mut apps, .. } = read_apps(&fixtures());
    let mut app = apps.remove(0);
    let mut errors = |workload: Option<&str>| {
        app.preview.as_mut().unwrap().scripts = Some(Scripts {
            prefix: "npm run run:".to_owned(),
            allow: vec!["remind".to_owned()],
            workload: workload.map(str::to_owned),
        });
        check_app(&app, None).into_iter().filter(Finding::is_error).map(|found| found.message).collect::<Vec<_>>()
    };
    assert_eq!(errors(None), Vec::<String>::new(), "the manifests have one Deployment");
    assert_eq!(errors(Some("$KUBE_APP-nope")), ["`web-pr-123-nope` is not a Deployment of the manifests"]);
}

/// The findings about the app `web` with these files, without notes and without what is usual for a folder this small.
fn found(app: &str, files: &[(&str, &str)]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let head = "app: web\nrepository: acme/web\nimages: [acme/web]\nmanifests: ./web\n";
    let preview = "preview: {namespace: 'pr-{pr}', host: 'pr-{pr}.example.com'}\n";
    fs::write(folder.path().join("web.yaml"), format!("{head}{preview}{app}")).unwrap();
    for (name, text) in files {
        let path = folder.path().join("web").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let AppFolder { apps, findings, .. } = read_apps(folder.path());
    let report = check(apps, findings, None);
    let lines = report.findings.iter().filter(|finding| finding.severity != Severity::Note);
    lines.map(ToString::to_string).filter(|line| !line.contains("no Ingress has the host")).collect()
}

const PRODUCTION: &str = "production: {namespace: web-production, host: web.example.com}\n";

/// The manifest of a Deployment, with more fields of its pods.
fn deployment(spec: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  selector: {{matchLabels: {{app: web}}}}\n  \
         template:\n    metadata: {{labels: {{app: web}}}}\n    spec:\n      containers: [{{name: web, image: \
         $KUBE_DEPLOYMENT_IMAGE}}]\n{spec}"
    )
}

#[test]
fn finding_of_one_environment_names_it() {
    let files = [("core/web.yaml", &*deployment("      hostNetwork: true\n      nodeSelector: {a: 1}\n"))];
    let (place, message) = ("web/core/web.yaml:10: ", "a pod may not share its node's namespaces");
    let field = "spec.template.spec.hostNetwork: ";
    let of_both = "web/core/web.yaml:11: spec.template.spec.nodeSelector.a: must be a string: put it in quotes";
    assert_eq!(
        found(PRODUCTION, &files),
        [
            format!("{place}{field}{message} (in previews)"),
            format!("{place}warning: {field}is refused in previews: {message} (in production)"),
            of_both.to_owned(),
        ]
    );
    // An app with one environment needs no such words.
    assert_eq!(found("", &files), [format!("{place}{field}{message}"), of_both.to_owned()]);
    let only_preview = [("preview/web.yaml", &*deployment(""))];
    let without_image = "web.yaml: no container of the manifests has the pushed image";
    let findings = found(PRODUCTION, &only_preview);
    let named = |line: &String| line.starts_with(without_image) && line.ends_with(" (in production)");
    assert!(findings.iter().any(named), "{findings:#?}");
}

#[test]
fn unknown_variable_of_a_host_or_a_namespace_is_one_error() {
    let ingress = |host: &str, metadata: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: web{metadata}}}\nspec:\n  tls: [{{hosts: \
             [{host}]}}]\n  rules: [{{host: {host}, http: {{paths: []}}}}]\n"
        )
    };
    let count = |text: &str| {
        let findings = found(PRODUCTION, &[("core/web.yaml", &deployment("")), ("core/x.yaml", text)]);
        (findings.iter().filter(|line| line.contains("x.yaml")).count(), findings)
    };
    for (host, metadata, expected) in [
        ("$KUBE_INGRESS_HOSTNAME", "", 0),
        // At the rule and at `tls`.
        ("$MY_HOST", "", 2),
        ("$KUBE_INGRESS_HOSTNAME", ", namespace: $MY_NAMESPACE", 1),
        // Two environments, each with hosts of its own.
        ("other.example.com", "", 4),
    ] {
        let (found, findings) = count(&ingress(host, metadata));
        assert_eq!(found, expected, "{host}{metadata}: {findings:#?}");
    }
}

#[test]
fn error_hides_no_other_error() {
    let deployment = deployment(
        "      hostNetwork: true\n      serviceAccountName: nobody\n      terminationGracePeriodSeconds: soon\n",
    );
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r}\nrules: [{apiGroups: [''], \
                resources: [nodes], verbs: [get]}]\n";
    let foreign = "apiVersion: v1\nkind: Namespace\nmetadata: {name: kube-system}\n";
    let files = [
        ("core/web.yaml", &*deployment),
        ("core/ns.yaml", foreign),
        ("production/role.yaml", role),
        ("core/x.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\ntyp: Opaque\n"),
    ];
    let findings = found(PRODUCTION, &files);
    for expected in [
        "hostNetwork: a pod may not",
        "the only Namespace",
        "the ServiceAccount `nobody` is made",
        "terminationGracePeriodSeconds: must be an integer",
        "grants more than berth has",
        "x.yaml:4: warning: typ: Kubernetes",
    ] {
        assert!(findings.iter().any(|line| line.contains(expected)), "{expected} should be in {findings:#?}");
    }
}

#[test]
fn object_that_is_refused_or_unreadable_is_not_reported_missing() {
    let deployment = deployment("      serviceAccountName: jobs\n");
    let scaler = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: h}\nspec: {maxReplicas: 2, \
                  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: old}}\n";
    let files = |account: &'static str| {
        let old = "apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {name: old}\n";
        found(
            "",
            &[("core/a.yaml", account), ("core/h.yaml", scaler), ("core/o.yaml", old), ("core/w.yaml", &deployment)],
        )
    };
    let of_account = |findings: &[String]| findings.iter().filter(|line| line.contains("`jobs`")).count();
    let readable = files("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: jobs}\n");
    assert_eq!(readable.len(), 1, "{readable:#?}");
    assert!(readable[0].contains("o.yaml:2: kind: a Deployment must have"), "{readable:#?}");
    assert_eq!(of_account(&files("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: jobs\n")), 0);
    assert_eq!(of_account(&files("")), 1);
}

#[tokio::test]
async fn a_missing_folder_is_a_usage_error() {
    let check = Check { folder: PathBuf::from("/nonexistent"), cluster: false, output: Output::Text };
    assert_eq!(check.run().await.unwrap(), ExitCode::from(Exit::Usage));
}
