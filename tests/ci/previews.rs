//! Jobs of a pull request, through hooks.

use berth_lab::github::{GithubServer, Job};
use berth_test_support::{
    HooksProcess,
    preview::{Does, Preview, preview},
};
use berth_workflows::contract::{phase::Phase, release::Name, signals::Push, verdict::FailureType};
use serde_json::json;

use crate::{
    hooks,
    step::{Ran, Step, image, pull_request},
};

/// A GitHub and a hooks beside the worker of a test.
struct Site {
    github: GithubServer,
    hooks: HooksProcess,
    app: String,
}

impl Site {
    async fn start(t: &Preview) -> Self {
        let github = GithubServer::start().unwrap();
        let hooks = hooks::start("previews", &t.input.app, &t.address, &t.task_queue, &github.url()).await;
        Self { github, hooks, app: t.input.app.clone() }
    }

    /// A step of a run of pull request 1.
    fn step(&self, action: &str, digit: char, run_id: u64) -> Step {
        let job = Job { run_id, ..Job::of_pull_request(1, &"e".repeat(40)) };
        let step = Step::preview(&self.app, &pull_request(action, digit)).with(&["--image", &image(digit)]);
        step.through(&self.hooks, &self.github, job)
    }

    async fn run(&self, action: &str, digit: char, run_id: u64) -> Ran {
        self.step(action, digit, run_id).run().await
    }
}

#[tokio::test]
async fn life_of_a_pull_request_is_followed_to_its_ends() {
    preview("ci-life", async |t: Preview| {
        let site = Site::start(&t).await;
        let opened = site.run("opened", 'a', 1).await;
        assert_eq!((opened.code, opened.outcome()), (0, "live"), "{opened:?}");
        assert_eq!(opened.outputs["url"], "https://pr-1.example.com", "{opened:?}");
        assert_eq!(opened.outputs["temporal_dashboard_url"], "https://pr-1-temporal.example.com", "{opened:?}");
        assert_eq!(opened.outputs["rollout"], "preview-ci-life-1-rollout-1");
        assert_eq!(opened.commands()[0], "::group::ci-life: push of aaaaaaa, pull request 1", "{opened:?}");
        assert!(opened.summary.starts_with("### 🟢 ci-life: live `aaaaaaa`\n"), "{}", opened.summary);
        let page = "https://temporal.example.com/namespaces/default/workflows/preview-ci-life-1";
        assert!(opened.stdout.contains(page) && opened.stderr.is_empty(), "{opened:?}");
        let serving = t.status().await.serving.unwrap().release;
        assert_eq!(serving.commit.as_str(), "a".repeat(40), "the head, and not the merge");
        assert_eq!(serving.author, Name::try_from("octocat".to_owned()).ok());

        t.world.next("await_rollout", Does::Verdict(FailureType::CrashLoop));
        let pushed = site.run("synchronize", 'b', 2).await;
        assert_eq!((pushed.code, pushed.outcome()), (1, "failed"), "{pushed:?}");
        assert!(pushed.message("error").unwrap().starts_with("bbbbbbb failed: CrashLoop: "), "{pushed:?}");
        assert!(pushed.summary.contains("### 🔴 ci-life: failed `bbbbbbb`\n\n`CrashLoop: "), "{}", pushed.summary);

        let late = site.run("synchronize", 'c', 1).await;
        assert_eq!((late.code, late.outcome()), (0, "skipped"), "older than the push before: {late:?}");
        assert!(late.message("notice").unwrap().starts_with("ccccccc skipped: "), "{late:?}");
        let closed = site.run("closed", 'b', 3).await;
        assert_eq!((closed.code, closed.outcome()), (0, "gone"), "{closed:?}");
        assert_eq!(t.status().await.phase, Phase::Closed);
    })
    .await;
}

#[tokio::test]
async fn each_change_is_a_line_of_the_log() {
    preview("ci-lines", async |t: Preview| {
        let site = Site::start(&t).await;
        t.world.next("await_rollout", Does::HangUntilFreed);
        let step = site.step("opened", 'a', 1).begin();
        step.until_logged("RollingOut: aaaaaaa waits for ").await;
        t.world.free();
        let ran = step.end().await;
        assert_eq!((ran.code, ran.outcome()), (0, "live"), "{ran:?}");
        let changes: Vec<_> = ran.stdout.lines().filter(|line| line.contains(" s  ")).collect();
        let mut texts: Vec<_> = changes.iter().map(|line| line.split_once(" s  ").unwrap().1).collect();
        texts.dedup();
        assert_eq!(texts.len(), changes.len(), "each once: {changes:?}");
    })
    .await;
}

#[tokio::test]
async fn worker_that_restarts_is_waited_for() {
    preview("ci-restart", async |t: Preview| {
        let site = Site::start(&t).await;
        t.world.next("await_rollout", Does::HangUntilFreed);
        let step = site.step("opened", 'a', 1).begin();
        step.until_logged("RollingOut: aaaaaaa waits for ").await;
        t.worker.stop().await;
        t.world.free();
        t.worker.start().await;
        let ran = step.end().await;
        assert_eq!((ran.code, ran.outcome()), (0, "live"), "{ran:?}");
    })
    .await;
}

