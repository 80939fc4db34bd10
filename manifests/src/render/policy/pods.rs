//! Rules for a pod's access to its node: Kubernetes' Pod Security level "baseline", and further fields that an environment
//! does not need.
//!
//! Source of the lists: <https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline> of Kubernetes 1.34.
//! The Pod Security label of the namespace applies as well. These rules report a violation earlier, with file and line.

use serde_json::Value;

use super::{
    ObjectReport,
    metadata::{is_empty, is_set},
};
use crate::render::{image_field::CONTAINER_LISTS, object::Object, template::child};

/// Types of volume that hold data of the pod or objects of the environment. All others reach a node's disk or another server.
/// A `csi` volume in a pod reaches everything that its driver does, without a claim.
const VOLUMES: [&str; 8] =
    ["configMap", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret"];

/// The capabilities of "baseline".
const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// The kernel settings of "baseline", which affect only the pod.
const SYSCTLS: [&str; 10] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_syncookies",
];

/// Paths of pod templates, as JSON pointers and as fields.
const TEMPLATES: [(&str, &str); 2] =
    [("/spec/template", "spec.template"), ("/spec/jobTemplate/spec/template", "spec.jobTemplate.spec.template")];

/// The pod templates of an object, with the path of each.
pub(in crate::render) fn templates(object: &Object) -> impl Iterator<Item = (&Value, &'static str)> {
    TEMPLATES.into_iter().filter_map(|(pointer, path)| Some((object.document.pointer(pointer)?, path)))
}

/// The pod specs of an object, with the path of each.
pub(in crate::render) fn specs(object: &Object) -> impl Iterator<Item = (&Value, String)> {
    templates(object).filter_map(|(template, path)| Some((template.get("spec")?, format!("{path}.spec"))))
}

/// The field that names the `ServiceAccount` of a pod, and its name. `serviceAccount` is the old field.
pub(in crate::render) fn account(spec: &Value) -> Option<(&'static str, &str)> {
    let named = ["serviceAccountName", "serviceAccount"].into_iter();
    let mut named = named.filter_map(|field| Some((field, spec.get(field)?.as_str()?)));
    named.find(|(_, name)| !name.is_empty())
}

/// The containers of a pod, with the path of each.
pub(in crate::render) fn containers<'a>(spec: &'a Value, path: &str) -> impl Iterator<Item = (&'a Value, String)> {
    CONTAINER_LISTS.into_iter().flat_map(move |list| {
        items(spec.get(list)).map(move |(index, container)| (container, format!("{path}.{list}[{index}]")))
    })
}

/// The claims of an object, with the path of each: itself, or the templates of a `StatefulSet`.
pub(in crate::render) fn claims(object: &Object) -> impl Iterator<Item = (&Value, String)> {
    let itself = (object.kind() == "PersistentVolumeClaim").then(|| (&object.document, String::new()));
    let templates = items(object.document.pointer("/spec/volumeClaimTemplates"))
        .map(|(index, claim)| (claim, format!("spec.volumeClaimTemplates[{index}]")));
    itself.into_iter().chain(templates)
}

/// The rules for pod templates and volume claims.
pub(super) fn check(report: &mut ObjectReport<'_>) {
    let object = report.object;
    for (template, path) in templates(object) {
        check_apparmor_annotations(report, template, path);
    }
    for (spec, path) in specs(object) {
        check_pod(report, spec, &path);
    }
    for (claim, path) in claims(object) {
        check_claim(report, claim, &path);
    }
}

fn check_pod(report: &mut ObjectReport<'_>, spec: &Value, path: &str) {
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        if spec.get(field).is_some_and(is_set) {
            report.refuse_in_preview(&child(path, field), "a pod may not share its node's namespaces");
        }
    }
    if spec.get("nodeName").is_some_and(|name| !is_empty(name)) {
        report.refuse_in_preview(&child(path, "nodeName"), "a pod may not bypass the scheduler; use `nodeSelector`");
    }
    let priority = spec.get("priorityClassName").and_then(Value::as_str);
    if priority.is_some_and(|class| class.starts_with("system-")) {
        report.refuse_in_preview(&child(path, "priorityClassName"), "is reserved for the cluster's components");
    }
    if let Some(context) = spec.get("securityContext") {
        let path = child(path, "securityContext");
        check_context(report, context, &path);
        for (index, sysctl) in items(context.get("sysctls")) {
            let name = sysctl.get("name").and_then(Value::as_str).unwrap_or_default();
            if !SYSCTLS.contains(&name) {
                report.refuse_in_preview(
                    &format!("{path}.sysctls[{index}]"),
                    format!("`{name}` is a setting of the node, not of the pod"),
                );
            }
        }
    }
    for (index, volume) in items(spec.get("volumes")) {
        check_volume(report, volume, &format!("{path}.volumes[{index}]"));
    }
    for (container, path) in containers(spec, path) {
        check_container(report, container, &path);
    }
}

