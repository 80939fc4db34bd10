use std::time::Duration;

use berth_workflows::contract::{
    environment::{Database, EnvironmentKind},
    verdict::FailureType,
};
use k8s_openapi::jiff::Timestamp;
use kube::{ResourceExt, api::DynamicObject};
use serde_json::{Value, json};

use super::{isolation::isolation_objects, *};
use crate::{
    context::TestContext,
    examples::{app, environment, settings},
    fake_api_server::FakeApiServer,
    kubernetes::labels,
    settings::{Networks, Settings},
};

const NAMESPACES: &str = "/api/v1/namespaces";
const BINDING: &str = "PATCH /apis/rbac.authorization.k8s.io/v1/namespaces/pr-1/rolebindings/berth";
const POLICY: &str = "PATCH /apis/networking.k8s.io/v1/namespaces/pr-1/networkpolicies/berth";

async fn ensure(cluster: &FakeApiServer, app: &App) -> Result<NamespaceReady, Failure> {
    ensure_namespace(TestContext::new(cluster.client()).context(), app, &environment()).await
}

/// The environment's namespace, as an earlier attempt or rollout created it.
fn with_namespace(created: Timestamp) -> FakeApiServer {
    let cluster = FakeApiServer::default();
    let labels = labels::owner_labels(&environment(), "berth");
    let metadata = json!({"name": "pr-1", "labels": labels, "creationTimestamp": created.to_string()});
    cluster.put(NAMESPACES, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}));
    cluster
}

/// Returns the allowed traffic of the only policy: `ingress` or `egress`.
fn allowed(app: &App, environment: &Environment, settings: &Settings, direction: &str) -> Value {
    let objects = isolation_objects(settings, app, environment);
    let policies: Vec<_> =
        objects.iter().filter(|object| object.types.as_ref().unwrap().kind == "NetworkPolicy").collect();
    assert_eq!((policies.len(), policies[0].name_any().as_str()), (1, "berth"));
    assert_eq!(policies[0].data["spec"]["podSelector"], json!({}));
    assert_eq!(policies[0].data["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
    policies[0].data["spec"][direction].clone()
}

#[tokio::test]
async fn a_first_rollout_creates_namespace_then_role_binding_then_the_rest() {
    let cluster = FakeApiServer::default();
    assert!(ensure(&cluster, &app(json!({}))).await.unwrap().created);
    let expected = [
        "GET /api/v1/namespaces/pr-1",
        "POST /api/v1/namespaces",
        BINDING,
        POLICY,
        "PATCH /api/v1/namespaces/pr-1/resourcequotas/berth",
        "PATCH /api/v1/namespaces/pr-1/limitranges/berth",
    ];
    assert_eq!(cluster.requests(), expected);
}

#[tokio::test]
async fn namespace_records_the_environments_names_old_or_new() {
    let old = with_namespace("2026-01-01T00:00:00Z".parse().unwrap());
    for (cluster, is_new) in [(FakeApiServer::default(), true), (old, false)] {
        ensure(&cluster, &app(json!({}))).await.unwrap();
        let namespace = cluster.get("/api/v1/namespaces/pr-1").unwrap();
        let mut expected = json!({"berth.dev/database": "", "berth.dev/host": "pr-1.example.com",
            "berth.dev/temporal-ui-host": "pr-1-temporal.example.com"});
        if is_new {
            // No database was made yet. An older version's namespace says nothing.
            expected["berth.dev/database-servers"] = json!("");
        }
        assert_eq!(namespace["metadata"]["annotations"], expected);
    }
}

#[tokio::test]
async fn egress_that_the_app_file_drops_is_closed_in_an_existing_environment() {
    let cluster = FakeApiServer::default();
    let policies = "/apis/networking.k8s.io/v1/namespaces/pr-1/networkpolicies/";
    let egress = || -> String {
        let all: Vec<_> = cluster.below(policies).iter().filter_map(|path| cluster.get(path)).collect();
        all.iter().map(|policy| policy["spec"]["egress"].to_string()).collect()
    };
    ensure(&cluster, &app(json!({}))).await.unwrap();
    assert!(egress().contains("0.0.0.0/0"), "{}", egress());
    ensure(&cluster, &app(json!({"isolation": {"egress": "listed"}}))).await.unwrap();
    assert!(!egress().contains("0.0.0.0/0"), "{}", egress());
}

#[test]
fn ingress_allows_own_pods_and_the_controller_but_not_temporals_ports() {
    let ingress = allowed(&app(json!({})), &environment(), &settings(), "ingress");
    let controller = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}});
    let ports =
        json!([{"protocol": "TCP", "port": 1, "endPort": 7232}, {"protocol": "TCP", "port": 7244, "endPort": 65535}]);
    let expected = json!([{"from": [{"podSelector": {}}]}, {"from": [controller], "ports": ports}]);
    assert_eq!(ingress, expected);
}

