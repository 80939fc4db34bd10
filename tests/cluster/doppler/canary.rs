//! Secret values must not leak: each form of them is searched for in histories, `status`, details, logs, metrics and
//! verdicts, also after failures, which repeat the messages of others.

mod forms;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Command,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use berth_lab::Failure;
use berth_test_support::until;
use forms::{ODD, PLAIN, base64, forms, hexadecimal, json_escaped, percent};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::bench::Bench;

/// Appends the decoded payloads of a history: the values of all fields `data`.
fn decoded(value: &Value, into: &mut String) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if let (true, Some(bytes)) = (key == "data", value.as_str().and_then(|text| STANDARD.decode(text).ok()))
                {
                    into.push_str(&String::from_utf8_lossy(&bytes));
                    into.push('\n');
                }
                decoded(value, into);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| decoded(item, into)),
        _ => {}
    }
}

/// The worker's metrics.
fn metrics(bench: &Bench) -> String {
    let mut stream = TcpStream::connect(bench.worker.metrics_address()).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: berth\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Everything of an environment that is readable without rights to Secrets, each with its name.
fn readable(bench: &Bench, app: &str, pr: u64) -> Vec<(String, String)> {
    let id = format!("preview-{app}-{pr}");
    let mut texts = vec![
        ("status".to_owned(), bench.status(app, pr).to_string()),
        ("the worker's log".to_owned(), bench.worker.log()),
        ("the worker's metrics".to_owned(), metrics(bench)),
    ];
    assert!(texts[2].1.contains("berth_rollouts_total"), "{}", texts[2].1);
    // Found by the search attribute, runs before a retry or a reset are included.
    let ids = bench.temporal(&["workflow", "list", "--query", &format!("BerthApp = '{app}'"), "-o", "json"]);
    let ids: Value = serde_json::from_str(&ids).unwrap();
    let ids: Vec<&str> =
        ids.as_array().unwrap().iter().filter_map(|found| found["execution"]["workflowId"].as_str()).collect();
    assert!(ids.contains(&id.as_str()) && ids.len() > 1, "{ids:?}");
    for id in ids {
        let show = bench.temporal(&["workflow", "show", "--workflow-id", id, "-o", "json"]);
        let raw =
            bench.temporal(&["workflow", "show", "--workflow-id", id, "-o", "json", "--no-json-shorthand-payloads"]);
        let mut payloads = String::new();
        decoded(&serde_json::from_str(&raw).unwrap(), &mut payloads);
        assert!(payloads.contains(app), "the payloads of {id} are decoded");
        let details = bench.temporal(&["workflow", "describe", "--workflow-id", id, "-o", "json", "--raw"]);
        let metadata =
            bench.temporal(&["workflow", "query", "--workflow-id", id, "--type", "__temporal_workflow_metadata"]);
        for (what, text) in [
            ("history", show),
            ("raw history", raw),
            ("payloads", payloads),
            ("description", details),
            ("details", metadata),
        ] {
            texts.push((format!("{what} of {id}"), text));
        }
    }
    // Objects that berth made in the environment, without Secrets.
    let kinds = "resourcequotas,limitranges,networkpolicies,rolebindings,serviceaccounts";
    let namespace = format!("{app}-pr-{pr}");
    texts.push((
        "objects".to_owned(),
        bench.kubectl(&["get", kinds, "-n", &namespace, "-o", "json", "--show-managed-fields"]),
    ));
    let namespace = bench.kubectl(&["get", "namespace", &namespace, "-o", "json", "--show-managed-fields"]);
    texts.push(("the namespace".to_owned(), namespace));
    // The Secrets without their data: names, annotations, managed fields.
    let secrets = "go-template={{range .items}}{{.metadata}}{{end}}";
    texts.push((
        "the Secrets' metadata".to_owned(),
        bench.kubectl(&["get", "secrets", "-A", "-o", secrets, "--show-managed-fields"]),
    ));
    texts
}

fn leaks(texts: &[(String, String)], token: &str) -> Vec<String> {
    let forms = forms(token);
    let mut leaks = Vec::new();
    for (place, text) in texts {
        for (form, secret) in &forms {
            if let Some(at) = text.find(secret.as_str()) {
                let around =
                    |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
                leaks.push(format!("{form} in {place}: …{}…", &text[around(at.saturating_sub(120))..around(at + 120)]));
            }
        }
    }
    leaks
}

fn release(container: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  selector: {{matchLabels: {{app: web}}}}\n  \
         template:\n    metadata: {{labels: {{app: web}}}}\n    spec:\n      terminationGracePeriodSeconds: 1\n      \
         containers:\n{container}"
    )
}

fn container(name: &str, more: &str) -> String {
    format!(
        "      - name: {name}\n        image: $KUBE_DEPLOYMENT_IMAGE@$KUBE_DEPLOYMENT_DIGEST\n        \
         envFrom: [{{secretRef: {{name: $DOPPLER_MANAGED_SECRET_NAME}}}}]\n{more}"
    )
}

/// Manifests of a pod that logs the secrets and dies: the sample app logs its VERSION, and the second container finds the
/// port taken.
fn crashing_release() -> String {
    let logged = format!("$(PLAIN) $(ODD) {} {} {}", base64(ODD), percent(ODD), hexadecimal(ODD));
    let version = json!(format!("{logged} {}", json_escaped(ODD)));
    // Without a probe the container would be ready before it dies.
    let probe = "readinessProbe: {tcpSocket: {port: 8080}, initialDelaySeconds: 20}";
    let more = format!("        env: [{{name: VERSION, value: {version}}}]\n        {probe}\n");
    release(&(container("one", &more) + &container("two", &more)))
}

