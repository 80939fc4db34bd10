//! A rollout by hand, as the script did that berth replaces, of the objects that berth has rolled out.

use std::io::Read as _;

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::person::Person;

/// The newest stored release of the namespace `own`, and its Secret, for another namespace.
pub(crate) fn objects(person: &Person, own: &str, namespace: &str) -> Result<Vec<Value>> {
    let list = |content: &str| -> Result<Vec<Value>> {
        let selector = format!("berth.dev/content={content}");
        let order = "--sort-by=.metadata.creationTimestamp";
        let text = person.kubectl(&["get", "secrets", "-n", own, "-l", &selector, order, "-o", "json"])?;
        let list: Value = serde_json::from_str(&text)?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    };
    let stored = list("release")?.pop().context("the environment has no stored release")?;
    let packed = STANDARD.decode(stored["data"]["release.json.gz"].as_str().unwrap_or_default())?;
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut text)?;
    let release: Value = serde_json::from_str(&text)?;
    let mut objects = release["objects"].as_array().cloned().unwrap_or_default();
    for secret in list("secrets")? {
        objects.insert(
            0,
            json!({"apiVersion": "v1", "kind": "Secret", "data": secret["data"],
                "metadata": {"name": secret["metadata"]["name"]}}),
        );
    }
    for object in &mut objects {
        object["metadata"]["namespace"] = json!(namespace);
    }
    Ok(objects)
}

/// Rolls out with `kubectl apply` and `kubectl rollout status`, as the script did that berth replaces.
pub(crate) fn by_hand(person: &Person, namespace: &str, objects: &[Value]) -> Result<()> {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
    person.kubectl_with_input(&["apply", "-f", "-"], &list)?;
    let deployments: Vec<_> = objects.iter().filter(|object| object["kind"] == "Deployment").collect();
    ensure!(!deployments.is_empty(), "there is nothing to wait for");
    for deployment in deployments {
        let name = format!("deployment/{}", deployment["metadata"]["name"].as_str().unwrap_or_default());
        person.kubectl(&["rollout", "status", &name, "-n", namespace, "--timeout=60s"])?;
    }
    Ok(())
}
