//! What pods refer to: Secrets, `ConfigMaps`, claims and `ServiceAccounts`.

use serde_json::Value;

use super::{Report, text};
use crate::render::{object::Object, policy::pods};

pub(super) fn check(report: &mut Report<'_>, object: &Object) {
    for (spec, path) in pods::specs(object) {
        if let Some((field, account)) = pods::account(spec) {
            report.require(object, &format!("{path}.{field}"), "ServiceAccount", account);
        }
        for (index, secret) in pods::items(spec.get("imagePullSecrets")) {
            report.require(object, &format!("{path}.imagePullSecrets[{index}]"), "Secret", text(secret, "name"));
        }
        for (index, volume) in pods::items(spec.get("volumes")) {
            check_volume(report, object, volume, &format!("{path}.volumes[{index}]"));
        }
        for (container, path) in pods::containers(spec, &path) {
            check_container(report, object, container, &path);
        }
    }
    if object.kind() == "ServiceAccount" {
        for (index, secret) in pods::items(object.document.get("imagePullSecrets")) {
            report.require(object, &format!("imagePullSecrets[{index}]"), "Secret", text(secret, "name"));
        }
    }
}

fn check_volume(report: &mut Report<'_>, object: &Object, volume: &Value, path: &str) {
    if let Some(claim) = volume.get("persistentVolumeClaim") {
        let field = format!("{path}.persistentVolumeClaim.claimName");
        report.require(object, &field, "PersistentVolumeClaim", text(claim, "claimName"));
    }
    check_source(report, object, volume, path, "secretName");
    for (index, source) in pods::items(volume.pointer("/projected/sources")) {
        check_source(report, object, source, &format!("{path}.projected.sources[{index}]"), "name");
    }
}

/// Checks a source of files. `name_of_secret` is the field with a Secret's name.
fn check_source(report: &mut Report<'_>, object: &Object, source: &Value, path: &str, name_of_secret: &str) {
    for (field, kind, name) in [("secret", "Secret", name_of_secret), ("configMap", "ConfigMap", "name")] {
        let Some(source) = source.get(field).filter(|source| !is_optional(source)) else { continue };
        report.require(object, &format!("{path}.{field}.{name}"), kind, text(source, name));
        for (index, item) in pods::items(source.get("items")) {
            let path = format!("{path}.{field}.items[{index}].key");
            require_key(report, object, &path, kind, text(source, name), text(item, "key"));
        }
    }
}

fn check_container(report: &mut Report<'_>, object: &Object, container: &Value, path: &str) {
    for (index, source) in pods::items(container.get("envFrom")) {
        for (field, kind) in [("secretRef", "Secret"), ("configMapRef", "ConfigMap")] {
            if let Some(source) = source.get(field).filter(|source| !is_optional(source)) {
                report.require(object, &format!("{path}.envFrom[{index}].{field}.name"), kind, text(source, "name"));
            }
        }
    }
    for (index, variable) in pods::items(container.get("env")) {
        for (field, kind) in [("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")] {
            let source = variable.pointer(&format!("/valueFrom/{field}"));
            if let Some(source) = source.filter(|source| !is_optional(source)) {
                let path = format!("{path}.env[{index}].valueFrom.{field}");
                report.require(object, &format!("{path}.name"), kind, text(source, "name"));
                require_key(report, object, &format!("{path}.key"), kind, text(source, "name"), text(source, "key"));
            }
        }
    }
}

/// Reports a key that an object of the release does not have.
fn require_key(report: &mut Report<'_>, object: &Object, field: &str, kind: &str, name: &str, key: &str) {
    let Some(target) = report.find(kind, name) else { return };
    let has_key = ["data", "stringData", "binaryData"]
        .iter()
        .any(|field| target.document.get(*field).is_some_and(|data| data.get(key).is_some()));
    if !has_key {
        report.error(object, field, format!("the {kind} `{name}` of the manifests has no key `{key}`"));
    }
}

fn is_optional(source: &Value) -> bool {
    source.get("optional").is_some_and(|optional| optional == true)
}
