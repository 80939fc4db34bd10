//! Settings that a script's pod keeps from the web pod, and settings that it must not have.

use serde_json::{Value, json};

use super::*;

fn scripts(prefix: &str) -> Scripts {
    Scripts { prefix: prefix.into(), allow: Vec::new(), workload: None }
}

fn input(name: &str) -> StartScriptInput {
    StartScriptInput {
        environment: crate::examples::environment(),
        script: serde_json::from_value(json!({"name": name})).unwrap(),
        stored_release: None,
        job: "preview-web-1-script-1".into(),
        run_id: "run".into(),
    }
}

fn template() -> PodTemplateSpec {
    serde_json::from_value(json!({
        "metadata": {"labels": {"app": "web-pr-1"}},
        "spec": {
            "serviceAccountName": "web",
            "automountServiceAccountToken": false,
            "securityContext": {"runAsNonRoot": true, "runAsUser": 10001},
            "terminationGracePeriodSeconds": 60,
            "hostname": "web",
            "affinity": {"podAntiAffinity": {}, "nodeAffinity": {}},
            "topologySpreadConstraints": [],
            "initContainers": [
                {"name": "migrate", "image": "web", "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}]},
                {"name": "assets", "image": "web", "volumeMounts": [{"name": "assets", "mountPath": "/out"}]},
                {"name": "proxy", "image": "proxy", "restartPolicy": "Always",
                    "volumeMounts": [{"name": "assets", "mountPath": "/in"}]},
            ],
            "containers": [
                {"name": "web", "image": "acme/web@sha256:1", "args": ["serve"], "workingDir": "/app",
                    "ports": [{"containerPort": 8080}], "tty": true,
                    "envFrom": [{"secretRef": {"name": "berth-secrets-1"}}, {"secretRef": {"name": "maybe", "optional": true}}],
                    "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "key", "key": "a"}}}],
                    "readinessProbe": {"httpGet": {"port": 8080}}, "livenessProbe": {}, "startupProbe": {},
                    "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
                    "securityContext": {"readOnlyRootFilesystem": true},
                    "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, {"name": "assets", "mountPath": "/app/assets"}]},
                {"name": "metrics", "image": "metrics", "volumeMounts": [{"name": "metrics", "mountPath": "/m"}]},
            ],
            "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "assets", "emptyDir": {}}, {"name": "metrics", "emptyDir": {}}],
        },
    }))
    .unwrap()
}

fn made() -> Job {
    job(&input("run:it"), "berth", vec!["npm".into(), "run".into()], &template(), "Deployment/web").unwrap()
}

#[test]
fn the_name_joins_the_prefixs_last_word_and_arguments_stay_separate() {
    for (prefix, args, expected) in [
        ("npm run run:", &[][..], vec!["npm", "run", "run:it"]),
        ("npm run run:", &["--dry-run", "a b; rm"], vec!["npm", "run", "run:it", "--", "--dry-run", "a b; rm"]),
        ("  python  manage.py ", &["-v"], vec!["python", "manage.py", "it", "-v"]),
        ("/app run:", &["$HOME"], vec!["/app", "run:it", "$HOME"]),
    ] {
        let name = ScriptName::try_from("it".to_owned()).unwrap();
        assert_eq!(command(&scripts(prefix), &name, &serde_json::from_value(json!(args)).unwrap()), expected);
    }
}

#[test]
fn the_pod_has_only_the_web_container_with_the_same_settings() {
    let job = made();
    let spec = job.spec.as_ref().unwrap();
    assert_eq!((spec.backoff_limit, spec.active_deadline_seconds), (Some(0), Some(900)));
    assert_eq!(spec.ttl_seconds_after_finished, Some(3600));
    let pod = spec.template.spec.as_ref().unwrap();
    let names = |containers: &[Container]| containers.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&pod.containers), ["web"]);
    assert_eq!(names(pod.init_containers.as_ref().unwrap()), ["assets"], "needed for what it leaves in a volume");
    let volumes: Vec<_> = pod.volumes.iter().flatten().map(|volume| volume.name.as_str()).collect();
    assert_eq!(volumes, ["tmp", "assets"]);
    assert_eq!((pod.restart_policy.as_deref(), pod.termination_grace_period_seconds), (Some("Never"), Some(10)));
    assert_eq!((pod.service_account_name.as_deref(), pod.automount_service_account_token), (Some("web"), Some(false)));
    let json = serde_json::to_value(&pod.containers[0]).unwrap();
    for kept in ["env", "envFrom", "image", "securityContext", "volumeMounts", "workingDir"] {
        assert_ne!(json[kept], Value::Null, "{kept}");
    }
    for dropped in ["args", "ports", "readinessProbe", "livenessProbe", "startupProbe", "lifecycle", "tty"] {
        assert_eq!(json[dropped], Value::Null, "{dropped}");
    }
    let affinity = pod.affinity.as_ref().unwrap();
    assert!(affinity.node_affinity.is_some() && affinity.pod_anti_affinity.is_none() && pod.hostname.is_none());
}

#[test]
fn kubectls_default_container_is_the_main_one() {
    let mut template = template();
    template.metadata.as_mut().unwrap().annotations =
        Some([(DEFAULT_CONTAINER.to_owned(), "metrics".to_owned())].into());
    let spec = pod_spec(&template, Vec::new()).unwrap();
    assert_eq!(spec.containers[0].name, "metrics");
}

#[test]
fn labels_are_berths_and_none_of_the_apps() {
    let job = made();
    let labels = job.spec.as_ref().unwrap().template.metadata.as_ref().unwrap().labels.clone().unwrap();
    assert_eq!(labels[SCRIPT], "run.it");
    assert!(labels.keys().all(|key| key.starts_with("berth.dev/") || key == labels::MANAGED_BY), "{labels:?}");
    assert_eq!(job.annotations()[SCRIPT], "run:it");
    assert_eq!(label_value(&format!(".{}", "x".repeat(99))), "x".repeat(62));
}

#[test]
fn a_started_script_is_described_by_its_job() {
    let started = started(&made());
    assert_eq!((started.container.as_str(), started.workload.as_str()), ("web", "Deployment/web"));
    assert_eq!(started.other_containers, [""; 0]);
    assert_eq!(started.secrets, ["berth-secrets-1", "key"], "not what may be missing");
}

#[test]
fn the_secrets_of_a_projected_volume_are_needed_too() {
    let spec: PodSpec = serde_json::from_value(json!({"containers": [], "volumes": [{"name": "p", "projected": {"sources": [
        {"secret": {"name": "one"}}, {"configMap": {"name": "no-secret"}}, {"secret": {"name": "maybe", "optional": true}}]}}]}))
    .unwrap();
    assert_eq!(needed_secrets(&spec), ["one"]);
}
