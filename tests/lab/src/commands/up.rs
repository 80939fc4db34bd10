//! `up`, `env`, `status` and `down`.

use std::{env, io::Write as _, path::Path, sync::atomic::Ordering, thread, time::Duration};

use anyhow::{Context as _, Result, bail};

use crate::{
    cli,
    cluster::ingress,
    life::{
        clean,
        prepare::{self, Wish},
        session,
        state::State,
        supervisor,
    },
    machine::files::{self, Files},
    parts::cargo,
    services::postgres::{PASSWORD, USER},
};

/// The lab of people.
const UP: &str = "up";

pub(crate) fn up(up: &cli::Up) -> Result<()> {
    if Files::of(UP)?.is_alive()? {
        bail!("a lab is up already: `cargo lab status` says where, `cargo lab down` ends it");
    }
    let session = session::join_or_start(UP, || {
        prepare::plan(Wish {
            yes: up.options.yes,
            fake_nodes: up.options.fake_nodes,
            service_network: true,
            use_cluster: up.options.use_cluster,
            full: up.full,
            worker: if up.no_worker { None } else { Some(cargo::berth()?) },
            detached: up.detach,
            ..Wish::named(UP)
        })
    })?;
    write!(std::io::stdout(), "{}", describe(&session.state))?;
    if up.detach {
        writeln!(std::io::stderr(), "lab: up. `eval \"$(cargo lab env)\"` to use it, `cargo lab down` to end it")?;
        return Ok(());
    }
    writeln!(std::io::stderr(), "lab: up, until Ctrl-C. `eval \"$(cargo lab env)\"` in another shell to use it")?;
    wait_for_ctrl_c(&session.state)?;
    drop(session);
    end_and_check(UP)
}

/// Or until the lab has ended without us.
pub(crate) fn wait_for_ctrl_c(state: &State) -> Result<()> {
    let stop = supervisor::stop_on_signal()?;
    while !stop.load(Ordering::Relaxed) {
        if !state.supervisor.is_alive() {
            let failure = std::fs::read_to_string(Files::of(&state.name)?.failure()).unwrap_or_default();
            bail!("the lab has ended: {failure}");
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// A lab that leaves something behind is a fault, and is said to be one. Other labs that live are left out of it.
pub(crate) fn end_and_check(lab: &str) -> Result<()> {
    session::end(lab)?;
    for name in files::all_names()? {
        if Files::of(&name)?.is_alive()? {
            return Ok(());
        }
    }
    clean::check_clean()
}

pub(crate) fn down(all: bool) -> Result<()> {
    let names = if all { files::all_names()? } else { vec![UP.to_owned()] };
    let mut ended = 0;
    for name in names {
        ended += usize::from(session::end(&name)?);
    }
    clean::sweep_dead()?;
    if ended == 0 {
        writeln!(std::io::stderr(), "lab: none was running")?;
    }
    if all { clean::check_clean() } else { Ok(()) }
}

pub(crate) fn env() -> Result<()> {
    let state = the_running_one()?;
    let mut out = std::io::stdout();
    let exports = [
        ("KUBECONFIG", state.kubeconfig.display().to_string()),
        ("TEMPORAL_ADDRESS", state.temporal_address.clone()),
        ("DOPPLER_API_HOST", state.doppler_url.clone()),
        ("BERTH_APPS", state.apps_dir.display().to_string()),
        ("PATH", path_with_tools(&state)?),
    ];
    for (name, value) in exports {
        writeln!(out, "export {name}={}", quoted(&value))?;
    }
    for (variant, image) in &state.images {
        let name = variant.to_uppercase().replace('-', "_");
        writeln!(out, "export BERTH_LAB_IMAGE_{name}={}", quoted(image))?;
    }
    Ok(())
}

/// kubectl and temporal before anybody else's; berth, if it is built.
fn path_with_tools(state: &State) -> Result<String> {
    let ours = ["kubectl", "temporal"].iter().filter_map(|tool| state.tools.get(*tool)?.parent().map(Path::to_owned));
    let own = env::current_exe()?;
    let built = own.parent().context("finding the build folder")?.to_owned();
    let rest = env::var_os("PATH").unwrap_or_default();
    let joined = env::join_paths(ours.chain([built]).chain(env::split_paths(&rest)))?;
    Ok(joined.to_string_lossy().into_owned())
}

/// For a POSIX shell.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

fn the_running_one() -> Result<State> {
    let mut names = files::all_names()?;
    names.sort_by_key(|name| name != UP);
    let running = names.iter().filter_map(|name| {
        let files = Files::of(name).ok()?;
        files.is_alive().ok()?.then(|| State::read(&files))?
    });
    running.into_iter().next().context("no lab runs: start one with `cargo lab up --detach`")
}

pub(crate) fn status() -> Result<()> {
    let mut out = std::io::stdout();
    let mut any = false;
    for name in files::all_names()? {
        let files = Files::of(&name)?;
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

fn describe(state: &State) -> String {
    let nodes = match (state.real_pods, state.fake_nodes) {
        (true, 0) => "one real node".to_owned(),
        (true, fake) => format!("one real node and {fake} fake ones"),
        (false, 0) => "somebody's own nodes".to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_value_is_one_word_for_a_shell() {
        assert_eq!(quoted("/home/o'neil/a b"), r"'/home/o'\''neil/a b'");
    }
}
