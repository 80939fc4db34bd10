//! Jobs of the main branch, through hooks.

use std::sync::atomic::Ordering;

use berth_lab::github::{GithubServer, Job};
use berth_test_support::{
    HooksProcess,
    preview::Does,
    production::{Production, production},
};
use berth_workflows::contract::verdict::FailureType;

use crate::{
    hooks,
    step::{Ran, Step},
};

/// Runs the release of the commit of that digit.
async fn release(t: &Production, site: &(GithubServer, HooksProcess), digit: char, run_id: u64, more: &[&str]) -> Ran {
    let job = Job::of_push("main", &digit.to_string().repeat(40)).in_environment("production");
    let step = Step::release(&t.input.app, digit).with(more);
    step.through(&site.1, &site.0, Job { run_id, ..job }).run().await
}

async fn start(t: &Production) -> (GithubServer, HooksProcess) {
    let github = GithubServer::start().unwrap();
    let hooks = hooks::start("production", &t.input.app, &t.address, &t.task_queue, &github.url()).await;
    (github, hooks)
}

#[tokio::test]
async fn release_is_followed_to_its_end() {
    production("ci-release", async |t: Production| {
        let site = start(&t).await;
        let live = release(&t, &site, 'a', 5, &[]).await;
        assert_eq!((live.code, live.outcome()), (0, "live"), "{live:?}");
        assert!(live.outputs["url"].starts_with("https://"), "{live:?}");
        assert_eq!(live.outputs["rollout"], "production-ci-release-rollout-1");
        assert!(live.summary.starts_with("### 🟢 ci-release: live `aaaaaaa`\n"), "{}", live.summary);
        let serving = t.status().await.serving.unwrap().release;
        assert_eq!((serving.commit.as_str(), serving.author.unwrap().as_str()), (&*"a".repeat(40), "octocat"));

        t.world.next("await_rollout", Does::Verdict(FailureType::CrashLoop));
        let failed = release(&t, &site, 'b', 6, &[]).await;
        assert_eq!((failed.code, failed.outcome()), (1, "rolled_back"), "{failed:?}");
        assert!(failed.message("error").unwrap().starts_with("bbbbbbb rolled back: "), "{failed:?}");
        let old = release(&t, &site, 'c', 4, &[]).await;
        assert_eq!((old.code, old.outcome()), (0, "superseded"), "a lower run id: {old:?}");
        assert_eq!(release(&t, &site, 'c', 4, &["--require", "live"]).await.code, 3);
    })
    .await;
}

#[tokio::test]
async fn release_that_waits_for_a_person_is_green() {
    production("ci-waits", async |t: Production| {
        let site = start(&t).await;
        t.world.needs_approval.store(true, Ordering::Relaxed);
        let waits = release(&t, &site, 'a', 5, &[]).await;
        assert_eq!((waits.code, waits.outcome()), (0, "awaiting_approval"), "{waits:?}");
        assert!(
            waits.message("notice").unwrap().contains("berth production approve ci-waits --release 1"),
            "{waits:?}"
        );
        assert_eq!(release(&t, &site, 'b', 6, &["--require", "live"]).await.code, 5);
        t.freeze().await;
        let frozen = release(&t, &site, 'c', 7, &[]).await;
        assert_eq!((frozen.code, frozen.outcome()), (0, "frozen"), "{frozen:?}");
    })
    .await;
}