/// The names of namespaces and the networks that a rule leads to, with its ports.
fn summary(rule: &Value) -> String {
    let peers = rule["to"].as_array().unwrap().iter().map(|peer| match &peer["ipBlock"] {
        Value::Null if peer.get("podSelector").is_some() => "own pods".to_owned(),
        Value::Null => {
            peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"].as_str().unwrap().to_owned()
        }
        block => match block["except"].as_array() {
            Some(except) => format!("{} without {}", block["cidr"].as_str().unwrap(), except.len()),
            None => block["cidr"].as_str().unwrap().to_owned(),
        },
    });
    let ports = rule["ports"].as_array().into_iter().flatten();
    let ports = ports.map(|port| format!("{}/{}", port["port"], port["protocol"].as_str().unwrap()));
    [peers.collect::<Vec<_>>().join(", "), ports.collect::<Vec<_>>().join(" ")].join(" ").trim().to_owned()
}

const DNS: &str = "kube-system, 169.254.20.10/32 53/UDP 53/TCP";

/// The rules of an environment's egress besides those to its own pods.
fn egress(more: Value, settings: &Settings, environment: &Environment) -> Vec<String> {
    let allowed = allowed(&app(more), environment, settings, "egress");
    let mut rules: Vec<_> = allowed.as_array().unwrap().iter().map(summary).collect();
    assert_eq!(rules.remove(0), "own pods");
    rules
}

#[test]
fn preview_reaches_the_internet_but_no_private_network() {
    let internet = "0.0.0.0/0 without 7, ::/0 without 2";
    assert_eq!(egress(json!({}), &settings(), &environment()), [DNS, internet, "ingress"]);
    let all = allowed(&app(json!({})), &environment(), &settings(), "egress").to_string();
    for closed in ["10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "168.63.129.16/32", "fc00::/7", "fe80::/10"] {
        assert!(all.contains(closed), "{closed}: {all}");
    }
    let told = ["203.0.113.0/24", "10.1.0.0/16"].map(|network| network.parse().unwrap());
    let mut settings = settings();
    settings.networks = Networks { closed: told.into(), dns: vec!["10.96.0.10/32".parse().unwrap()] };
    let rules = egress(json!({}), &settings, &environment());
    assert_eq!(rules, ["10.96.0.10/32 53/UDP 53/TCP", "0.0.0.0/0 without 8, ::/0 without 2", "ingress"]);
    settings.networks.closed = vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()];
    assert_eq!(egress(json!({}), &settings, &environment()), ["10.96.0.10/32 53/UDP 53/TCP", "ingress"]);
}

#[test]
fn listed_egress_is_dns_the_database_and_the_app_files_networks() {
    let allow = json!([{"cidr": "10.20.0.0/16", "ports": [5432, 6379]}, {"cidr": "10.1.2.3"}, {"cidr": "0.0.0.0/0"}]);
    let listed = |allow: &Value| json!({"isolation": {"egress": "listed", "egress_allow": allow}});
    assert_eq!(egress(listed(&json!([])), &settings(), &environment()), [DNS]);
    let opened = ["10.20.0.0/16 5432/TCP 5432/UDP 6379/TCP 6379/UDP", "10.1.2.3/32", "0.0.0.0/0 without 4"];
    assert_eq!(egress(listed(&allow), &settings(), &environment()), [&[DNS], &opened[..]].concat());
    let open = json!({"isolation": {"egress_allow": [{"cidr": "10.20.0.0/16"}]}});
    assert_eq!(egress(open, &settings(), &environment())[3..], ["10.20.0.0/16"]);
}

