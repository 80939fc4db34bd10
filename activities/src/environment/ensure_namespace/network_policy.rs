//! The `NetworkPolicy` of an environment's pods: everything that it does not list is denied.
//!
//! A single policy holds all rules, because policies only add to each other. Under a name of its own, a rule that the app file
//! has dropped would stay in force. An applied list replaces the earlier one.

use berth_manifests::{
    app::{App, Egress, EgressAllowed},
    network::{EVERYWHERE, METADATA, namespace, peers},
};
use berth_workflows::contract::environment::{Environment, EnvironmentKind};
use serde_json::{Value, json};

use crate::{
    release::rendering::kind_of,
    settings::{Settings, database_servers::Server},
};

/// The ports of a Temporal server: gRPC, membership, and the HTTP API. They are internal, so no ingress controller may
/// reach them.
const TEMPORAL_PORTS: std::ops::RangeInclusive<u32> = 7233..=7243;

/// The policy's body. `destinations` are those of the environment's kind in the app file.
pub(super) fn policy(settings: &Settings, app: &App, destinations: Egress, environment: &Environment) -> Value {
    // Pods of the same environment, and no others.
    let within = json!([{"podSelector": {}}]);
    let mut egress = vec![json!({"to": within}), dns(settings)];
    if destinations == Egress::Internet {
        egress.extend(internet(settings, environment.kind));
    }
    if let EnvironmentKind::Preview { .. } = environment.kind {
        let server = environment.database.as_ref().and_then(|own| settings.database_servers.get(own.server()));
        egress.extend(server.map(database));
    }
    egress.extend(app.egress_allowed(kind_of(environment)).iter().map(allowed));
    // A rule without a peer would allow every one.
    egress.retain(|rule| rule["to"].as_array().is_some_and(|peers| !peers.is_empty()));
    json!({"spec": {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": within}, from_ingress(settings)],
        "egress": egress,
    }})
}

fn dns(settings: &Settings) -> Value {
    with_ports(
        json!({"to": settings.networks.dns_peers()}),
        ["UDP", "TCP"].map(|protocol| port_of(53, protocol)).into(),
    )
}

/// The internet. For a preview that excludes the private networks and those that the worker is told, and includes the ingress
/// controller: in many clusters a pod's request to its own URL goes straight there.
fn internet(settings: &Settings, kind: EnvironmentKind) -> Vec<Value> {
    match kind {
        EnvironmentKind::Production => vec![json!({"to": peers(&EVERYWHERE, &METADATA)})],
        EnvironmentKind::Preview { .. } => vec![
            json!({"to": peers(&EVERYWHERE, &settings.networks.all_closed())}),
            json!({"to": [namespace(&settings.ingress_namespace)]}),
        ],
    }
}

/// The port of the environment's database server, in the networks that the platform team gives. Without them at every
/// address: a policy knows no host names.
fn database(server: &Server) -> Value {
    let networks = server.networks();
    let to = if networks.is_empty() { peers(&EVERYWHERE, &METADATA) } else { peers(&networks, &[]) };
    with_ports(json!({"to": to}), vec![port_of(server.port, "TCP")])
}

/// A network that the app file opens.
fn allowed(allowed: &EgressAllowed) -> Value {
    let ports = allowed.ports.iter().flat_map(|port| ["TCP", "UDP"].map(|protocol| port_of(*port, protocol)));
    with_ports(json!({"to": peers([&allowed.cidr.0], &METADATA)}), ports.collect())
}

fn from_ingress(settings: &Settings) -> Value {
    json!({
        "from": [namespace(&settings.ingress_namespace)],
        "ports": [
            {"protocol": "TCP", "port": 1, "endPort": TEMPORAL_PORTS.start() - 1},
            {"protocol": "TCP", "port": TEMPORAL_PORTS.end() + 1, "endPort": 65535},
        ],
    })
}

fn port_of(port: u16, protocol: &str) -> Value {
    json!({"port": port, "protocol": protocol})
}

/// A rule for these ports; for every port if there are none.
fn with_ports(mut rule: Value, ports: Vec<Value>) -> Value {
    if !ports.is_empty() {
        rule["ports"] = Value::from(ports);
    }
    rule
}
