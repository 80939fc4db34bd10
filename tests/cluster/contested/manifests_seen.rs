//! What people see of manifests before a push: `berth render --diff` and `berth check --cluster`; and kinds that only the app file
//! allows.

use std::process::Command;

use berth_test_support::{Answer, commit};
use serde_json::Value;

use super::own_apps::OwnApps;
use crate::BERTH;

/// A kind of the cluster's own, as operators bring them.
const DEFINITION: &str = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: monitors.oracle.example.com}
spec:
  group: oracle.example.com
  scope: Namespaced
  names: {kind: Monitor, plural: monitors, singular: monitor}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

impl OwnApps {
    fn command(&self, arguments: &[&str]) -> (i32, Value) {
        let output = Command::new(BERTH)
            .env("KUBECONFIG", self.berth.lab.kubeconfig())
            .args(arguments)
            .args(["--output", "json"])
            .arg(self.apps())
            .output()
            .unwrap();
        let answer = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code().unwrap(), answer)
    }

    fn difference(&self, pr: &str, digit: char, version: &str) -> Value {
        let (image, commit) = (self.berth.lab.image(version), commit(digit).to_string());
        let arguments = ["render", "--diff", "--app", "web", "--pr", pr, "--image", &image, "--commit", &commit];
        let (code, answer) = self.command(&arguments);
        assert_eq!(code, 0, "{answer}");
        answer
    }

    fn push(&self, digit: char, version: &str) -> Answer {
        self.berth.push(digit, &self.berth.lab.image(version), &[])
    }
}

/// The names of the objects with this change.
fn names<'a>(answer: &'a Value, change: &str) -> Vec<&'a str> {
    let objects = answer["data"]["objects"].as_array().unwrap();
    objects.iter().filter(|object| object["change"] == change).map(|object| object["name"].as_str().unwrap()).collect()
}

#[test]
fn difference_shows_what_a_push_would_change_and_nothing_else() {
    let own = OwnApps::start(221);
    let before = own.difference("221", '1', "v1");
    assert_eq!((before["outcome"].as_str(), names(&before, "created").len()), (Some("differs"), 4), "{before}");
    assert_eq!(own.push('1', "v1").json["outcome"], "live");
    assert_eq!(own.difference("221", '1', "v1")["outcome"], "same");

    let other = own.difference("221", '1', "v2");
    assert_eq!(names(&other, "changed"), ["Deployment/web-pr-221"], "{other}");
    assert_eq!(own.berth.preview("close", &[]).code, 0);
}

#[test]
fn further_kinds_are_applied_pruned_and_explained() {
    let own = OwnApps::start(222);
    let definition = own.apps().join("definition.txt");
    own.write("definition.txt", DEFINITION);
    own.berth.kubectl(&["apply", "-f", definition.to_str().unwrap()]);
    own.remove("definition.txt");
    let monitor = "apiVersion: oracle.example.com/v1\nkind: Monitor\nmetadata: {name: web}\nspec: {port: http}\n";
    own.write("web/core/monitor.yaml", monitor);
    let refused = own.push('1', "v1");
    assert_eq!(refused.json["verdict"]["failure"], "PolicyDenied", "{refused:?}");

    let kinds = "kinds: [{ api_version: oracle.example.com/v1, kind: Monitor }]\n";
    own.edit("web.yaml", "manifests: ./web\n", &format!("manifests: ./web\n{kinds}"));
    let (code, found) = own.command(&["check", "--cluster"]);
    let rule = "lacks the rule {apiGroups: [oracle.example.com], resources: [monitors], verbs: [get";
    // The lab's worker is the cluster's administrator; berth's roles are there only where a test has installed them.
    assert!(code == 0 || found.to_string().contains(rule), "{found}");
    assert_eq!(own.push('2', "v1").json["outcome"], "live");
    let monitors = || own.berth.kubectl(&["get", "monitors.oracle.example.com", "-n", "pr-222", "-o", "name"]);
    assert_eq!(monitors().trim(), "monitor.oracle.example.com/web");

    own.remove("web/core/monitor.yaml");
    assert_eq!(own.push('3', "v1").json["outcome"], "live");
    assert_eq!(monitors(), "");
    own.write("web/core/monitor.yaml", &monitor.replace("v1\nkind: Monitor", "v1\nkind: Nothing"));
    own.edit("web.yaml", "kind: Monitor", "kind: Nothing");
    let (code, found) = own.command(&["check", "--cluster"]);
    assert!(
        code == 1 && found.to_string().contains("the cluster has no kind Nothing of oracle.example.com/v1"),
        "{found}"
    );
    let missing = own.push('4', "v1");
    assert_eq!(missing.json["verdict"]["failure"], "ManifestInvalid", "{missing:?}");
    assert_eq!(own.berth.preview("close", &[]).code, 0);
    own.berth.kubectl(&["delete", "customresourcedefinition", "monitors.oracle.example.com"]);
}
