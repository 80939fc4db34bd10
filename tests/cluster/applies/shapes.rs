//! Pairs of manifests whose second one drops or forbids what the API server has made of the first.

use super::*;

fn workload(kind: &str, spec: Value, volumes: Value) -> Value {
    let labels = json!({"app": "web"});
    let pod = json!({"containers": [{"name": "web", "image": "none"}], "volumes": volumes});
    let template = json!({"metadata": {"labels": labels}, "spec": pod});
    let mut workload = json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web"},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}});
    workload["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    workload
}

fn secret(fields: Value) -> Value {
    let mut secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "web"}});
    secret.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    secret
}

#[tokio::test]
async fn default_that_the_next_manifest_forbids_goes() {
    let applies = Applies::start().await;
    let plain = |kind: &str| workload(kind, json!({}), json!([]));
    let claimed =
        |strategy: Value| workload("StatefulSet", json!({"serviceName": "web", "updateStrategy": strategy}), json!([]));
    let config = json!([{"name": "v", "configMap": {"name": "web"}}]);
    let cron_job = |volumes: Value| {
        let pod =
            json!({"restartPolicy": "Never", "containers": [{"name": "web", "image": "none"}], "volumes": volumes});
        json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "web"},
            "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": {"spec": pod}}}}})
    };
    let steps = [
        vec![plain("Deployment"), claimed(json!({})), cron_job(json!([{"name": "v"}]))],
        vec![
            workload("Deployment", json!({"strategy": {"type": "Recreate"}}), json!([{"name": "v"}])),
            claimed(json!({"type": "OnDelete"})),
            cron_job(config.clone()),
        ],
        vec![
            workload("Deployment", json!({"strategy": {"type": "RollingUpdate"}}), config),
            claimed(json!({"type": "RollingUpdate"})),
            cron_job(json!([{"name": "v"}])),
        ],
    ];
    let mut serving = None;
    for (step, objects) in (1..).zip(steps) {
        let release = applies.release(&step.to_string(), objects);
        applies.apply(step, &release, serving.as_ref()).await.unwrap();
        let live = [
            applies.field("deployment/web", "{.spec.strategy.type}"),
            applies.field("statefulset/web", "{.spec.updateStrategy.type}"),
            applies.field("deployment/web", "{.spec.template.spec.volumes[0].configMap.name}"),
            applies.field("cronjob/web", "{.spec.jobTemplate.spec.template.spec.volumes[0].configMap.name}"),
        ];
        let expected = match step {
            2 => ["Recreate", "OnDelete", "", "web"],
            3 => ["RollingUpdate", "RollingUpdate", "web", ""],
            _ => ["RollingUpdate", "RollingUpdate", "", ""],
        };
        assert_eq!(live, expected, "step {step}");
        serving = Some(release);
    }
    applies.end().await;
}

#[tokio::test]
async fn fields_of_kubectl_are_no_obstacle_to_another_shape() {
    let applies = Applies::start().await;
    let with = |volume: Value, probe: Value| {
        let mut workload = workload("Deployment", json!({}), json!([volume]));
        workload["spec"]["template"]["spec"]["containers"][0]["livenessProbe"] = probe;
        workload
    };
    let before = with(json!({"name": "v", "configMap": {"name": "web"}}), json!({"httpGet": {"port": 80}}));
    let path = std::env::temp_dir().join(format!("berth-shapes-{}.json", std::process::id()));
    std::fs::write(&path, before.to_string()).unwrap();
    applies.kubectl(&["apply", "-f", path.to_str().unwrap()]);
    std::fs::remove_file(&path).unwrap();
    let serving = applies.release("a", vec![config("web", "1")]);
    applies.apply(1, &serving, None).await.unwrap();
    let next = with(json!({"name": "v", "secret": {"secretName": "web"}}), json!({"tcpSocket": {"port": 80}}));
    applies.apply(2, &applies.release("b", vec![config("web", "1"), next]), Some(&serving)).await.unwrap();
    let container = "{.spec.template.spec.containers[0].livenessProbe.httpGet}";
    assert_eq!(applies.field("deployment/web", container), "");
    assert_eq!(applies.field("deployment/web", "{.spec.template.spec.volumes[0].configMap}"), "");
    applies.end().await;
}

