//! `berth check`: all findings in a folder of apps at once, with file, line and field.

use std::{fs, path::Path, process::Command};

use serde_json::Value;
use tempfile::TempDir;

use crate::BERTH;

/// The example, changed.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/example"), folder.0.path());
        folder
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.0.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn change(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.0.path().join(file)).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        self.write(file, &text.replace(from, to));
    }

    /// Runs `berth check`: its exit code and output.
    fn check(&self, more: &[&str]) -> (i32, String) {
        let output = Command::new(BERTH).arg("check").arg(self.0.path()).args(more).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    }

    fn findings(&self) -> Vec<String> {
        let (_, text) = self.check(&[]);
        text.lines().map(str::to_owned).collect()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            fs::copy(entry.path(), target).map(drop).unwrap()
        }
    }
}

#[test]
fn the_example_draws_no_finding() {
    let (code, text) = Folder::new().check(&[]);
    assert_eq!((code, text.as_str()), (0, "apps checked: web; errors: 0, warnings: 0\n"));
}

#[test]
fn app_without_a_repository_id_gets_a_note_about_hooks() {
    let folder = Folder::new();
    folder.change("web.yaml", "github: { repository_id: 123456789 }\n", "");
    let findings = folder.findings();
    assert!(findings[0].contains("note: github: is missing: without `github.repository_id`"), "{findings:#?}");
    assert_eq!(findings.len(), 2, "{findings:#?}");
}

#[test]
fn all_findings_are_shown_at_once_with_their_places() {
    let folder = Folder::new();
    folder.change("web.yaml", "workload: $KUBE_APP", "workload: nobody");
    folder.change("web/shared/service.yaml", "$KUBE_APP", "$KUBE_APPS");
    folder.write(
        "web/shared/zz.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: { name: open }\nspec: { type: LoadBalancer }\n",
    );
    folder.write("api.yaml", "app: api\nrepository: acme\nimages: []\npreview: { host: api, namespace: pr-1 }\n");
    folder.write(
        "job.yaml",
        "app: job\nrepository: acme/job\nimages: [acme/job]\npreview: { host: 'pr-{pr}.example.com' }\n",
    );
    folder.write("old.yaml", "app: old\nimage: acme/old\n");
    let (code, text) = folder.check(&[]);
    assert_eq!(code, 1, "{text}");
    for expected in [
        "api.yaml:2: repository:",
        "api.yaml:3: images:",
        "api.yaml:4: preview.namespace: must have `{pr}`",
        "api.yaml:4: preview.host:",
        "old.yaml:2:1: unknown field `image`",
        "job.yaml:4: preview.host: conflicts with `preview.host` of `web` (web.yaml)",
        "web.yaml:12: preview.host: conflicts with `preview.host` of `job` (job.yaml)",
    ] {
        assert!(text.contains(expected), "{expected} should be in\n{text}");
    }
    // The manifests of an app that clashes with another are not checked.
    fs::remove_file(folder.0.path().join("job.yaml")).unwrap();
    let (_, text) = folder.check(&[]);
    for expected in
        ["web/shared/service.yaml:", "the nearest known name is `$KUBE_APP`", "web/shared/zz.yaml:4: spec.type"]
    {
        assert!(text.contains(expected), "{expected} should be in\n{text}");
    }
}

#[test]
fn image_that_was_not_pushed_is_an_error_at_its_line() {
    let written = "$KUBE_DEPLOYMENT_IMAGE:$KUBE_DEPLOYMENT_TAG@$KUBE_DEPLOYMENT_DIGEST";
    let findings = |image: &str| {
        let folder = Folder::new();
        folder.change("web/core/web.yaml", written, image);
        folder.findings()
    };
    let field = "web/core/web.yaml:29: spec.template.spec.containers[0].image: ";
    for (image, expected) in [
        ("$KUBE_DEPLOYMENT_IMAGE:latest", "`registry.example.com/acme/web:latest` is not the pushed image"),
        ("registry.example.com/acme/web", "`registry.example.com/acme/web` is not the pushed image"),
        ("redis:7", "no container of the manifests has the pushed image"),
    ] {
        let findings = findings(image);
        assert!(findings.len() == 2 && findings[0].starts_with(&format!("{field}{expected}")), "{findings:#?}");
        assert!(findings[1].ends_with("errors: 1, warnings: 0"), "{findings:#?}");
    }
    assert_eq!(findings("$KUBE_DEPLOYMENT_IMAGE"), ["apps checked: web; errors: 0, warnings: 0"]);
    let tagged = findings("$KUBE_DEPLOYMENT_IMAGE:$KUBE_DEPLOYMENT_TAG");
    assert!(tagged.len() == 2 && tagged[0].contains("note: ") && tagged[0].contains("berth adds"), "{tagged:#?}");
}

#[test]
fn app_whose_manifests_have_no_container_is_named() {
    let folder = Folder::new();
    folder.write("web/core/web.yaml", "");
    let findings = folder.findings();
    let expected = "web.yaml: no container of the manifests has the pushed image";
    assert!(findings.iter().any(|finding| finding.starts_with(expected)), "{findings:#?}");
}

