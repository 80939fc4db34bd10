//! App files that change, go, or clash while environments live.

use std::process::Command;

use serde_json::json;

use super::own_apps::OwnApps;
use crate::BERTH;

#[test]
fn edited_or_deleted_app_file_redirects_nothing_until_the_close() {
    let own = OwnApps::start(312);
    let berth = &own.berth;
    assert_eq!(berth.push('1', &berth.lab.image("v1"), &[]).json["url"], "http://pr-312.localhost");
    own.edit("web.yaml", "namespace: pr-{pr}", "namespace: moved-{pr}");
    own.edit("web.yaml", "host: pr-{pr}.localhost", "host: moved-{pr}.localhost");
    let again = berth.push('2', &berth.lab.image("v2"), &[]);
    assert_eq!(
        (again.json["outcome"].as_str(), again.json["url"].as_str()),
        (Some("live"), Some("http://pr-312.localhost"))
    );
    let moved = || berth.kubectl(&["get", "namespace", "moved-312", "--ignore-not-found", "-o", "name"]);
    assert_eq!(moved(), "");

    let text = std::fs::read_to_string(own.apps().join("web.yaml")).unwrap();
    own.remove("web.yaml");
    let closed = berth.preview("close", &[]);
    assert_eq!((closed.code, closed.data["gone"].clone()), (0, json!(["Namespace/pr-312"])), "{closed:?}");
    assert_eq!(berth.object("namespace", "pr-312"), None);

    own.write("web.yaml", &text);
    let next = berth.push('3', &berth.lab.image("v3"), &[]);
    assert_eq!(next.json["url"], "http://moved-312.localhost", "{next:?}");
    assert_eq!(berth.preview("close", &[]).data["gone"], json!(["Namespace/moved-312"]));
    assert_eq!(moved(), "");
}

#[test]
fn two_apps_that_clash_are_refused_by_the_worker_and_by_check() {
    let own = OwnApps::start(313);
    // A file need not be named after its app.
    let web = std::fs::read_to_string(own.apps().join("web.yaml")).unwrap();
    let other = web.replace("app: web\n", "app: other\n").replace("localhost", "other.localhost");
    own.write("second.yaml", &other.replace("web-production", "other-production"));
    let refused = own.berth.push('1', &own.berth.lab.image("v1"), &[]);
    let verdict = &refused.json["verdict"];
    assert_eq!((refused.code, verdict["failure"].as_str()), (1, Some("ManifestInvalid")), "{refused:?}");
    let message = verdict["message"].as_str().unwrap();
    assert!(message.contains("preview.namespace") && message.contains("`other` (second.yaml)"), "{message}");
    assert_eq!(own.berth.object("namespace", "pr-313"), None, "nothing was made");

    let check = Command::new(BERTH).arg("check").arg(own.apps()).output().unwrap();
    let found = String::from_utf8_lossy(&check.stdout).into_owned();
    assert_eq!(check.status.code(), Some(1), "{found}");
    assert!(
        found.contains("web.yaml") && found.contains("second.yaml") && found.contains("preview.namespace"),
        "{found}"
    );

    own.edit("second.yaml", "namespace: pr-{pr}", "namespace: other-pr-{pr}");
    let answer = own.berth.push('2', &own.berth.lab.image("v1"), &[]);
    assert_eq!(answer.json["outcome"], "live", "{answer:?}");
    assert_eq!(own.berth.preview("close", &[]).code, 0);
}
