//! Who reaches what: asked of the network itself, from inside the pods and from outside.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result, ensure};

use super::preview::Preview;
use crate::{commands::pull_request::APP, machine::process};

/// One try of a connection, and whether it must succeed.
struct Try<'a> {
    from: &'a Preview<'a>,
    component: &'static str,
    to: &'a Preview<'a>,
    service: String,
    port: u16,
    open: bool,
}

const TEMPORAL: u16 = 7233;

/// Python is what the sample app's image has. It says how it went, and ends well either way.
const CONNECT: &str = "import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 3).close()
    print('open')
except OSError as error:
    print('closed:', error)";

pub(super) fn matrix(first: &Preview<'_>, second: &Preview<'_>) -> Result<String> {
    let pairs = [(first, first, true), (second, second, true), (second, first, false), (first, second, false)];
    let mut lines = Vec::new();
    for (from, to, open) in pairs {
        for (service, port) in [("temporal", TEMPORAL), ("temporal-ui", 80), ("web", 80)] {
            let service = format!("{APP}-{service}");
            lines.push(Try { from, component: "web", to, service, port, open }.go()?);
        }
    }
    lines.push(outside(first)?);
    Ok(lines.join("\n"))
}

impl Try<'_> {
    fn go(&self) -> Result<String> {
        let host = format!("{}.{}.svc.cluster.local", self.service, self.to.tools.namespace());
        let answer = python(self.from, self.component, CONNECT, &[&host, &self.port.to_string()])?;
        let line = format!(
            "{} pod of {} → {} of {}, port {}: {answer}",
            self.component,
            self.from.tools.namespace(),
            self.service,
            self.to.tools.namespace(),
            self.port
        );
        ensure!((answer == "open") == self.open, "{line}");
        Ok(line)
    }
}

/// Past the ingress controller, to the pods themselves. The ingress controller lets in what it should.
fn outside(preview: &Preview<'_>) -> Result<String> {
    let mut lines = Vec::new();
    for (component, port) in [("temporal", TEMPORAL), ("temporal", 8088), ("web", 8080)] {
        let address = SocketAddr::new(address(preview, component)?, port);
        ensure!(!process::accepts_connections(address), "the {component} pod's port {port} is open from outside");
        lines.push(format!("this machine → {component} pod of {}, port {port}: closed", preview.tools.namespace()));
    }
    for host in [preview.host(), preview.ui_host()] {
        preview.get(&host, "/")?;
        lines.push(format!("this machine → {host}, through the ingress controller: open"));
    }
    Ok(lines.join("\n"))
}

fn address(preview: &Preview<'_>, component: &str) -> Result<IpAddr> {
    let path = "jsonpath={.items[0].status.podIP}";
    let (namespace, selector) = (preview.tools.namespace(), format!("component={component}"));
    let address = preview.tools.kubectl(&["get", "pods", "-n", &namespace, "-l", &selector, "-o", path])?;
    address.parse().with_context(|| format!("reading the address of the {component} pod: {address}"))
}

/// With the role of one at the databases of the other. That it gets into its own shows that the refusal is about the database.
const CROSS: &str = "import os, sys, psycopg
for database in sys.argv[1:]:
    try:
        psycopg.connect(os.environ['DATABASE_URL'], dbname=database, connect_timeout=5).close()
        print(database, 'open')
    except psycopg.Error as error:
        print(database, 'refused:', str(error).strip().splitlines()[-1])";

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
        lines.push(format!("from the web pod of {}:\n{answer}", from.tools.namespace()));
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
    let namespace = from.tools.namespace();
    let mut command = vec!["exec", "-n", &namespace, pod, "--", "python", "-c", program];
    command.extend(arguments);
    Ok(from.tools.kubectl(&command)?.trim().to_owned())
}