#[test]
fn a_gate_on_a_workload_that_is_not_there_is_shown_where_it_is_written() {
    let folder = Folder::new();
    folder.change("web.yaml", "workload: $KUBE_APP", "workload: nobody");
    let findings = folder.findings();
    let expected = "web.yaml:16: preview.gates[0].http.workload: `nobody` is not a Deployment";
    assert!(findings.iter().any(|finding| finding.contains(expected)), "{findings:#?}");
}

#[test]
fn the_answer_for_scripts_has_the_same_in_json() {
    let folder = Folder::new();
    folder.change("web.yaml", "config: production,", "config: preview,");
    folder.change("web.yaml", "gates:\n    - name: web\n      http: ", "gates: []\n  # ");
    folder.change("web.yaml", "app: web\n", "app: site\n");
    let (code, text) = folder.check(&["--output", "json"]);
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&answer["outcome"], &answer["exit_code"]), (&Value::from("passed"), &Value::from(0)));
    let json = &answer["data"];
    assert_eq!((code, &json["ok"], &json["apps"][0]), (0, &Value::from(true), &Value::from("site")), "{json:#}");
    let is = |field: &str, severity: &str| {
        let findings = json["findings"].as_array().unwrap();
        findings.iter().any(|f| f["field"] == field && f["severity"] == severity && f["line"].as_u64().unwrap() > 1)
    };
    assert!(
        is("app", "warning") && is("secrets.doppler.preview.config", "warning") && is("production", "note"),
        "{json:#}"
    );
}

#[test]
fn production_temporal_ui_without_a_login_is_a_warning() {
    let folder = Folder::new();
    for (host, ui) in [("pr-{pr}.example.com", "pr-{pr}-ui.example.com"), ("web.example.com", "ui.example.com")] {
        let host = format!("  host: {host}\n");
        folder.change("web.yaml", &host, &format!("{host}  temporal_ui_host: {ui}\n"));
    }
    let warnings = |folder: &Folder| {
        let findings = folder.findings();
        findings.into_iter().filter(|finding| finding.contains("temporal_ui_host")).collect::<Vec<_>>()
    };
    assert!(
        warnings(&folder).iter().all(|warning| warning.contains("no Ingress has the host")),
        "{:?}",
        warnings(&folder)
    );
    let ingress = |annotations: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: ui\n  annotations: {{{annotations}}}\nspec:\n  rules:\n    \
             - host: $KUBE_INGRESS_WORKER_HOSTNAME\n      http: {{ paths: [{{ path: /, pathType: Prefix, backend: {{ service: {{ name: ui, port: \
             {{ number: 8080 }} }} }} }}] }}\n"
        )
    };
    let pods = |image: &str| {
        format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: ui}}, spec: {{selector: {{app: ui}}, ports: [{{port: 8080}}]}}}}\n---\n\
             apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: ui}}\nspec:\n  selector: {{matchLabels: {{app: ui}}}}\n  \
             template: {{metadata: {{labels: {{app: ui}}}}, spec: {{containers: [{{name: page, image: \"{image}\"}}]}}}}\n"
        )
    };
    folder.write("web/shared/ui.yaml", &ingress(""));
    folder.write("web/shared/ui-pods.yaml", &pods("grafana/grafana:12"));
    assert_eq!(warnings(&folder), Vec::<String>::new(), "another dashboard");
    folder.write("web/shared/ui-pods.yaml", &pods("temporalio/ui:2.40"));
    let found = warnings(&folder);
    assert!(found.len() == 1 && found[0].contains("production.temporal_ui_host: is open to everyone"), "{found:?}");
    folder.write("web/shared/ui.yaml", &ingress("nginx.ingress.kubernetes.io/auth-url: https://auth.example.com"));
    assert_eq!(warnings(&folder), Vec::<String>::new());
}

#[test]
fn no_folder_is_a_mistake_of_the_caller() {
    let output = Command::new(BERTH).args(["check", "/nonexistent", "--output", "json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&answer["outcome"], &answer["exit_code"]), (&Value::from("usage"), &Value::from(2)));
}

#[test]
fn manifests_that_no_release_can_store_are_an_error() {
    // A linear congruential generator: no compression makes it much smaller.
    let mut state = 1_u64;
    let mut noise = |bytes: usize| -> String {
        let next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'a' + ((state >> 40) % 26) as u8)
        };
        std::iter::repeat_with(next).take(bytes).collect()
    };
    for (files, expected) in [(2, 0), (10, 1)] {
        let folder = Folder::new();
        for n in 0..files {
            let text = noise(700_000);
            let map =
                format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: large-{n}}}\ndata: {{file: {text}}}\n");
            folder.write(&format!("web/shared/large-{n}.yaml"), &map);
        }
        let errors = folder.findings().into_iter().filter(|line| line.contains("berth stores at most 4 MB"));
        assert_eq!(errors.count(), expected, "{files} files");
    }
}
