//! A trial of the worker's image: installed from `manifests/worker` with an image of apps on top, and one pull request.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::{BERTH, buildah::Buildah, manifests::worker_manifests, start};
use crate::{
    commands::{pull_request::PullRequest, timeline::Timeline},
    lab::{self, Lab},
    life::state::State,
    machine::folders,
    parts::cargo,
    services::BERTH_NAMESPACE,
};

/// A number far from those of other labs' pull requests.
const PULL_REQUEST: u64 = 499;
const WITH_APPS: &str = "localhost/berth-lab/berth-with-apps";
const STARTS: usize = 5;

/// Runs the trial on the tests' lab: there can be one lab with real pods, and tests may be using it.
pub(super) fn run(buildah: &Buildah) -> Result<()> {
    let berth = cargo::berth()?;
    let lab = Lab::shared()?;
    let state = lab.state();
    ensure!(state.real_pods, "no pod runs on fake nodes");
    let pull_request = PullRequest::new(state, berth, PULL_REQUEST);
    let mut timeline = Timeline::default();
    timeline.step("the worker is ready soon after its start", || how_soon(buildah, &lab));
    timeline.step("installed: kubectl apply -k, and its pods are ready", || install(buildah, state, &pull_request));
    timeline.step("opened: the first push goes live", || push(&pull_request, '1', &state.images["v1"], (0, "live")));
    timeline.step("the next push goes live", || push(&pull_request, '2', &state.images["v2"], (0, "live")));
    timeline.step("a push whose image does not exist fails", || {
        push(&pull_request, '3', &lab::missing_image(state), (1, "failed"))
    });
    timeline.step("closed: the environment is gone", || close(&pull_request));
    timeline.step("the workers drain", || remove(&pull_request));
    timeline.result()
}

fn how_soon(buildah: &Buildah, lab: &Lab) -> Result<String> {
    let binary = folders::make(folders::cache()?.join("images/bin"))?.join("berth");
    buildah.copy_out(BERTH, "/usr/local/bin/berth", &binary)?;
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755))?;
    let median = start::median(&binary, lab, STARTS)?;
    Ok(format!("after {} ms, the median of {STARTS} starts", median.as_millis()))
}

fn install(buildah: &Buildah, state: &State, pull_request: &PullRequest) -> Result<String> {
    buildah.build_with_apps(BERTH, &state.apps_dir, WITH_APPS)?;
    let image = buildah.push(WITH_APPS, &format!("{}/platform/berth", state.registry))?;
    let folder = folders::make(folders::cache()?.join("images/kustomization"))?;
    fs::write(folder.join("kustomization.yaml"), kustomization(&folder, &image, state)?)?;
    let begun = Instant::now();
    pull_request.person.kubectl(&["apply", "-k", &folder.display().to_string()])?;
    let waited =
        pull_request.person.kubectl(&["rollout", "status", "deployment/berth", "-n", BERTH_NAMESPACE, "--timeout=90s"]);
    if let Err(error) = waited {
        bail!("{error:#}\n{}", what_pods_say(pull_request));
    }
    Ok(format!("{image}\nfrom apply to two ready pods: {:.1} s", begun.elapsed().as_secs_f32()))
}

/// Writes a kustomization like the one in the documentation.
fn kustomization(folder: &Path, image: &str, state: &State) -> Result<String> {
    let (name, digest) = image.split_once('@').context("reading the image's digest")?;
    Ok(format!(
        "resources: [{manifests}]\n\
         images: [{{ name: berth, newName: \"{name}\", digest: \"{digest}\" }}]\n\
         configMapGenerator:\n\
         - name: berth\n  namespace: {BERTH_NAMESPACE}\n  behavior: merge\n  literals:\n  \
         - TEMPORAL_ADDRESS={temporal}\n  - DOPPLER_API_HOST={doppler}\n  - BERTH_SCHEME=http\n",
        manifests = worker_manifests(folder)?.display(),
        temporal = state.temporal_address_for_pods,
        doppler = state.doppler_url,
    ))
}

fn what_pods_say(pull_request: &PullRequest) -> String {
    let pods = pull_request.person.kubectl(&["describe", "pods", "-n", BERTH_NAMESPACE]).unwrap_or_default();
    let logs = pull_request.person.kubectl(&[
        "logs",
        "-n",
        BERTH_NAMESPACE,
        "-l",
        "app.kubernetes.io/name=berth",
        "--tail=20",
    ]);
    format!("{pods}\n{}", logs.unwrap_or_default())
}

fn push(pull_request: &PullRequest, digit: char, image: &str, (code, outcome): (i32, &str)) -> Result<String> {
    let commit = digit.to_string().repeat(40);
    let answer = pull_request.preview("push", &["--commit", &commit, "--image", image])?.expect(code, outcome)?;
    let shown = if outcome == "live" { &answer["url"] } else { &answer["verdict"]["failure"] };
    Ok(shown.as_str().unwrap_or_default().to_owned())
}

fn close(pull_request: &PullRequest) -> Result<String> {
    let closed = pull_request.preview("close", &[])?;
    ensure!(closed.code == Some(0), "berth preview close: {closed:?}");
    Ok(closed.json["data"]["gone"].to_string())
}

/// Removes the pods. They must end on SIGTERM, within the grace period.
fn remove(pull_request: &PullRequest) -> Result<String> {
    let begun = Instant::now();
    pull_request.person.kubectl(&["scale", "deployment/berth", "-n", BERTH_NAMESPACE, "--replicas=0"])?;
    let left = || -> Result<usize> {
        let pods = pull_request.person.kubectl(&["get", "pods", "-n", BERTH_NAMESPACE, "-o", "json"])?;
        let pods: Value = serde_json::from_str(&pods)?;
        Ok(pods["items"].as_array().map_or(0, Vec::len))
    };
    while left()? > 0 {
        ensure!(begun.elapsed() < Duration::from_secs(25), "they do not end");
        thread::sleep(Duration::from_millis(200));
    }
    Ok(format!("gone after {:.1} s", begun.elapsed().as_secs_f32()))
}