fn check_volume(report: &mut ObjectReport<'_>, volume: &Value, path: &str) {
    for (source, value) in volume.as_object().into_iter().flatten().filter(|(key, _)| *key != "name") {
        if value.is_null() {
            continue;
        }
        if !VOLUMES.contains(&source.as_str()) {
            let message = format!("a volume may not be a `{source}`; allowed are: {}", VOLUMES.join(", "));
            report.refuse_in_preview(&child(path, source), message);
        }
        if let Some(claim) = value.get("volumeClaimTemplate") {
            check_claim(report, claim, &format!("{path}.{source}.volumeClaimTemplate"));
        }
    }
}

/// Refuses a claim on data of another namespace.
fn check_claim(report: &mut ObjectReport<'_>, claim: &Value, path: &str) {
    let path = child(path, "spec");
    if claim.pointer("/spec/dataSourceRef/namespace").is_some_and(|namespace| !is_empty(namespace)) {
        report.refuse_in_preview(&format!("{path}.dataSourceRef.namespace"), "must not be another namespace");
    }
}

fn check_container(report: &mut ObjectReport<'_>, container: &Value, path: &str) {
    if let Some(context) = container.get("securityContext") {
        check_context(report, context, &child(path, "securityContext"));
    }
    for (index, port) in items(container.get("ports")) {
        if port.get("hostPort").is_some_and(|port| is_set(port) && port != 0) {
            report
                .refuse_in_preview(&format!("{path}.ports[{index}].hostPort"), "a pod may not use a port of its node");
        }
    }
    for handler in ["livenessProbe", "readinessProbe", "startupProbe", "lifecycle/postStart", "lifecycle/preStop"] {
        for action in ["httpGet", "tcpSocket"] {
            let host = container.pointer(&format!("/{handler}/{action}/host"));
            if host.is_some_and(|host| !is_empty(host)) {
                let field = format!("{path}.{}.{action}.host", handler.replace('/', "."));
                report
                    .refuse_in_preview(&field, "the node would connect to that host; remove it to connect to the pod");
            }
        }
    }
}

/// The rules that the security contexts of pods and containers share.
fn check_context(report: &mut ObjectReport<'_>, context: &Value, path: &str) {
    if context.get("privileged").is_some_and(is_set) {
        report.refuse_in_preview(&child(path, "privileged"), "a privileged container controls its node");
    }
    for (index, capability) in items(context.pointer("/capabilities/add")) {
        let name = capability.as_str().unwrap_or_default();
        if !CAPABILITIES.contains(&name.strip_prefix("CAP_").unwrap_or(name)) {
            let field = format!("{path}.capabilities.add[{index}]");
            report.refuse_in_preview(&field, format!("the capability `{name}` reaches beyond the container"));
        }
    }
    if context.get("procMount").is_some_and(|mount| !is_empty(mount) && mount != "Default") {
        report.refuse_in_preview(&child(path, "procMount"), "must be `Default`");
    }
    for profile in ["seccompProfile", "appArmorProfile"] {
        if context.pointer(&format!("/{profile}/type")).is_some_and(|kind| kind == "Unconfined") {
            report.refuse_in_preview(&format!("{path}.{profile}.type"), "a pod may not run unconfined");
        }
    }
    if context.pointer("/windowsOptions/hostProcess").is_some_and(is_set) {
        report.refuse_in_preview(
            &format!("{path}.windowsOptions.hostProcess"),
            "a pod may not run as a process of its node",
        );
    }
    check_selinux(report, context, path);
}

fn check_selinux(report: &mut ObjectReport<'_>, context: &Value, path: &str) {
    let Some(options) = context.get("seLinuxOptions") else { return };
    let container_types = ["container_t", "container_init_t", "container_kvm_t", "container_engine_t"];
    let kind = options.get("type").and_then(Value::as_str).unwrap_or_default();
    let names_a_user = ["user", "role"].iter().any(|field| options.get(field).is_some_and(|value| !is_empty(value)));
    if names_a_user || !(kind.is_empty() || container_types.contains(&kind)) {
        report
            .refuse_in_preview(&child(path, "seLinuxOptions"), "may have only a `level`, or the `type` of a container");
    }
}

fn check_apparmor_annotations(report: &mut ObjectReport<'_>, template: &Value, path: &str) {
    let annotations = template.pointer("/metadata/annotations").and_then(Value::as_object);
    for (key, value) in annotations.into_iter().flatten() {
        if key.starts_with("container.apparmor.security.beta.kubernetes.io/") && value == "unconfined" {
            let field = child(&format!("{path}.metadata.annotations"), key);
            report.refuse_in_preview(&field, "a pod may not run unconfined");
        }
    }
}

/// The items of a list, with their index.
pub(in crate::render) fn items(list: Option<&Value>) -> impl Iterator<Item = (usize, &Value)> {
    list.and_then(Value::as_array).into_iter().flatten().enumerate()
}
