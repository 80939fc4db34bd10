//! The composite actions, with a `berth` out of an image and with one on the `PATH`.

use std::path::{Path, PathBuf};

use berth_lab::{
    ProgramRegistry,
    github::{GithubServer, Job},
};
use berth_test_support::{
    PUBLIC_URL,
    preview::{Preview, preview},
};

use crate::{
    BERTH,
    composite::Action,
    docker::Docker,
    hooks,
    step::{Ran, Step, image, pull_request},
};

/// The place of berth in the worker's image, as in the Dockerfile.
const IN_IMAGE: &str = "/usr/local/bin/berth";

/// Runs an action on a thread of its own: the worker of a test runs on this one.
async fn run(action: &'static str, step: Step, inputs: Vec<(&'static str, String)>, path: PathBuf) -> Ran {
    let running = move || {
        let inputs: Vec<_> = inputs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Action::read(action).run(&step, &inputs, &[path])
    };
    tokio::task::spawn_blocking(running).await.unwrap()
}

#[tokio::test]
async fn preview_is_deployed_and_closed_by_berth_of_the_image() {
    preview("act-preview", async |t: Preview| {
        let registry = ProgramRegistry::start(Path::new(BERTH), IN_IMAGE).unwrap();
        let github = GithubServer::start().unwrap();
        let hooks = hooks::start("previews", &t.input.app, &t.address, &t.task_queue, &github.url()).await;
        for (action, digit, outcome) in [("opened", 'a', "live"), ("closed", 'a', "gone")] {
            let job = github.begin_job(Job::of_pull_request(1, &"e".repeat(40)));
            let step = Step::preview(&t.input.app, &pull_request(action, digit))
                .set("ACTIONS_ID_TOKEN_REQUEST_URL", &job.request_url)
                .set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", &job.request_token)
                .set("BERTH_HOOKS_AUDIENCE", PUBLIC_URL);
            let docker = Docker::new();
            let inputs = vec![
                ("app_name", t.input.app.clone()),
                ("deploy_image", "acme/web".to_owned()),
                ("deploy_tag", "v1".to_owned()),
                ("deploy_digest", format!("sha256:{}", "a".repeat(64))),
                ("images", format!("\n  WORKER=acme/worker@sha256:{}\n", "b".repeat(64))),
                ("variables", "FLAGS=a,b\n".to_owned()),
                ("hooks", hooks.url().to_owned()),
                ("berth_image", registry.image.clone()),
            ];
            let ran = run("preview", step, inputs, docker.folder()).await;
            assert_eq!((ran.code, ran.outcome()), (0, outcome), "{ran:?}");
            if action == "opened" {
                let release = t.status().await.serving.unwrap().release;
                assert_eq!(release.images.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["WORKER"]);
                // The app file lists one of GitHub's variables, and hooks takes it from the job.
                let variables: Vec<_> = release.variables.iter().collect();
                assert_eq!(variables, [("FLAGS", "a,b"), ("GITHUB_RUN_NUMBER", "7")]);
            }
            assert!(!docker.has_container(), "a container is left: {ran:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn berth_on_the_path_is_taken_without_an_image() {
    preview("act-path", async |t: Preview| {
        let step = Step::preview(&t.input.app, &pull_request("opened", 'a'));
        let step = step.set("TEMPORAL_ADDRESS", &t.address).set("BERTH_TASK_QUEUE", &t.task_queue);
        let inputs =
            vec![("app_name", t.input.app.clone()), ("deploy_image", image('a')), ("require", "live".to_owned())];
        let bin = Path::new(BERTH).parent().unwrap().to_owned();
        let ran = run("preview", step, inputs, bin).await;
        assert_eq!((ran.code, ran.outcome()), (0, "live"), "{ran:?}");
    })
    .await;
}

#[test]
fn release_needs_an_image_by_digest_and_leaves_no_container() {
    let registry = ProgramRegistry::start(Path::new("/bin/true"), IN_IMAGE).unwrap();
    let (tag, digest) = registry.image.split_once('@').unwrap();
    let unknown = format!("{tag}@sha256:{}", "0".repeat(64));
    for (image, code, why) in [
        (&*registry.image, 0, ""),
        (tag, 2, "must be an image by digest"),
        (&*format!("--privileged@{digest}"), 2, "must be an image by digest"),
        (&*registry.other_image, 1, "Could not find the file /usr/local/bin/berth"),
        (&*unknown, 1, "404"),
    ] {
        let step = Step::release("web", 'a');
        let docker = Docker::new();
        let inputs = [("app_name", "web"), ("deploy_image", "acme/web"), ("berth_image", image)];
        let ran = Action::read("release").run(&step, &inputs, &[docker.folder()]);
        assert_eq!(ran.code, code, "{image}: {ran:?}");
        assert!(format!("{}{}", ran.stdout, ran.stderr).contains(why), "{image}: {ran:?}");
        assert!(!docker.has_container(), "{image}: {ran:?}");
    }
}

#[test]
fn input_that_lives_elsewhere_is_named_with_its_place() {
    for name in ["preview", "release"] {
        let action = Action::read(name);
        let used = [
            "app_name",
            "deploy_image",
            "deploy_tag",
            "deploy_digest",
            "images",
            "variables",
            "hooks",
            "berth_image",
            "timeout",
            "require",
        ];
        let moved: Vec<_> = action.inputs.keys().map(String::as_str).filter(|name| !used.contains(name)).collect();
        assert_eq!(moved.len(), 20, "{moved:?}");
        let step = Step::release("web", 'a');
        let mut inputs: Vec<_> = moved.iter().map(|name| (*name, "hunter2 $(touch x)")).collect();
        inputs.extend([("app_name", "web"), ("deploy_image", "acme/web"), ("berth_image", "none")]);
        let ran = action.run(&step, &inputs, &[]);
        let said: Vec<_> = ran.commands().into_iter().filter(|line| line.starts_with("::notice ")).collect();
        assert_eq!(said.len(), moved.len(), "{ran:?}");
        for name in moved {
            assert_eq!(said.iter().filter(|line| line.contains(&format!(" {name}::"))).count(), 1, "{name}: {said:?}");
        }
        assert!(!ran.stdout.contains("hunter2") && !ran.stdout.contains("it has no meaning"), "{ran:?}");
    }
}

#[test]
fn steps_of_actions_contain_no_expression() {
    for name in ["preview", "release"] {
        let Action { runs, .. } = Action::read(name);
        assert_eq!(runs.steps.len(), 3);
        assert!(runs.steps.iter().all(|step| !step.run.contains("${{")), "{:?}", runs.steps);
    }
}

#[test]
fn input_of_an_action_is_data_for_its_shell() {
    let step = Step::release("web", 'a').set("TEMPORAL_ADDRESS", "127.0.0.1:1");
    let bin = Path::new(BERTH).parent().unwrap().to_owned();
    let hostile = format!("$(touch {0}/x) `touch {0}/x`; touch {0}/x", step.folder().display());
    for input in [
        "app_name",
        "deploy_image",
        "deploy_tag",
        "deploy_digest",
        "images",
        "variables",
        "hooks",
        "timeout",
        "require",
    ] {
        let mut inputs = vec![("app_name", "web"), ("deploy_image", "acme/web")];
        inputs.retain(|(name, _)| *name != input);
        inputs.push((input, hostile.as_str()));
        let ran = Action::read("release").run(&step, &inputs, std::slice::from_ref(&bin));
        assert_eq!(ran.code, 2, "{input}: {ran:?}");
        assert!(!step.folder().join("x").exists(), "{input} was run: {ran:?}");
    }
}