fn scenario(pr: u64, log_format: &str) {
    let (app, name) = (format!("d{pr}"), format!("berth-d{pr}"));
    let token = format!("dp.st.preview.canary-token-{pr}-9b1f");
    let bench = Bench::start(&name, &["--log-format", log_format]);
    bench.doppler.put(&app, "preview", &[("PLAIN", PLAIN), ("ODD", ODD)]);
    bench.doppler.bind(&token, &app, "preview");
    bench.token(&app, "serviceToken", &token);
    let manifests = |text: &str| bench.app(&app, "preview", "", &[("core/web.yaml", text)]);
    let image = bench.lab.image("v1");
    let failed = |digit: char| {
        let answer = bench.push(&app, pr, digit, &image);
        let verdict = answer.json["verdict"].clone();
        eprintln!("{pr} {digit}: {}", answer.json);
        (verdict["failure"].as_str().unwrap_or_default().to_owned(), verdict.to_string())
    };

    manifests(&release(&container("web", "")));
    let live = bench.push(&app, pr, '1', &image);
    assert_eq!(live.json["outcome"], "live", "{live:?}");

    if bench.lab.real_pods() {
        manifests(&crashing_release());
        let (failure, said) = failed('2');
        assert!(failure == "CrashLoop" && said.contains("*** listens on"), "{said}");

        manifests(&release(&container("web", "        command: [\"$(PLAIN)\", \"$(ODD)\"]\n")));
        let (failure, said) = failed('3');
        assert!(failure == "CrashLoop" && said.contains("***"), "{failure}: {said}");
    }

    // The API server repeats the invalid label that it refuses.
    let config = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x, labels: {{a: \"{PLAIN}/\"}}}}\n");
    manifests(&format!("{config}---\n{}", release(&container("web", ""))));
    let (failure, said) = failed('4');
    assert!(!failure.is_empty() && said.contains("***"), "{said}");

    // An admission policy may repeat the values of the Secret that berth makes.
    bench.doppler.put(&app, "preview", &[("PLAIN", PLAIN), ("ODD", ODD), ("MORE", "a new value, and so a new Secret")]);
    let policy = AdmissionPolicy::repeating_values(&bench, &format!("{app}-pr-{pr}"));
    until("the answer of before is old", || old_enough(&bench));
    let (failure, said) = failed('5');
    assert!(failure == "AdmissionDenied" && said.contains("***"), "{failure}: {said}");
    drop(policy);

    let echo = json!({"messages": [format!("Invalid token {token}")], "success": false}).to_string();
    for (digit, status) in [('6', 401), ('7', 400)] {
        bench.doppler.fail(
            &app,
            "preview",
            Some(Failure { status: Some(status), body: Some(echo.clone()), ..Failure::default() }),
        );
        until("the answer of before is old", || old_enough(&bench));
        let (failure, said) = failed(digit);
        assert!(failure == "SecretsDenied" && said.contains("Invalid token (token)"), "{failure}: {said}");
    }

    let texts = readable(&bench, &app, pr);
    assert!(texts.iter().any(|(_, text)| text.contains("sync_secrets")));
    let leaks = leaks(&texts, &token);
    eprintln!("{} texts, {} bytes", texts.len(), texts.iter().map(|(_, text)| text.len()).sum::<usize>());
    assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks.join("\n"));
    assert_eq!(bench.close(&app, pr).code, 0);
}

/// True if the cached answer is so old that a worker asks again.
fn old_enough(bench: &Bench) -> bool {
    super::cache(bench).is_none() || super::cache_age(bench).as_secs() >= 6
}

/// An admission policy that is in force until it is dropped.
struct AdmissionPolicy<'a>(&'a Bench);

impl Drop for AdmissionPolicy<'_> {
    fn drop(&mut self) {
        self.0.kubectl(&["delete", "validatingadmissionpolicybinding", &self.0.name]);
        self.0.kubectl(&["delete", "validatingadmissionpolicy", &self.0.name]);
    }
}

impl<'a> AdmissionPolicy<'a> {
    /// Makes a policy that refuses Secrets with Doppler's values in that namespace, and repeats the values.
    fn repeating_values(bench: &'a Bench, namespace: &str) -> Self {
        let rules = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": bench.name},
            "spec": {
                "matchConstraints": {"resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["secrets"]},
                ]},
                "validations": [{
                    "expression": "!has(object.data) || !('PLAIN' in object.data)",
                    "messageExpression": "'no: ' + object.data['PLAIN'] + ' ' + object.data['ODD']",
                }],
            },
        });
        let binding = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": bench.name},
            "spec": {
                "policyName": bench.name, "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}},
            },
        });
        apply(bench, &json!({"apiVersion": "v1", "kind": "List", "items": [rules, binding]}));
        let policy = Self(bench);
        let refused = || {
            let mut kubectl = Command::new(bench.lab.tool("kubectl"));
            kubectl.arg("--kubeconfig").arg(bench.lab.kubeconfig());
            kubectl.args([
                "create",
                "secret",
                "generic",
                "probe",
                "-n",
                namespace,
                "--from-literal=PLAIN=a",
                "--from-literal=ODD=a",
            ]);
            !kubectl.args(["--dry-run=server"]).output().unwrap().status.success()
        };
        until("the policy is in force", refused);
        policy
    }
}

fn apply(bench: &Bench, objects: &Value) {
    let file = NamedTempFile::new().unwrap();
    fs::write(file.path(), objects.to_string()).unwrap();
    bench.kubectl(&["apply", "--server-side", "--filename", file.path().to_str().unwrap()]);
}

#[test]
fn secret_values_are_in_no_text_with_a_text_log() {
    scenario(660, "text");
}

#[test]
fn secret_values_are_in_no_text_with_a_json_log() {
    scenario(661, "json");
}
