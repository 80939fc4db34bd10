//! The moment in which the first pod of a release is seen to fail.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use super::site::NAMESPACE;
use crate::{commands::person::Person, machine::process};

/// A watch of the pods of an image, as `kubectl get pods --watch` reports them.
pub(super) struct FirstFailure {
    watch: Child,
    seen: Receiver<(Instant, String)>,
}

impl FirstFailure {
    /// Begins to watch for a failing pod of the image.
    pub(super) fn watch(person: &Person, image: &str) -> Result<Self> {
        let states = [".state.waiting.reason", ".state.terminated.reason", ".lastState.terminated.reason"];
        let column = |(at, path): (usize, &&str)| format!("S{at}:.status.containerStatuses[*]{path}");
        let states: Vec<_> = states.iter().enumerate().map(column).collect();
        let columns =
            format!("custom-columns=IMAGES:.spec.containers[*].image,NAME:.metadata.name,{}", states.join(","));
        let mut kubectl = person.kubectl_command();
        kubectl.args(["get", "pods", "-n", NAMESPACE, "--watch", "--no-headers", "-o", &columns]);
        let mut watch = kubectl.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let lines = BufReader::new(watch.stdout.take().context("reading the pods")?).lines();
        let (seen, received) = mpsc::channel();
        let image = image.to_owned();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok).filter(|line| line.contains(&image)) {
                if let Some(failing) = failing(&line) {
                    // Nobody waits any more if the demo is over.
                    let _ = seen.send((Instant::now(), failing));
                    return;
                }
            }
        });
        Ok(Self { watch, seen: received })
    }

    /// The moment, with the pod and its state.
    pub(super) fn seen(&self) -> Result<(Instant, String)> {
        self.seen.recv_timeout(Duration::from_secs(1)).context("no pod of the release was seen to fail")
    }
}

impl Drop for FirstFailure {
    fn drop(&mut self) {
        process::kill(&mut self.watch);
    }
}

/// The pod and its state, if a line of a watch reports that one of its containers fails.
fn failing(line: &str) -> Option<String> {
    let mut columns = line.split_whitespace().skip(1);
    let name = columns.next()?;
    let mut reasons = columns.flat_map(|reasons| reasons.split(','));
    let reason = reasons.find(|reason| reason.contains("Error") || reason.contains("BackOff"))?;
    Some(format!("{name}: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starting_pod_does_not_fail_and_a_broken_one_does() {
        assert_eq!(failing("web:1,ui:2 web-temporal-7c-x PodInitializing,PodInitializing <none> <none>"), None);
        assert_eq!(
            failing("web:1,ui:2 web-temporal-7c-x <none> StartError <none>").as_deref(),
            Some("web-temporal-7c-x: StartError")
        );
        assert_eq!(
            failing("web:1 web-web-7c-x CrashLoopBackOff <none> Error").as_deref(),
            Some("web-web-7c-x: CrashLoopBackOff")
        );
    }
}
