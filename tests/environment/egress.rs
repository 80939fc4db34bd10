//! Connections of a preview's pods, where the cluster enforces network policies.

use std::{
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    process::Command,
};

use berth_test_support::Berth;
use serde_json::Value;

use crate::{
    Environment,
    full_app::{host, live},
};

/// Connects to each `host:port` of its arguments at once, and prints a JSON list of those that answered.
const CONNECT: &str = "
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def answers(target):
    host, port = target.rsplit(':', 1)
    try:
        socket.create_connection((host, int(port)), 5).close()
        return True
    except OSError:
        return False
with ThreadPoolExecutor(32) as pool:
    print(json.dumps([t for t, ok in zip(sys.argv[1:], pool.map(answers, sys.argv[1:])) if ok]))
";

/// Gets the page of a host from an address.
const PAGE: &str = "
import sys, urllib.request
request = urllib.request.Request(f'http://{sys.argv[1]}/', headers={'Host': sys.argv[2]})
print(urllib.request.urlopen(request, timeout=10).status)
";

/// A server on an address of this machine that stands for one elsewhere.
struct StandIn {
    at: SocketAddr,
    _listener: TcpListener,
}

impl StandIn {
    fn at(at: &str) -> Self {
        let at: SocketAddr = at.parse().unwrap();
        address("replace", at.ip());
        Self { at, _listener: TcpListener::bind(at).unwrap() }
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        address("delete", self.at.ip());
    }
}

/// Gives this machine an address, or takes it away. Several servers may share one.
fn address(verb: &str, ip: IpAddr) {
    Command::new("ip").args(["address", verb, &format!("{ip}/32"), "dev", "lo"]).output().unwrap();
}

fn python(environment: &Environment, script: &str, arguments: &[&str]) -> String {
    let (namespace, target) = (format!("pr-{}", environment.pr), format!("deployment/web-pr-{}-web", environment.pr));
    let exec = ["exec", "-n", &namespace, &target, "-c", "web", "--", "python", "-c", script];
    environment.berth.kubectl(&[&exec[..], arguments].concat())
}

/// Opens a preview beside this one. Returns the address of its page's pod, too.
fn another_environment(environment: &Environment) -> (Berth, String) {
    let other = environment.beside(513);
    live(&other, '1', "full-v1");
    let address = [
        "get",
        "pods",
        "-n",
        "pr-513",
        "-o",
        "jsonpath={range .items[*]}{.status.podIP} {.metadata.name}{\"\\n\"}{end}",
    ];
    let pods = other.kubectl(&address);
    let web = pods.lines().find(|line| line.contains("-web-")).unwrap();
    let address = format!("{}:8080", web.split(' ').next().unwrap());
    (other, address)
}

#[test]
fn preview_connects_to_public_and_allowed_addresses_only() {
    let public = StandIn::at("198.51.100.77:8080");
    let allowed = StandIn::at("10.123.77.77:8080");
    let elsewhere =
        ["10.123.77.77:5432", "172.31.77.77:80", "192.168.177.77:80", "100.100.100.200:80", "169.254.42.42:80"]
            .map(StandIn::at);
    for server in elsewhere.iter().chain([&public, &allowed]) {
        TcpStream::connect(server.at).unwrap();
    }

    let allow = "isolation: { egress_allow: [{ cidr: 10.123.77.77, ports: [8080] }] }\n";
    let environment = Environment::with_lines(512, allow);
    environment.live('1', "full-v1");
    let lab = &environment.berth.lab;
    let (other, another) = another_environment(&environment);
    assert_eq!(environment.berth.lab.get(&host(513), "/").unwrap().0, 200);
    let node = environment.berth.kubectl(&["get", "nodes", "-o", "jsonpath={.items[0].status.addresses[0].address}"]);
    let closed = [
        elsewhere.iter().map(|server| server.at.to_string()).collect(),
        vec![
            lab.temporal_address_for_pods().to_owned(),
            "kubernetes.default.svc.cluster.local:443".to_owned(),
            format!("{node}:10250"),
            another,
            "web-pr-513-web.pr-513.svc.cluster.local:80".to_owned(),
            "169.254.169.254:80".to_owned(),
            "168.63.129.16:80".to_owned(),
        ],
    ]
    .concat();
    let open = [
        public.at.to_string(),
        allowed.at.to_string(),
        lab.postgres().to_string(),
        "web-temporal.pr-512.svc.cluster.local:7233".to_owned(),
    ];
    let targets: Vec<&str> = closed.iter().chain(&open).map(String::as_str).collect();
    let answered: Vec<String> = serde_json::from_str(&python(&environment, CONNECT, &targets)).unwrap();
    assert_eq!(answered, open);

    let ingress: Value = environment.berth.object("ingress", "web-pr-512-web").unwrap();
    let controller = ingress["status"]["loadBalancer"]["ingress"][0]["ip"].as_str().unwrap().to_owned();
    let page = python(&environment, PAGE, &[&controller, &host(512)]);
    assert_eq!(page.trim(), "200", "a pod may call its own public URL");
    assert_eq!((environment.berth.preview("close", &[]).code, other.preview("close", &[]).code), (0, 0));
}
