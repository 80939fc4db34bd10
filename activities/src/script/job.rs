//! The Job of a script, built from the web pod's template. Pure.

use std::collections::{BTreeMap, BTreeSet};

use berth_manifests::app::Scripts;
use berth_workflows::contract::{
    run_script::{Arguments, ScriptName},
    script::SCRIPT_SECONDS,
    script_job::{ScriptStarted, StartScriptInput},
};
use k8s_openapi::api::{
    batch::v1::{Job, JobSpec},
    core::v1::{Container, PodSpec, PodTemplateSpec, Volume},
};
use kube::ResourceExt;

use super::{CRON, RUN, SCRIPT, WORKLOAD};
use crate::kubernetes::{labels, pod_secrets::secret_references};

/// kubectl's annotation for a pod's main container.
pub(super) const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";
/// Commands that consume a script's arguments unless `--` separates them.
const RUNNERS: [&str; 3] = ["npm", "pnpm", "yarn"];
/// The time that Kubernetes keeps a finished Job. A safety net: berth removes it after reading its end.
pub(super) const KEPT_SECONDS: i32 = 3600;
/// The longest grace period in seconds. A close waits for it, and a slower script is killed.
pub(super) const LONGEST_GRACE: i64 = 10;

/// Returns the command: prefix and name, split at spaces, then the arguments unchanged.
pub(super) fn command(scripts: &Scripts, name: &ScriptName, args: &Arguments) -> Vec<String> {
    let line = format!("{}{name}", scripts.prefix.trim_start());
    let mut words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
    if !args.is_empty() && words.first().is_some_and(|first| RUNNERS.contains(&first.as_str())) {
        words.push("--".to_owned());
    }
    words.extend(args.iter().map(str::to_owned));
    words
}

/// Returns the labels of Job and pod. They are berth's only, so that no selector of the app matches.
pub(super) fn job_labels(input: &StartScriptInput, installation: &str) -> BTreeMap<String, String> {
    let mut labels = labels::owner_labels(&input.environment, installation);
    labels.insert(name_key(input).to_owned(), label_value(input.script.name()));
    labels
}

/// Returns the annotations of a Job: the name in the request, the run that made it, and the workload it is modelled on.
pub(super) fn annotations(input: &StartScriptInput, workload: &str) -> BTreeMap<String, String> {
    [(name_key(input), input.script.name()), (RUN, &input.run_id), (WORKLOAD, workload)]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

fn name_key(input: &StartScriptInput) -> &'static str {
    if input.script.is_cron() { CRON } else { SCRIPT }
}

/// Returns a valid label value: without `:`, ending in a letter or digit, at most 63 characters.
fn label_value(name: &str) -> String {
    let plain: String = name.chars().map(|c| if c == ':' { '.' } else { c }).take(63).collect();
    plain.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
}

/// Builds the Job of a script. `None` if the template has no container.
pub(super) fn job(
    input: &StartScriptInput,
    installation: &str,
    command: Vec<String>,
    template: &PodTemplateSpec,
    workload: &str,
) -> Option<Job> {
    let labels = job_labels(input, installation);
    let mut pod = PodTemplateSpec { spec: Some(pod_spec(template, command)?), ..PodTemplateSpec::default() };
    pod.metadata.get_or_insert_default().labels = Some(labels.clone());
    let mut job = Job {
        spec: Some(JobSpec {
            template: pod,
            backoff_limit: Some(0), // A script may have done half of its work: only a person can decide to repeat it.
            active_deadline_seconds: i64::try_from(SCRIPT_SECONDS).ok(),
            ttl_seconds_after_finished: Some(KEPT_SECONDS),
            ..JobSpec::default()
        }),
        ..Job::default()
    };
    job.metadata.name = Some(input.job.clone());
    job.metadata.namespace = Some(input.environment.namespace.clone());
    job.metadata.labels = Some(labels);
    job.metadata.annotations = Some(annotations(input, workload));
    Some(job)
}

