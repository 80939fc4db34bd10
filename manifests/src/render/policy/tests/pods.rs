//! Rules for a pod's access to its node.

use serde_json::{Value, json};

use super::*;

#[test]
fn pod_that_shares_its_node_is_refused() {
    for (spec, field) in [
        (json!({"hostNetwork": true}), "hostNetwork"),
        (json!({"hostPID": true}), "hostPID"),
        (json!({"hostIPC": "true"}), "hostIPC"),
        (json!({"nodeName": "node-1"}), "nodeName"),
        (json!({"priorityClassName": "system-node-critical"}), "priorityClassName"),
        (json!({"volumes": [{"name": "a", "hostPath": {"path": "/"}}]}), "volumes[0].hostPath"),
        (json!({"volumes": [{"name": "a", "csi": {"driver": "x"}}]}), "volumes[0].csi"),
        (json!({"volumes": [{"name": "a", "nfs": {"server": "x"}}]}), "volumes[0].nfs"),
        (
            json!({"volumes": [{"ephemeral": {"volumeClaimTemplate": {"spec": {"dataSourceRef": {"namespace": "x"}}}}}]}),
            "volumes[0].ephemeral.volumeClaimTemplate.spec.dataSourceRef.namespace",
        ),
        (json!({"securityContext": {"sysctls": [{"name": "kernel.msgmax"}]}}), "securityContext.sysctls[0]"),
        (json!({"securityContext": {"seccompProfile": {"type": "Unconfined"}}}), "securityContext.seccompProfile.type"),
        (
            json!({"securityContext": {"windowsOptions": {"hostProcess": true}}}),
            "securityContext.windowsOptions.hostProcess",
        ),
        (json!({"securityContext": {"seLinuxOptions": {"type": "spc_t"}}}), "securityContext.seLinuxOptions"),
    ] {
        assert_eq!(refused(pod(spec)), [format!("spec.template.spec.{field}")]);
    }
}

#[test]
fn container_that_reaches_its_node_is_refused() {
    for (spec, field) in [
        (json!({"securityContext": {"privileged": true}}), "securityContext.privileged"),
        (
            json!({"securityContext": {"capabilities": {"add": ["CHOWN", "SYS_ADMIN"]}}}),
            "securityContext.capabilities.add[1]",
        ),
        (json!({"securityContext": {"procMount": "Unmasked"}}), "securityContext.procMount"),
        (
            json!({"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}),
            "securityContext.appArmorProfile.type",
        ),
        (json!({"ports": [{"containerPort": 80, "hostPort": 80}]}), "ports[0].hostPort"),
        (json!({"livenessProbe": {"httpGet": {"host": "169.254.169.254"}}}), "livenessProbe.httpGet.host"),
        (json!({"lifecycle": {"preStop": {"tcpSocket": {"host": "10.0.0.1"}}}}), "lifecycle.preStop.tcpSocket.host"),
    ] {
        assert_eq!(refused(container(spec)), [format!("spec.template.spec.containers[0].{field}")]);
    }
}

#[test]
fn every_kind_of_workload_is_checked() {
    let spec = json!({"spec": {"initContainers": [{"securityContext": {"privileged": true}}]}});
    for (api_version, kind) in
        [("apps/v1", "StatefulSet"), ("apps/v1", "DaemonSet"), ("apps/v1", "Deployment"), ("batch/v1", "Job")]
    {
        assert_eq!(refused(object(api_version, kind, json!({"template": spec}))).len(), 1, "{kind}");
    }
    let cron_job = object("batch/v1", "CronJob", json!({"jobTemplate": {"spec": {"template": spec}}}));
    assert_eq!(refused(cron_job), ["spec.jobTemplate.spec.template.spec.initContainers[0].securityContext.privileged"]);
    let annotated = json!({"template": {"metadata": {"annotations": {
        "container.apparmor.security.beta.kubernetes.io/web": "unconfined"}}}});
    assert_eq!(refused(object("apps/v1", "Deployment", annotated)).len(), 1);
}

#[test]
fn claim_on_data_of_another_namespace_is_refused() {
    let claim = |spec: Value| object("v1", "PersistentVolumeClaim", spec);
    assert_eq!(refused(claim(json!({"resources": {}, "storageClassName": "fast"}))), [""; 0]);
    assert_eq!(refused(claim(json!({"dataSourceRef": {"namespace": "other"}}))), ["spec.dataSourceRef.namespace"]);
    let templates = json!({"volumeClaimTemplates": [{"spec": {"dataSourceRef": {"namespace": "other"}}}]});
    assert_eq!(
        refused(object("apps/v1", "StatefulSet", templates)),
        ["spec.volumeClaimTemplates[0].spec.dataSourceRef.namespace"]
    );
}

#[test]
fn pod_violation_is_a_warning_in_production() {
    let document = pod(json!({"hostNetwork": true}));
    let (_, findings) = checked(document, &production_policy());
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].severity, Severity::Warning);
}

#[test]
fn ordinary_deployment_has_no_findings() {
    let spec = json!({
        "serviceAccountName": "web",
        "automountServiceAccountToken": false,
        "priorityClassName": "web-pr-123-7-priority",
        "securityContext": {"runAsNonRoot": true, "fsGroup": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
        "volumes": [
            {"name": "tmp", "emptyDir": {}},
            {"name": "secret", "secret": {"secretName": "s"}},
            {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
            {"name": "data", "persistentVolumeClaim": {"claimName": "redis"}},
        ],
        "containers": [{
            "securityContext": {"privileged": false, "capabilities": {"drop": ["ALL"]}},
            "ports": [{"containerPort": 8080}],
            "readinessProbe": {"httpGet": {"path": "/", "port": 8080}},
        }],
    });
    let (objects, findings) = checked(pod(spec), &preview_policy());
    assert_eq!((objects.len(), findings), (1, vec![]));
}
