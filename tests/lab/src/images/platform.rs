//! The images of Temporal and the ingress controller, with the entry points and variables of upstream's images.

use std::path::Path;

use anyhow::Result;

use super::{
    base,
    pack::{Entry, Image, Spec},
};
use crate::parts::{self, Part, Tools};

/// Upstream's entry point, but with /etc/hosts, which the kubelet writes, instead of the resolver.
const SERVER_ENTRYPOINT: &str = r#"#!/bin/sh
set -eu
own_address() { awk -v name="$(hostname)" '{ for (i = 2; i <= NF; i++) if ($i == name) { print $1; exit } }' /etc/hosts; }

: "${BIND_ON_IP:=$(own_address)}"
export BIND_ON_IP
if [ "$BIND_ON_IP" = "0.0.0.0" ] || [ "$BIND_ON_IP" = "::0" ]; then
    : "${TEMPORAL_BROADCAST_ADDRESS:=$(own_address)}"
    export TEMPORAL_BROADCAST_ADDRESS
fi
exec temporal-server start
"#;

const UI_ENTRYPOINT: &str = "#!/bin/sh\nset -eu\nexec ./ui-server --env docker start\n";

pub(super) fn specs(tools: &Tools, base: &Path) -> Result<Vec<Spec>> {
    Ok(vec![server(tools, base)?, admin_tools(tools, base)?, ui(tools, base)?, traefik(tools, base)?])
}

fn server(tools: &Tools, base: &Path) -> Result<Spec> {
    let entries = vec![
        Entry::program(&tools["temporal-server"], "usr/local/bin/temporal-server"),
        Entry::script("etc/temporal/entrypoint.sh", SERVER_ENTRYPOINT),
        Entry::text("etc/temporal/config/dynamicconfig/docker.yaml", "{}\n"),
    ];
    let image = Image { cmd: vec!["/etc/temporal/entrypoint.sh"], working_dir: "/etc/temporal", ..Image::default() };
    spec("temporal-server", "temporalio/server", Part::TemporalServer, base, entries, image)
}

fn admin_tools(tools: &Tools, base: &Path) -> Result<Spec> {
    let entries = vec![
        Entry::program(&tools["temporal-sql-tool"], "usr/local/bin/temporal-sql-tool"),
        Entry::program(&tools["temporal"], "usr/local/bin/temporal"),
    ];
    let idle = vec!["sh", "-c", "trap exit INT HUP TERM; sleep infinity & wait"];
    let image = Image { cmd: idle, working_dir: "/", ..Image::default() };
    spec("temporal-admin-tools", "temporalio/admin-tools", Part::TemporalSqlTool, base, entries, image)
}

fn ui(tools: &Tools, base: &Path) -> Result<Spec> {
    // `docker.yaml` reads every setting from the environment, on top of `base.yaml`.
    let config = parts::temporal_ui_config()?;
    let mut entries = vec![
        Entry::program(&tools["temporal-ui-server"], "home/ui-server/ui-server"),
        Entry::script("home/ui-server/start-ui-server.sh", UI_ENTRYPOINT),
    ];
    for file in ["base.yaml", "docker.yaml"] {
        let text = std::fs::read_to_string(config.join(file))?;
        entries.push(Entry::text(&format!("home/ui-server/config/{file}"), &text));
    }
    let image = Image { entrypoint: vec!["./start-ui-server.sh"], working_dir: "/home/ui-server", ..Image::default() };
    spec("temporal-ui", "temporalio/ui", Part::TemporalUi, base, entries, image)
}

fn traefik(tools: &Tools, base: &Path) -> Result<Spec> {
    let entries = vec![Entry::program(&tools["traefik"], "usr/local/bin/traefik")];
    let image = Image { entrypoint: vec!["/usr/local/bin/traefik"], working_dir: "/", ..Image::default() };
    spec("traefik", "library/traefik", Part::Traefik, base, entries, image)
}

fn spec(
    name: &'static str,
    repository: &str,
    part: Part,
    base: &Path,
    entries: Vec<Entry>,
    image: Image,
) -> Result<Spec> {
    let version = parts::version(part)?;
    let number = version.trim_start_matches('v');
    let image = Image {
        name: name.to_owned(),
        reference: format!("{repository}:{number}"),
        env: vec!["PATH=/usr/local/bin:/usr/bin:/bin".to_owned()],
        ..image
    };
    Ok(Spec { name, version: number.to_owned(), layers: vec![base::shell(base), entries], images: vec![image] })
}