/// Builds the pod: the main container alone, which runs the command once.
fn pod_spec(template: &PodTemplateSpec, command: Vec<String>) -> Option<PodSpec> {
    let mut spec = template.spec.clone()?;
    let main = run_once(spec.containers.drain(..).nth(main_container(template))?, command);
    let emptied = scratch(&main, spec.volumes.as_deref().unwrap_or_default());
    if let Some(init) = &mut spec.init_containers {
        init.retain(|container| fills(container, &emptied));
    }
    let mounted: BTreeSet<_> =
        std::iter::once(&main).chain(spec.init_containers.iter().flatten()).flat_map(mounts).collect();
    if let Some(volumes) = &mut spec.volumes {
        volumes.retain(|volume| mounted.contains(&volume.name));
    }
    spec.containers = vec![main];
    spec.restart_policy = Some("Never".to_owned());
    let grace = spec.termination_grace_period_seconds.unwrap_or(LONGEST_GRACE);
    spec.termination_grace_period_seconds = Some(grace.min(LONGEST_GRACE));
    // Fields that spread, name or gate the web pods do not apply to a script.
    if let Some(affinity) = &mut spec.affinity {
        affinity.pod_affinity = None;
        affinity.pod_anti_affinity = None;
    }
    spec.topology_spread_constraints = None;
    spec.readiness_gates = None;
    spec.scheduling_gates = None;
    spec.active_deadline_seconds = None;
    spec.hostname = None;
    spec.subdomain = None;
    Some(spec)
}

/// Returns the place of the main container: the one that kubectl takes by default, else the first.
fn main_container(template: &PodTemplateSpec) -> usize {
    let wanted = template.metadata.as_ref().and_then(|meta| meta.annotations.as_ref()?.get(DEFAULT_CONTAINER));
    let mut containers = template.spec.iter().flat_map(|spec| &spec.containers);
    containers.position(|container| Some(&container.name) == wanted).unwrap_or_default()
}

fn run_once(mut container: Container, command: Vec<String>) -> Container {
    container.command = Some(command);
    container.args = None;
    container.ports = None;
    container.liveness_probe = None;
    container.readiness_probe = None;
    container.startup_probe = None;
    container.lifecycle = None;
    container.stdin = None;
    container.stdin_once = None;
    container.tty = None;
    container
}

/// Returns the empty volumes whose content the main container gets from another container. `/tmp` is only a place to
/// write.
fn scratch(main: &Container, volumes: &[Volume]) -> BTreeSet<String> {
    let empty: BTreeSet<_> = volumes.iter().filter(|volume| volume.empty_dir.is_some()).map(|v| &v.name).collect();
    let mounts = main.volume_mounts.iter().flatten();
    mounts.filter(|m| empty.contains(&m.name) && m.mount_path != "/tmp").map(|m| m.name.clone()).collect()
}

/// Returns whether an init container must fill those volumes. A sidecar never ends, so it is left out.
fn fills(container: &Container, volumes: &BTreeSet<String>) -> bool {
    container.restart_policy.as_deref() != Some("Always") && mounts(container).any(|name| volumes.contains(&name))
}

fn mounts(container: &Container) -> impl Iterator<Item = String> + '_ {
    let mounts = container.volume_mounts.iter().flatten().map(|mount| mount.name.clone());
    mounts.chain(container.volume_devices.iter().flatten().map(|device| device.name.clone()))
}

/// Returns the description of a Job that this run has started.
pub(super) fn started(job: &Job) -> ScriptStarted {
    let template = job.spec.as_ref().map(|spec| &spec.template);
    let spec = template.and_then(|template| template.spec.as_ref());
    let mut containers: Vec<_> = spec.iter().flat_map(|spec| &spec.containers).map(|c| c.name.clone()).collect();
    let main = template.map(main_container).filter(|at| *at < containers.len()).map(|at| containers.remove(at));
    let annotation = |key: &str| job.annotations().get(key).cloned().unwrap_or_default();
    ScriptStarted {
        job: job.name_any(),
        container: main.unwrap_or_default(),
        other_containers: containers,
        workload: annotation(WORKLOAD),
        secrets: spec.map(needed_secrets).unwrap_or_default(),
    }
}

/// Returns the Secrets without which the pod cannot start.
fn needed_secrets(spec: &PodSpec) -> Vec<String> {
    let needed = secret_references(spec).filter(|secret| !secret.optional).map(|secret| secret.name);
    needed.collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests;
