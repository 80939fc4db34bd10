//! A script's output as it comes, through the caller's own Kubernetes: what he may not see there he is not shown.

use std::io::Write;

use futures::{AsyncBufReadExt, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, Config, ResourceExt,
    api::LogParams,
    config::KubeConfigOptions,
    runtime::{WatchStreamExt, watcher},
};

/// The Job controller's own label on a pod.
const JOB_NAME: &str = "batch.kubernetes.io/job-name";

/// How much of a script's output has been shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Shown {
    /// Not all of it, or nothing.
    #[default]
    NotAll,
    All,
}

/// Shows what the Job's pod writes, until it ends. Where that cannot be done, says so once.
pub(super) async fn follow(namespace: &str, job: &str) -> Shown {
    match try_follow(namespace, job).await {
        Ok(shown) => shown,
        // It had ended, and was removed, before anybody could look.
        Err(error) if is_gone(&error) => Shown::NotAll,
        Err(error) => {
            let mut out = std::io::stderr();
            // Nobody is left to tell if standard error is closed.
            let _ = writeln!(
                out,
                "berth: its output cannot be shown as it comes, so its end is shown at the end: {error:#}"
            );
            Shown::NotAll
        }
    }
}

fn is_gone(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(kube::Error::Api(status)) if status.code == 404)
}

async fn try_follow(namespace: &str, job: &str) -> anyhow::Result<Shown> {
    // A kubeconfig, never a pod's own account: that one would be another cluster's, or a machine's.
    let config = Config::from_kubeconfig(&KubeConfigOptions::default()).await?;
    let pods: Api<Pod> = Api::namespaced(Client::try_from(config)?, namespace);
    let Some((pod, container)) = started(&pods, job).await? else { return Ok(Shown::NotAll) };
    let params = LogParams { container: Some(container), follow: true, ..LogParams::default() };
    let mut lines = pods.log_stream(&pod, &params).await?.lines();
    while let Some(line) = lines.try_next().await? {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", plain(&line))?;
    }
    Ok(Shown::All)
}

/// Waits until the pod's container has begun. None if the pod has gone before.
async fn started(pods: &Api<Pod>, job: &str) -> anyhow::Result<Option<(String, String)>> {
    let config = watcher::Config::default().labels(&format!("{JOB_NAME}={job}"));
    let mut seen = std::pin::pin!(watcher(pods.clone(), config).applied_objects());
    while let Some(pod) = seen.next().await {
        let pod = pod?;
        let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
        let begun = statuses.iter().find(|status| {
            status.state.as_ref().is_some_and(|state| state.running.is_some() || state.terminated.is_some())
        });
        if let Some(status) = begun {
            return Ok(Some((pod.name_any(), status.name.clone())));
        }
    }
    Ok(None)
}

/// Colours stay; what else a terminal would obey does not.
fn plain(line: &str) -> String {
    let is_kept = |(at, c): &(usize, char)| match c {
        '\t' => true,
        '\u{1b}' => is_colour(&line[at + 1..]),
        c => !c.is_control(),
    };
    line.char_indices().filter(is_kept).map(|(_, c)| c).collect()
}

/// Whether what follows an escape is `[1;31m` or its like.
fn is_colour(rest: &str) -> bool {
    let numbers = rest.strip_prefix('[').map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';'));
    numbers.is_some_and(|rest| rest.starts_with('m'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_may_use_colours_and_nothing_else_of_a_terminal() {
        assert_eq!(plain("\u{1b}[1;31mred\u{1b}[0m\tx"), "\u{1b}[1;31mred\u{1b}[0m\tx");
        assert_eq!(plain("a\u{1b}[2Jb\u{1b}]0;title\u{7}c\r"), "a[2Jb]0;titlec");
    }
}
