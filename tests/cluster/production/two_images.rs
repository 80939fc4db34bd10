//! A release of two images and a variable, on real pods.

use berth_lab::Lab;
use berth_test_support::lab_production::{LabProduction, web};
use serde_json::{Value, json};

use super::assert_ended;
use crate::BERTH;

const WORKER: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: worker}
spec:
  selector: {matchLabels: {app: worker}}
  template:
    metadata: {labels: {app: worker}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: worker
        image: $WORKER_IMAGE
        env: [{name: FLAGS, value: $FLAGS}]
        readinessProbe: {httpGet: {path: /api/health, port: 8080}, periodSeconds: 1}
";

/// The image and the flags of the worker's Deployment.
fn worker(production: &LabProduction) -> (String, String) {
    let field =
        |path: &str| production.field("deployment/worker", &format!("{{.spec.template.spec.containers[0].{path}}}"));
    (field("image"), field("env[0].value"))
}

fn release(production: &LabProduction, digit: char, image: &str, flags: &str) -> berth_test_support::Answer {
    let worker = format!("WORKER={}", production.lab.image(image));
    production.release(digit, "v1", &["--image", &worker, "--set", &format!("FLAGS={flags}")])
}

#[test]
fn release_of_two_images_serves_fails_and_returns_as_a_whole() {
    let lab = Lab::shared().unwrap();
    let names = format!(
        "named_images: {{ WORKER: \"{}/acme/web\" }}\npush_variables: {{ FLAGS: {{ example: a }} }}\n",
        lab.registry()
    );
    let (v1, v2) = (lab.image("v1"), lab.image("v2"));
    let manifests = [("core/web.yaml", &*web()), ("core/worker.yaml", WORKER)];
    let production = LabProduction::start_on(lab, BERTH, "p-two", &names, &manifests);

    assert_ended(&release(&production, '1', "v2", "a,b"), 0, "live");
    assert_eq!(worker(&production), (v2.clone(), "a,b".to_owned()));
    let main = production.field("deployment/web", "{.spec.template.spec.containers[0].image}");
    assert_eq!(main.split('@').next_back(), v1.split('@').next_back());
    let serving = production.status()["serving"].clone();
    assert_eq!((&serving["images"], &serving["variables"]), (&json!({"WORKER": v2}), &json!({"FLAGS": "a,b"})));

    let missing = production.release('2', "v1", &["--set", "FLAGS=a"]);
    assert_ended(&missing, 1, "failed");
    assert_eq!(missing.json["verdict"]["failure"], "ManifestInvalid", "{missing:#?}");
    let message = missing.json["verdict"]["message"].as_str().unwrap();
    assert!(message.contains("core/worker.yaml:12") && message.contains("needs the image `WORKER`"), "{message}");

    let crash = release(&production, '3', "crash", "c");
    assert_ended(&crash, 1, "rolled_back");
    assert_eq!(crash.json["verdict"]["failure"], "CrashLoop", "{crash:#?}");
    assert_eq!(worker(&production), (v2, "a,b".to_owned()), "the images and variables that served before");

    assert_ended(&release(&production, '4', "v3", "d"), 0, "live");
    assert_ended(&production.berth("redeploy", &["--by", "ops"]), 0, "live");
    assert_eq!(worker(&production), (production.lab.image("v3"), "d".to_owned()));
    assert_ne!(production.status()["rollouts"], Value::Null);
}
