//! Checks of the network policies and of database access, from inside the pods and from outside.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result, ensure};

use super::preview::Preview;
use crate::{commands::pull_request::APP, machine::process};

/// A connection attempt, and whether it must succeed.
struct Attempt<'a> {
    from: &'a Preview<'a>,
    component: &'static str,
    to: &'a Preview<'a>,
    service: String,
    port: u16,
    open: bool,
}

const TEMPORAL: u16 = 7233;

/// Tries a connection with the Python of the sample app's image. It prints the result, and exits with 0 either way.
const CONNECT: &str = "import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 3).close()
    print('open')
except OSError as error:
    print('closed:', error)";

/// Checks connections between the pods of two previews, and from outside.
pub(super) fn matrix(first: &Preview<'_>, second: &Preview<'_>) -> Result<String> {
    let pairs = [(first, first, true), (second, second, true), (second, first, false), (first, second, false)];
    let mut lines = Vec::new();
    for (from, to, open) in pairs {
        for (service, port) in [("temporal", TEMPORAL), ("temporal-ui", 80), ("web", 80)] {
            let service = format!("{APP}-{service}");
            lines.push(Attempt { from, component: "web", to, service, port, open }.check()?);
        }
    }
    lines.push(outside(first)?);
    Ok(lines.join("\n"))
}

impl Attempt<'_> {
    fn check(&self) -> Result<String> {
        let host = format!("{}.{}.svc.cluster.local", self.service, self.to.pull_request.namespace());
        let answer = python(self.from, self.component, CONNECT, &[&host, &self.port.to_string()])?;
        let line = format!(
            "{} pod of {} → {} of {}, port {}: {answer}",
            self.component,
            self.from.pull_request.namespace(),
            self.service,
            self.to.pull_request.namespace(),
            self.port
        );
        ensure!((answer == "open") == self.open, "{line}");
        Ok(line)
    }
}

/// Checks that the pods are closed to this machine, and open through the ingress controller.
fn outside(preview: &Preview<'_>) -> Result<String> {
    let mut lines = Vec::new();
    for (component, port) in [("temporal", TEMPORAL), ("temporal", 8088), ("web", 8080)] {
        let address = SocketAddr::new(address(preview, component)?, port);
        ensure!(!process::accepts_connections(address), "the {component} pod's port {port} is open from outside");
        lines.push(format!(
            "this machine → {component} pod of {}, port {port}: closed",
            preview.pull_request.namespace()
        ));
    }
    for host in [preview.host(), preview.ui_host()] {
        preview.get(&host, "/")?;
        lines.push(format!("this machine → {host}, through the ingress controller: open"));
    }
    Ok(lines.join("\n"))
}

fn address(preview: &Preview<'_>, component: &str) -> Result<IpAddr> {
    let path = "jsonpath={.items[0].status.podIP}";
    let (namespace, selector) = (preview.pull_request.namespace(), format!("component={component}"));
    let address =
        preview.pull_request.person.kubectl(&["get", "pods", "-n", &namespace, "-l", &selector, "-o", path])?;
    address.parse().with_context(|| format!("reading the address of the {component} pod: {address}"))
}

/// Connects to databases with this preview's role.
const CROSS: &str = "import os, sys, psycopg
for database in sys.argv[1:]:
    try:
        psycopg.connect(os.environ['DATABASE_URL'], dbname=database, connect_timeout=5).close()
        print(database, 'open')
    except psycopg.Error as error:
        print(database, 'refused:', str(error).strip().splitlines()[-1])";

/// Checks that each preview's role opens its own databases and not the other's.
pub(super) fn databases(first: &Preview<'_>, second: &Preview<'_>) -> Result<String> {
    let mut lines = Vec::new();
    for (from, other) in [(first, second), (second, first)] {
        let (own, foreign) = (names(from)?, names(other)?);
        let all: Vec<&str> = own.split_whitespace().chain(foreign.split_whitespace()).collect();
        let answer = python(from, "web", CROSS, &all)?;
        for database in own.split_whitespace() {
            ensure!(answer.contains(&format!("{database} open")), "its own database {database} is closed: {answer}");
        }
        for database in foreign.split_whitespace() {
            ensure!(
                answer.contains(&format!("{database} refused: ")),
                "database {database} of another is open: {answer}"
            );
        }
        lines.push(format!("from the web pod of {}:\n{answer}", from.pull_request.namespace()));
    }
    Ok(lines.join("\n"))
}

fn names(of: &Preview<'_>) -> Result<String> {
    let names = "import os; print(*(os.environ[name] for name in \
                 ('DATABASE_NAME', 'TEMPORAL_DATABASE_NAME', 'TEMPORAL_VISIBILITY_DATABASE_NAME')))";
    python(of, "web", names, &[])
}

fn python(from: &Preview<'_>, component: &str, program: &str, arguments: &[&str]) -> Result<String> {
    let pods = from.pods(component)?;
    let pod = pods.first().with_context(|| format!("there is no {component} pod"))?;
    let namespace = from.pull_request.namespace();
    let mut command = vec!["exec", "-n", &namespace, pod, "--", "python", "-c", program];
    command.extend(arguments);
    Ok(from.pull_request.person.kubectl(&command)?.trim().to_owned())
}