#[test]
fn own_database_is_open_in_its_networks_or_at_every_address() {
    for (host, networks, rule) in [
        ("db", json!([]), "0.0.0.0/0 without 4, ::/0 without 3 5433/TCP"),
        ("db", json!(["10.3.0.0/24", "fd00::7"]), "10.3.0.0/24, fd00::7/128 5433/TCP"),
        ("10.3.0.7", json!([]), "10.3.0.7/32 5433/TCP"),
        ("fd00::7", json!([]), "fd00::7/128 5433/TCP"),
    ] {
        let mut settings = settings();
        let server = json!({"host": host, "port": 5433, "admin_secret": "admin", "networks": networks});
        settings.database_servers.insert("previews".into(), serde_json::from_value(server).unwrap());
        let isolated = Database::Isolated { server: "previews".into(), name: "web".into() };
        for database in [isolated, Database::Shared { server: "previews".into() }] {
            let environment = Environment { database: Some(database), ..environment() };
            let listed = json!({"isolation": {"egress": "listed"}});
            assert_eq!(egress(listed, &settings, &environment), [DNS, rule]);
            assert_eq!(egress(json!({}), &settings, &environment)[3..], [rule]);
        }
        let other = Environment { database: Some(Database::Shared { server: "other".into() }), ..environment() };
        assert_eq!(egress(json!({}), &settings, &other).len(), 3);
    }
}

#[test]
fn production_that_asks_for_isolation_keeps_its_private_networks() {
    let production = Environment { kind: EnvironmentKind::Production, ..environment() };
    let of = |isolation: Value| json!({"production": {"namespace": "web", "host": "e.com", "isolation": isolation}});
    let rules = egress(of(json!({"egress": "internet"})), &settings(), &production);
    assert_eq!(rules, [DNS, "0.0.0.0/0 without 4, ::/0 without 3"]);
    let listed = of(json!({"egress": "listed", "egress_allow": [{"cidr": "10.20.0.0/16"}]}));
    assert_eq!(egress(listed, &settings(), &production), [DNS, "10.20.0.0/16"]);
}

#[tokio::test]
async fn previews_get_default_requests_but_no_default_limits() {
    let range = "/api/v1/namespaces/pr-1/limitranges";
    for (created, default) in [(None, json!({"memory": "64Mi"})), (Some("2026-01-01T00:00:00Z"), Value::Null)] {
        let cluster = created.map_or_else(FakeApiServer::default, |at| with_namespace(at.parse().unwrap()));
        if created.is_some() {
            let limit = json!({"type": "Container", "max": {"memory": "48Mi", "cpu": "1"}});
            cluster.put(range, &json!({"metadata": {"name": "web"}, "spec": {"limits": [limit]}}));
        }
        ensure(&cluster, &app(json!({}))).await.unwrap();
        let limits = cluster.get(&format!("{range}/berth")).unwrap()["spec"]["limits"].clone();
        assert_eq!(limits[0]["defaultRequest"]["memory"], default["memory"]);
        assert_eq!((limits.as_array().unwrap().len(), &limits[0]["default"]), (1, &Value::Null));
    }
}

fn kinds(objects: &[DynamicObject]) -> Vec<&str> {
    objects.iter().map(|object| object.types.as_ref().unwrap().kind.as_str()).collect()
}

