//! `cargo lab status`: the labs that run, and where their parts answer.

use std::io::Write as _;

use anyhow::Result;

use crate::{
    cluster::ingress,
    life::state::State,
    machine::files::{self, Files},
    services::postgres::{PASSWORD, USER},
};

pub(crate) fn run() -> Result<()> {
    let mut out = std::io::stdout();
    let mut any = false;
    for name in files::all_names()? {
        let files = Files::of_lab(&name)?;
        if !files.is_alive()? {
            continue;
        }
        any = true;
        match State::read(&files) {
            Some(state) => write!(out, "{}", describe(&state))?,
            None => writeln!(out, "lab {name}: starting or ending")?,
        }
    }
    if !any {
        writeln!(out, "no lab runs")?;
    }
    Ok(())
}

pub(super) fn describe(state: &State) -> String {
    let nodes = match (state.real_pods, state.fake_nodes) {
        (true, 0) => "one real node".to_owned(),
        (true, fake) => format!("one real node and {fake} fake ones"),
        (false, 0) => "nodes of an existing cluster".to_owned(),
        (false, fake) => format!("{fake} fake nodes: no container runs"),
    };
    let worker = if state.worker { "runs" } else { "none" };
    let full = state.full.as_ref().map_or_else(String::new, |full| {
        format!(
            "  ingress       {ingress}, so {page}\n  postgres      {postgres}, as {USER} with password {PASSWORD}\n",
            ingress = full.ingress,
            page = ingress::url(full.ingress, "pr-123.localhost"),
            postgres = full.postgres,
        )
    });
    format!(
        "lab {name}\n  nodes         {nodes}\n  kubeconfig    {kubeconfig}\n  temporal      {temporal}\n  \
         temporal-ui   {ui}\n  doppler       {doppler}\n  registry      {registry}\n  apps          {apps}\n\
         {full}  berth worker  {worker}\n  logs          {logs}\n  supervisor    process {supervisor}\n",
        name = state.name,
        kubeconfig = state.kubeconfig.display(),
        temporal = state.temporal_address,
        ui = state.temporal_ui,
        doppler = state.doppler_url,
        registry = state.registry,
        apps = state.apps_dir.display(),
        logs = state.logs.display(),
        supervisor = state.supervisor.pid,
    )
}
