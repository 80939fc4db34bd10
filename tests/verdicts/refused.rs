//! Releases that berth, Doppler or the API server refuses before there is a pod.

use std::time::Instant;

use berth_lab::Lab;
use berth_test_support::until;
use serde_json::json;

use crate::{
    SOON, app,
    case::{Case, row},
    doppler, with_secrets,
};

pub(crate) fn an_object_that_an_admission_policy_refuses_is_denied(lab: &Lab) {
    let case = Case::start(lab, 220, app("admission", lab)).serving();
    let rules = json!({
        "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["deployments"],
    });
    let validation = json!({ "expression": "object.spec.replicas > 1", "message": "two replicas or more" });
    let violates = ["annotate", "deployment", "admission-pr-220", "-n", "admission-pr-220", "a=b", "--dry-run=server"];
    let case = case.with_admission_policy(&rules, &validation, &violates);
    let reported = case.fails("AdmissionDenied", "policy of the cluster refuses the Deployment", SOON);
    reported.names(&["Deployment/admission-pr-220", "berth-verdicts-220", "two replicas or more"]);
}

pub(crate) fn a_field_that_cannot_be_changed_is_named(lab: &Lab) {
    let case = Case::start(lab, 222, app("immutable", lab)).serving();
    let labels = json!({ "app": "$KUBE_APP", "tier": "web" });
    let case = case.then(|app| {
        app.deployment("/spec/selector/matchLabels", labels.clone())
            .deployment("/spec/template/metadata/labels", labels)
    });
    let reported = case.fails("FieldImmutable", "another selector in the second push", SOON);
    reported.names(&["Deployment/immutable-pr-222", "spec.selector", "field is immutable"]);
}

/// `berth` derives the id itself, so only a workflow started by hand can have another.
pub(crate) fn an_input_under_another_id_is_invalid(lab: &Lab) {
    let case = Case::start(lab, 223, app("input", lab));
    let started = Instant::now();
    let id = "preview-input-223-other";
    let input = r#"{"app":"input","pr":223}"#;
    let queue = ["--task-queue", &case.berth.commands.task_queue];
    let start = ["workflow", "start", "--type", "PreviewEnvironment", "--workflow-id", id, "--input", input];
    case.berth.temporal(&[&start[..], &queue[..]].concat());
    let show = || case.berth.temporal(&["workflow", "show", "--workflow-id", id, "-o", "json"]);
    until("it has ended", || show().contains("WORKFLOW_EXECUTION_FAILED"));
    let history: serde_json::Value = serde_json::from_str(&show()).unwrap();
    let last = history["events"].as_array().unwrap().last().unwrap();
    let failure = &last["workflowExecutionFailedEventAttributes"]["failure"];
    assert_eq!(failure["applicationFailureInfo"]["type"], "InvalidInput", "{failure:#}");
    let line = failure["message"].as_str().unwrap();
    assert!(line.contains("must have the id preview-input-223"), "{line}");
    row("InvalidInput", "started under another id than the input's", started.elapsed(), line);
}

pub(crate) fn an_app_that_nobody_described_is_unknown(lab: &Lab) {
    let case = Case::start(lab, 224, app("unknown", lab));
    case.forget_app();
    let reported = case.fails("UnknownApp", "no file of that app", SOON);
    reported.names(&["no app has the name unknown", "unknown.yaml"]);
}

pub(crate) fn an_image_of_another_repository_is_not_allowed(lab: &Lab) {
    let case = Case::start(lab, 225, app("not-allowed", lab)).serving();
    let image = format!("registry.example.com/other/web:1@sha256:{}", "0".repeat(64));
    let reported = case.fails_with(&image, "ImageNotAllowed", "repository that is not on the app's list", SOON);
    reported.names(&["registry.example.com/other/web", "not-allowed", "`images`"]);
}

pub(crate) fn a_manifest_with_an_unknown_variable_is_invalid(lab: &Lab) {
    let case = Case::start(lab, 226, app("manifest", lab)).serving();
    let case = case.then(|app| app.deployment("/metadata/annotations", json!({ "a": "$KUBE_DEPLOYMENT_TAGS" })));
    let reported = case.fails("ManifestInvalid", "variable that berth does not know", SOON);
    reported.names(&["core/web.yaml:", "`$KUBE_DEPLOYMENT_TAGS`", "`$KUBE_DEPLOYMENT_TAG`"]);
}

pub(crate) fn a_pod_that_wants_the_nodes_network_is_denied_by_policy(lab: &Lab) {
    let case = Case::start(lab, 227, app("policy", lab)).serving();
    let case = case.then(|app| app.pod("/hostNetwork", json!(true)));
    let reported = case.fails("PolicyDenied", "hostNetwork in a preview", SOON);
    reported.names(&["core/web.yaml:", "spec.template.spec.hostNetwork", "may not share its node's"]);
}

pub(crate) fn a_token_that_doppler_refuses_denies_the_secrets(lab: &Lab) {
    let case = Case::start(lab, 228, with_secrets(app("token", lab))).serving();
    let token = "doppler-token-preview-token";
    case.berth.kubectl(&["delete", "secret", token, "-n", "berth-system", "--ignore-not-found"]);
    let value = "--from-literal=serviceToken=dp.st.preview.not-a-token-of-this-doppler";
    case.berth.kubectl(&["create", "secret", "generic", token, "-n", "berth-system", value]);
    let case = case.then(|app| doppler(app, token));
    let reported = case.fails("SecretsDenied", "token that Doppler does not know", SOON);
    reported.names(&["project web, config preview", "Doppler refused", token]);
    case.berth.kubectl(&["delete", "secret", token, "-n", "berth-system"]);
}

pub(crate) fn a_doppler_that_does_not_answer_leaves_the_secrets_unavailable(lab: &Lab) {
    let unused = "http://127.0.0.1:9";
    let case = Case::start_with_doppler(lab, unused, 229, with_secrets(app("outage", lab)));
    let reported = case.fails("SecretsUnavailable", "nobody answers at Doppler's address", 200);
    reported.names(&["project web, config preview", "did not answer"]);
}

pub(crate) fn a_namespace_that_berth_has_not_made_is_denied(lab: &Lab) {
    let case = Case::start(lab, 230, app("foreign", lab));
    case.berth.kubectl(&["create", "namespace", "foreign-pr-230"]);
    let reported = case.fails("KubernetesDenied", "namespace that somebody else made", SOON);
    reported.names(&["foreign-pr-230", "kubectl label namespace foreign-pr-230"]);
}
