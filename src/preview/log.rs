//! A script's output while it runs, read with the caller's own rights in Kubernetes.

use std::io::Write;

use futures::{AsyncBufReadExt, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::LogParams,
    runtime::{WatchStreamExt, watcher},
};

use crate::kubeconfig;

/// The label that the Job controller sets on a pod.
const JOB_NAME: &str = "batch.kubernetes.io/job-name";
/// kubectl's annotation for a pod's main container.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// How much of a script's output was followed to the terminal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Followed {
    /// A part of the output, or nothing.
    #[default]
    Part,
    All,
}

/// Copies the log of the Job's pod to standard output until it ends. Reports once if that is not possible.
pub(super) async fn follow(namespace: &str, job: &str) -> Followed {
    match try_follow(namespace, job).await {
        Ok(followed) => followed,
        // The script had ended, and its pod was removed, before the log could be read.
        Err(error) if is_gone(&error) => Followed::Part,
        Err(error) => {
            let mut out = std::io::stderr();
            // A closed standard error changes nothing.
            let _ = writeln!(
                out,
                "berth: the output cannot be shown while the script runs; its last lines follow at the end: {error:#}"
            );
            Followed::Part
        }
    }
}

fn is_gone(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(kube::Error::Api(status)) if status.code == 404)
}

async fn try_follow(namespace: &str, job: &str) -> anyhow::Result<Followed> {
    let pods: Api<Pod> = Api::namespaced(kubeconfig::client().await?, namespace);
    let Some((pod, container)) = started(&pods, job).await? else { return Ok(Followed::Part) };
    let params = LogParams { container: Some(container), follow: true, ..LogParams::default() };
    let mut lines = pods.log_stream(&pod, &params).await?.lines();
    while let Some(line) = lines.try_next().await? {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", without_controls(&line))?;
    }
    Ok(Followed::All)
}

/// Waits until the pod's main container has started. Gives pod and container, or nothing if the watch ends before.
async fn started(pods: &Api<Pod>, job: &str) -> anyhow::Result<Option<(String, String)>> {
    let config = watcher::Config::default().labels(&format!("{JOB_NAME}={job}"));
    let mut seen = std::pin::pin!(watcher(pods.clone(), config).applied_objects());
    while let Some(pod) = seen.next().await {
        let pod = pod?;
        let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
        let main = main_container(&pod);
        let started = statuses.iter().find(|status| {
            let state = status.state.as_ref();
            main == Some(&status.name)
                && state.is_some_and(|state| state.running.is_some() || state.terminated.is_some())
        });
        if let Some(status) = started {
            return Ok(Some((pod.name_any(), status.name.clone())));
        }
    }
    Ok(None)
}

/// The container that kubectl takes by default, else the first: a `CronJob` may have several.
fn main_container(pod: &Pod) -> Option<&String> {
    let containers = pod.spec.as_ref().map(|spec| spec.containers.as_slice()).unwrap_or_default();
    let wanted = pod.annotations().get(DEFAULT_CONTAINER);
    let named = containers.iter().find(|container| Some(&container.name) == wanted);
    named.or_else(|| containers.first()).map(|container| &container.name)
}

/// Removes control characters and escape sequences, except colours.
fn without_controls(line: &str) -> String {
    let is_kept = |(at, c): &(usize, char)| match c {
        '\t' => true,
        '\u{1b}' => is_colour(&line[at + 1..]),
        c => !c.is_control(),
    };
    line.char_indices().filter(is_kept).map(|(_, c)| c).collect()
}

/// Whether the text after an escape character is a colour, such as `[1;31m`.
fn is_colour(rest: &str) -> bool {
    let numbers = rest.strip_prefix('[').map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';'));
    numbers.is_some_and(|rest| rest.starts_with('m'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_keeps_colours_and_loses_other_escapes() {
        assert_eq!(without_controls("\u{1b}[1;31mred\u{1b}[0m\tx"), "\u{1b}[1;31mred\u{1b}[0m\tx");
        assert_eq!(without_controls("a\u{1b}[2Jb\u{1b}]0;title\u{7}c\r"), "a[2Jb]0;titlec");
    }

    #[test]
    fn output_is_of_the_main_container() {
        let pod = |annotations: serde_json::Value, names: &[&str]| -> Pod {
            let containers: Vec<_> = names.iter().map(|name| serde_json::json!({"name": name})).collect();
            let pod = serde_json::json!({"metadata": {"annotations": annotations}, "spec": {"containers": containers}});
            serde_json::from_value(pod).unwrap()
        };
        let second = serde_json::json!({DEFAULT_CONTAINER: "b"});
        for (annotations, names, expected) in [
            (serde_json::json!({}), &["a", "b"][..], Some("a")),
            (second.clone(), &["a", "b"], Some("b")),
            (second, &["a"], Some("a")),
            (serde_json::json!({}), &[], None),
        ] {
            assert_eq!(main_container(&pod(annotations, names)).map(String::as_str), expected);
        }
    }
}