#[test]
fn production_is_isolated_only_if_the_app_file_asks() {
    let production = Environment { kind: EnvironmentKind::Production, ..environment() };
    for (isolation, expected) in [(json!(null), &[][..]), (json!({"egress": "listed"}), &["NetworkPolicy"])] {
        let settings_of = json!({"namespace": "web", "host": "example.com", "isolation": isolation});
        let app = app(json!({"production": settings_of, "isolation": {"egress": "internet"}}));
        let objects = isolation_objects(&settings(), &app, &production);
        assert_eq!(kinds(&objects), expected);
        assert!(objects.iter().all(|policy| !policy.data.to_string().contains("0.0.0.0/0")), "{objects:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_applied_before_the_role_binding() {
    let cluster = FakeApiServer::default();
    cluster.refuse_times(BINDING, 403, 2);
    assert!(ensure(&cluster, &app(json!({}))).await.unwrap().created);
    assert_eq!(cluster.requests()[2..6], [BINDING, BINDING, BINDING, POLICY]);
}

#[tokio::test(start_paused = true)]
async fn propagating_rbac_is_retried_in_place() {
    let cluster = FakeApiServer::default();
    cluster.refuse_times(POLICY, 403, 3);
    let began = tokio::time::Instant::now();
    assert!(ensure(&cluster, &app(json!({}))).await.unwrap().created);
    assert!((140..150).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn propagating_rbac_is_retried_after_an_earlier_attempt_too() {
    let cluster = with_namespace(Timestamp::now());
    cluster.refuse_times(POLICY, 403, 3);
    assert!(!ensure(&cluster, &app(json!({}))).await.unwrap().created);
}

#[tokio::test(start_paused = true)]
async fn missing_rbac_fails_after_five_seconds_or_at_once_if_old() {
    let old = with_namespace("2026-01-01T00:00:00Z".parse().unwrap());
    for (cluster, times, waited) in [(FakeApiServer::default(), 9, 5), (old, 1, 0)] {
        cluster.refuse(POLICY, 403);
        let began = tokio::time::Instant::now();
        let result = ensure(&cluster, &app(json!({}))).await;
        let denied = FailureType::KubernetesDenied;
        assert!(matches!(&result, Err(Failure::Transient { failure, .. }) if *failure == denied), "{result:?}");
        assert_eq!(cluster.requests().iter().filter(|request| *request == POLICY).count(), times);
        assert_eq!(began.elapsed().as_secs(), Duration::from_secs(waited).as_secs());
    }
}

/// An app with a pull secret, and the cluster with a Secret of that type in berth's namespace.
fn with_pull_secret(type_: &str) -> (FakeApiServer, App) {
    let cluster = FakeApiServer::default();
    let secret = json!({"metadata": {"name": "web-regcred"}, "type": type_, "data": {"x": "e30="}});
    cluster.put("/api/v1/namespaces/berth-system/secrets", &secret);
    (cluster, app(json!({"image_pull_secret": {"secret": "web-regcred", "as": "regcred"}})))
}

#[tokio::test]
async fn pull_secret_is_copied_under_its_name_and_used_by_default() {
    for type_ in ["kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg"] {
        let (cluster, app) = with_pull_secret(type_);
        ensure(&cluster, &app).await.unwrap();
        let copy = cluster.get("/api/v1/namespaces/pr-1/secrets/regcred").unwrap();
        assert_eq!((&copy["type"], &copy["data"]), (&json!(type_), &json!({"x": "e30="})));
        let account = cluster.get("/api/v1/namespaces/pr-1/serviceaccounts/default").unwrap();
        assert_eq!(account["imagePullSecrets"], json!([{"name": "regcred"}]));
    }
}

#[tokio::test]
async fn only_a_secret_of_a_registry_is_copied() {
    for type_ in ["Opaque", "kubernetes.io/tls", "kubernetes.io/service-account-token"] {
        let (cluster, app) = with_pull_secret(type_);
        let result = ensure(&cluster, &app).await;
        let denied = FailureType::PolicyDenied;
        assert!(
            matches!(&result, Err(Failure::Permanent(v)) if v.failure == denied && v.message.contains(type_)),
            "{result:?}"
        );
        assert_eq!(cluster.below("/api/v1/namespaces/pr-1/secrets"), [""; 0]);
    }
}
