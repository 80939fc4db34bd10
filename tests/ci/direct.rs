//! Jobs with a credential for Temporal, without hooks.

use berth_test_support::{
    preview::{Does, Preview, preview},
    production::{Production, production},
};
use berth_workflows::contract::verdict::FailureType;
use serde_json::{Value, json};

use crate::step::{Step, image, pull_request};

#[tokio::test]
async fn pull_request_is_deployed_and_closed_without_hooks() {
    preview("ci-direct", async |t: Preview| {
        let step = |action: &str, digit: char| {
            let step = Step::preview(&t.input.app, &pull_request(action, digit)).set("TEMPORAL_ADDRESS", &t.address);
            step.with(&["--task-queue", &t.task_queue, "--temporal-ui", "https://temporal.example.com"])
        };
        let digest = format!("sha256:{}", "a".repeat(64));
        let worker = format!("WORKER=acme/worker@{digest}");
        let parts = ["--image", "acme/web", "--tag", "v1", "--digest", &digest, "--hooks", "", "--image", &worker];
        let parts = [&parts[..], &["--set", "FLAGS=a,b", "--set", "GITHUB_RUN_NUMBER"]].concat();
        let live = step("opened", 'a').with(&parts).run().await;
        assert_eq!((live.code, live.outcome()), (0, "live"), "{live:?}");
        let page = "https://temporal.example.com/namespaces/default/workflows/preview-ci-direct-1";
        assert!(live.stdout.contains(page), "{live:?}");
        let serving = t.status().await.serving.unwrap().release;
        assert_eq!(serving.image.to_string(), format!("acme/web:v1@{digest}"));
        let images: Vec<_> = serving.images.iter().map(|(name, image)| format!("{name}={image}")).collect();
        assert_eq!(images, [worker]);
        let variables: Vec<_> = serving.variables.iter().collect();
        assert_eq!(variables, [("FLAGS", "a,b"), ("GITHUB_RUN_NUMBER", "7")]);

        t.world.next("await_rollout", Does::Verdict(FailureType::CrashLoop));
        let failed = step("synchronize", 'b').with(&["--image", &image('b'), "--output", "json"]).run().await;
        let answer: Value = serde_json::from_str(&failed.stdout).unwrap();
        assert_eq!((failed.code, &answer["exit_code"], &answer["outcome"]), (1, &json!(1), &json!("failed")));
        assert_eq!(answer["verdict"]["failure"], "CrashLoop", "{answer:#}");
        assert!(failed.stderr.contains("::error title="), "the log is beside the answer: {failed:?}");
        let closed = step("closed", 'b').run().await;
        assert_eq!((closed.code, closed.outcome()), (0, "gone"), "{closed:?}");
    })
    .await;
}

#[tokio::test]
async fn release_is_handed_in_without_hooks() {
    production("ci-direct-prod", async |t: Production| {
        let step = Step::release(&t.input.app, 'a').with(&["--task-queue", &t.task_queue]);
        let live = step.set("TEMPORAL_ADDRESS", &t.address).run().await;
        assert_eq!((live.code, live.outcome()), (0, "live"), "{live:?}");
        assert_eq!(live.outputs["rollout"], "production-ci-direct-prod-rollout-1");
    })
    .await;
}

#[tokio::test]
async fn step_that_is_over_its_time_is_red() {
    preview("ci-late", async |t: Preview| {
        t.world.next("await_rollout", Does::Hang);
        let step = Step::preview(&t.input.app, &pull_request("opened", 'a')).set("TEMPORAL_ADDRESS", &t.address);
        let step = step.with(&["--task-queue", &t.task_queue, "--image", &image('a'), "--timeout", "3s"]);
        let late = step.run().await;
        assert_eq!((late.code, late.outcome()), (5, "timed_out"), "{late:?}");
        assert!(late.message("error").unwrap().contains("not done after 3s (--timeout)"), "{late:?}");
    })
    .await;
}
