//! A preview with a database of its own, on a real dev server, with fake activities.

use berth_workflows::contract::{phase::Phase, verdict::FailureType};
use temporalio_client::WorkflowGetResultOptions;

use berth_test_support::preview::{Does, Preview, preview, push};

fn place(calls: &[String], activity: &str) -> usize {
    let is_it = |call: &String| call.starts_with(activity);
    calls.iter().position(is_it).unwrap_or_else(|| panic!("{activity} was not called: {calls:#?}"))
}

#[tokio::test]
async fn database_is_made_before_the_secrets_and_dropped_first() {
    preview("database", async |t: Preview| {
        t.world.with_database();
        t.push(push('a')).await;
        let status = t.until("live", |s| s.phase == Phase::Live).await;
        assert!(status.to_markdown().contains("database: `app_pr_1` on `previews`"), "{}", status.to_markdown());
        t.close().await;
        let report = t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
        assert_eq!(report.gone, ["Database/app_pr_1 on previews", "Namespace/pr-1"]);
        let calls = t.world.calls();
        let order = ["ensure_namespace", "ensure_database", "sync_secrets", "drop_database", "delete_environment"];
        assert!(order.map(|activity| place(&calls, activity)).is_sorted(), "{calls:#?}");
        t.record("database", Some(1)).await;
    })
    .await;
}

#[tokio::test]
async fn absent_database_server_is_waited_for_and_status_says_why() {
    preview("database-away", async |t: Preview| {
        t.world.with_database();
        t.world.next("ensure_database", Does::Leave("sorry, too many clients already (53300)"));
        t.push(push('a')).await;
        let waits =
            |s: &berth_workflows::contract::status::Status| s.rolling_out.as_ref().map(|r| r.waiting_for.clone());
        let full = "the database server previews: sorry, too many clients already (53300)";
        t.until("waiting", |s| waits(s).as_deref() == Some(full)).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        assert_eq!(t.world.count("ensure_database"), 2);
        t.record("database-away", Some(1)).await;
    })
    .await;
}

#[tokio::test]
async fn database_server_that_stays_away_fails_the_rollout() {
    preview("database-gone", async |mut t: Preview| {
        t.world.with_database();
        t.input.timings.database_seconds = Some(0);
        t.world.next("ensure_database", Does::Leave("connection refused"));
        t.push(push('a')).await;
        let status = t.until("failed", |s| s.phase == Phase::Failed).await;
        let verdict = status.failed.unwrap().verdict;
        assert_eq!(verdict.failure, FailureType::DatabaseUnavailable);
        assert!(verdict.message.starts_with("connection refused"), "{verdict:?}");
        assert_eq!(t.world.count("sync_secrets"), 0);
        t.push(push('b')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
    })
    .await;
}

#[tokio::test]
async fn foreign_database_fails_the_rollout_permanently() {
    preview("database-foreign", async |t: Preview| {
        t.world.with_database();
        t.world.next("ensure_database", Does::Fail(FailureType::DatabaseUnavailable));
        t.push(push('a')).await;
        let status = t.until("failed", |s| s.phase == Phase::Failed).await;
        assert_eq!(status.failed.unwrap().verdict.failure, FailureType::DatabaseUnavailable);
        assert_eq!(t.world.count("ensure_database"), 1);
    })
    .await;
}

#[tokio::test]
async fn newer_push_does_not_wait_for_an_absent_database_server() {
    preview("database-super", async |t: Preview| {
        t.world.with_database();
        t.world.next("ensure_database", Does::Hang);
        t.push(push('a')).await;
        t.until_called("ensure_database", 1).await;
        t.push(push('b')).await;
        let status = t.until("live", |s| s.phase == Phase::Live).await;
        assert_eq!(status.serving.unwrap().release.commit, berth_test_support::preview::commit('b'));
    })
    .await;
}

#[tokio::test]
async fn undroppable_database_blocks_the_teardown_and_keeps_nothing_else() {
    preview("database-stuck", async |t: Preview| {
        t.world.with_database();
        t.push(push('a')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        t.world.next("drop_database", Does::Leave("Databases and role app_pr_1 on previews"));
        t.world.next("drop_database", Does::Fail(FailureType::DatabaseUnavailable));
        t.close().await;
        let status = t.until("blocked", |s| s.phase == Phase::TeardownBlocked).await;
        let report = status.teardown.unwrap();
        assert_eq!(report.remaining[0].object, "Databases and role app_pr_1 on previews");
        assert_eq!(report.gone, ["Namespace/pr-1"], "the namespace goes all the same");
        let report = t.handle().get_result(WorkflowGetResultOptions::default()).await.unwrap();
        assert_eq!(report.gone, ["Database/app_pr_1 on previews", "Namespace/pr-1"]);
        assert_eq!(t.world.count("drop_database"), 3);
        t.record("database-stuck", None).await;
    })
    .await;
}