#[tokio::test]
async fn dropped_key_of_string_data_is_gone() {
    let applies = Applies::start().await;
    let keys = || {
        let found: Value = serde_json::from_str(&applies.kubectl(&["get", "secret/web", "-o", "json"])).unwrap();
        found["data"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    // As an earlier berth applied it: the texts are recorded as such.
    let path = std::env::temp_dir().join(format!("berth-secret-{}.json", std::process::id()));
    std::fs::write(&path, secret(json!({"stringData": {"A": "1", "B": "2", "C": "3"}})).to_string()).unwrap();
    applies.kubectl(&["apply", "--server-side", "--field-manager=berth", "-f", path.to_str().unwrap()]);
    std::fs::remove_file(&path).unwrap();
    let serving = applies.release("a", vec![secret(json!({"stringData": {"A": "1", "B": "2"}}))]);
    applies.apply(1, &serving, None).await.unwrap();
    assert_eq!(keys(), ["A", "B"]);
    let next = applies.release("b", vec![secret(json!({"data": {"D": "MQ=="}, "stringData": {"A": "1"}}))]);
    applies.apply(2, &next, Some(&serving)).await.unwrap();
    assert_eq!(keys(), ["A", "D"]);
    applies.end().await;
}

#[tokio::test]
async fn push_keeps_the_number_of_an_autoscaler() {
    let applies = Applies::start().await;
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    let autoscaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"},
        "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 5}});
    let scaled = |image: &str| {
        let mut scaled = workload("Deployment", json!({"replicas": 1}), json!([]));
        scaled["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
        scaled["spec"]["template"]["spec"]["nodeSelector"] = json!({"no": "node"});
        scaled
    };
    let serving = applies.release("a", vec![scaled("v1"), autoscaler.clone()]);
    applies.apply(1, &serving, None).await.unwrap();
    applies.kubectl(&["scale", "deployment/web", "--replicas=4"]);
    let replicas = || applies.field("deployment/web", "{.spec.replicas}");
    let mut dropped = scaled("v3");
    dropped["spec"].as_object_mut().unwrap().remove("replicas");
    for (deploy_id, workload) in [(2, scaled("v2")), (3, dropped.clone()), (4, dropped)] {
        let next = applies.release("b", vec![workload, autoscaler.clone()]);
        applies.apply(deploy_id, &next, Some(&serving)).await.unwrap();
        assert_eq!(replicas(), "4", "push {deploy_id}");
    }
    applies.kubectl(&["scale", "deployment/web", "--replicas=9"]);
    applies.apply(5, &serving, Some(&serving)).await.unwrap();
    assert_eq!(replicas(), "1", "it is more than the autoscaler allows");
    applies.end().await;
}

#[tokio::test]
async fn default_requests_of_berth_refuse_no_pod() {
    let applies = Applies::start().await;
    let range = json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "web"}, "spec": {"limits": [
        {"type": "Container", "default": {"memory": "48Mi", "cpu": "20m"}, "maxLimitRequestRatio": {"cpu": "2"}}]}});
    let mut many = workload("Deployment", json!({"replicas": 4}), json!([]));
    many["spec"]["template"]["spec"]["nodeSelector"] = json!({"no": "node"});
    let mut pod_level = many.clone();
    pod_level["metadata"]["name"] = json!("pod-level");
    pod_level["spec"]["template"]["spec"]["resources"] = json!({"limits": {"memory": "32Mi", "cpu": "20m"}});
    for path in ["/spec/selector/matchLabels/app", "/spec/template/metadata/labels/app"] {
        *pod_level.pointer_mut(path).unwrap() = json!("pod-level");
    }
    let pods = |name: &str| {
        let of = applies.kubectl(&["get", "pods", "-l", &format!("app={name}"), "-o", "name"]);
        of.lines().count()
    };
    let first = applies.release("a", vec![pod_level.clone()]);
    applies.apply(1, &first, None).await.unwrap();
    until("all pods of a pod's own resources are there", || pods("pod-level") == 4);
    let second = applies.release("b", vec![range, many]);
    applies.apply(2, &second, Some(&first)).await.unwrap();
    until("all pods of the manifests' limits are there", || pods("web") == 4);
    applies.end().await;
}

#[tokio::test]
async fn new_pods_use_the_pull_secret_without_naming_it() {
    let applies = Applies::start().await;
    let own = &applies.settings.berth_namespace;
    let create =
        ["create", "secret", "docker-registry", "regcred-219", "-n", own, "--docker-server=registry.example.com"];
    applies.lab.kubectl(&[&create[..], &["--docker-username=web", "--docker-password=secret"]].concat()).unwrap();
    let mut app = app::load_apps(&applies.settings.apps).unwrap().remove(0);
    app.image_pull_secret = Some(app::PullSecret { secret: "regcred-219".into(), copy: "regcred".into() });
    applies.kubectl(&["patch", "serviceaccount/default", "-p", r#"{"imagePullSecrets":[{"name":"theirs"}]}"#]);
    for _ in 0..2 {
        environment::ensure_namespace(applies.context(), &app, &applies.environment).await.unwrap();
        assert_eq!(applies.field("serviceaccount/default", "{.imagePullSecrets[*].name}"), "theirs regcred");
    }
    assert_eq!(applies.field("secret/regcred", "{.type}"), "kubernetes.io/dockerconfigjson");
    let mut web = workload("Deployment", json!({"replicas": 1}), json!([]));
    web["spec"]["template"]["spec"]["nodeSelector"] = json!({"no": "node"});
    applies.apply(1, &applies.release("a", vec![web]), None).await.unwrap();
    let path = "jsonpath={.items[*].spec.imagePullSecrets[*].name}";
    until("the pod has it", || applies.kubectl(&["get", "pods", "-o", path]) == "theirs regcred");
    applies.lab.kubectl(&["delete", "secret", "regcred-219", "-n", own]).unwrap();
    applies.end().await;
}