#[tokio::test]
async fn step_that_is_over_its_time_shows_where_it_stands() {
    preview("ci-over", async |t: Preview| {
        let site = Site::start(&t).await;
        t.world.next("await_rollout", Does::Hang);
        let late = site.step("opened", 'a', 1).with(&["--timeout", "10s"]).run().await;
        assert_eq!((late.code, late.outcome()), (5, "timed_out"), "{late:?}");
        assert_eq!(late.outputs["rollout"], "preview-ci-over-1-rollout-1", "{late:?}");
        assert!(
            late.message("error").unwrap().contains("not done after 10s (--timeout); the worker goes on"),
            "{late:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn ends_that_ask_nothing_of_the_author_are_green() {
    preview("ci-green", async |t: Preview| {
        let site = Site::start(&t).await;
        let mut draft = pull_request("opened", 'a');
        draft["pull_request"]["draft"] = json!(true);
        let mut fork = pull_request("synchronize", 'b');
        fork["pull_request"]["head"]["repo"] = json!(null);
        for (event, digit, outcome, code) in [(draft, 'a', "skipped", 6), (fork, 'b', "awaiting_approval", 5)] {
            let step = |more: &[&str]| {
                let step = Step::preview(&site.app, &event).with(&["--image", &image(digit)]).with(more);
                step.through(&site.hooks, &site.github, Job::of_pull_request(1, &"e".repeat(40)))
            };
            let green = step(&[]).run().await;
            assert_eq!((green.code, green.outcome()), (0, outcome), "{green:?}");
            assert!(green.message("notice").is_some() && green.message("error").is_none(), "{green:?}");
            let red = step(&["--require", "live"]).run().await;
            assert_eq!((red.code, red.outcome()), (code, outcome), "{red:?}");
            assert!(red.message("error").is_some(), "{red:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn overtaken_or_closed_push_is_green_unless_live_is_required() {
    preview("ci-overtaken", async |t: Preview| {
        let site = Site::start(&t).await;
        for (round, more, codes) in [(0, &[][..], (0, 0)), (1, &["--require", "live"], (3, 4))] {
            t.world.next("await_rollout", Does::Hang);
            t.world.next("await_rollout", Does::Hang);
            let calls = t.world.count("await_rollout");
            let begin = |digit: char, run_id: u64| site.step("synchronize", digit, run_id).with(more).begin();
            let (first, second) = if round == 0 { ('a', 'b') } else { ('c', 'd') };
            let overtaken = begin(first, round * 10 + 1);
            t.until_called("await_rollout", calls + 1).await;
            let closed = begin(second, round * 10 + 2);
            t.until_called("await_rollout", calls + 2).await;
            let overtaken = overtaken.end().await;
            assert_eq!((overtaken.code, overtaken.outcome()), (codes.0, "superseded"), "{overtaken:?}");
            let close = site.step("closed", second, round * 10 + 3).with(more).run().await;
            assert_eq!((close.code, close.outcome()), (0, "gone"), "{close:?}");
            let closed = closed.end().await;
            assert_eq!((closed.code, closed.outcome()), (codes.1, "closed"), "{closed:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn close_of_nothing_and_after_a_merge_are_green() {
    preview("ci-merged", async |t: Preview| {
        let site = Site::start(&t).await;
        let merged = || Job { reference: "refs/heads/main".to_owned(), ..Job::of_pull_request(1, &"e".repeat(40)) };
        let close = || Step::preview(&site.app, &pull_request("closed", 'a'));
        let absent = close().through(&site.hooks, &site.github, merged()).run().await;
        assert_eq!((absent.code, absent.outcome()), (0, "not_found"), "{absent:?}");

        t.push(Push { sequence: Some(1), ..berth_test_support::preview::push('a') }).await;
        t.until("live", |status| status.phase == Phase::Live).await;
        let hint = close().through(&site.hooks, &site.github, merged()).run().await;
        assert_eq!((hint.code, hint.outcome()), (0, "sent"), "{hint:?}");
        assert!(
            hint.message("notice").unwrap().contains("GitHub is asked whether pull request 1 is closed"),
            "{hint:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn text_from_outside_is_no_command_of_the_runner() {
    preview("ci-hostile", async |t: Preview| {
        let site = Site::start(&t).await;
        t.world.next("await_rollout", Does::SeeNothing("::add-mask::x%0A::error::y"));
        t.world.next("await_rollout", Does::Verdict(FailureType::CrashLoop));
        let ran = site.run("opened", 'a', 1).await;
        assert_eq!(ran.code, 1, "{ran:?}");
        let names: Vec<_> = ran.commands().iter().map(|line| line[2..].split([' ', ':']).next().unwrap()).collect();
        assert_eq!(names, ["group", "endgroup", "error"], "{ran:?}");
    })
    .await;
}
