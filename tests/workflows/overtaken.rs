//! Rollouts that meet the deploy id of a newer one in the namespace; on a real dev server, with fake activities.

use crate::production::restore;
use berth_test_support::{
    fake_activities::World,
    preview::{Does, Preview, preview, push},
    production::{self, Production, production},
};
use berth_workflows::contract::{phase::Phase, verdict::FailureType};

/// Higher than any id that time gives for years.
const MET: u64 = 900_000_000;

fn deploy_ids(world: &World) -> Vec<u64> {
    std::mem::take(&mut world.deploy_ids.lock().unwrap())
}

#[tokio::test]
async fn preview_goes_on_with_a_higher_deploy_id() {
    preview("overtaken", async |t: Preview| {
        t.push(push('a')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        deploy_ids(&t.world);
        t.world.next("apply_manifests", Does::MeetDeployId(MET));
        t.push(push('b')).await;
        t.until("live again", |s| s.phase == Phase::Live && s.rollouts.len() == 2).await;
        let ids = deploy_ids(&t.world);
        assert!(ids[0] < MET, "{ids:?}");
        assert_eq!(ids[1..], [MET + 1; 3], "apply, wait and prune");
        assert_eq!(t.world.count("load_app"), 4, "the environment, and the app file for each apply");
        // The next rollout has a higher one from its start.
        t.push(push('c')).await;
        t.until("live once more", |s| s.phase == Phase::Live && s.rollouts.len() == 3).await;
        assert_eq!(deploy_ids(&t.world), [MET + 2; 3]);
    })
    .await;
}

#[tokio::test]
async fn preview_that_is_overtaken_again_and_again_fails() {
    preview("overtaken-thrice", async |t: Preview| {
        for n in 0..3 {
            t.world.next("apply_manifests", Does::MeetDeployId(MET + n * 10));
        }
        t.push(push('a')).await;
        let status = t.until("failed", |s| s.phase == Phase::Failed).await;
        assert_eq!(status.failed.unwrap().verdict.failure, FailureType::Overtaken);
        assert_eq!(deploy_ids(&t.world)[1..], [MET + 1, MET + 11]);
    })
    .await;
}

#[tokio::test]
async fn deploy_id_that_no_rollout_can_have_is_not_taken() {
    preview("overtaken-bound", async |t: Preview| {
        t.world.next("apply_manifests", Does::MeetDeployId(999_999_999));
        t.push(push('a')).await;
        let status = t.until("failed", |s| s.phase == Phase::Failed).await;
        assert_eq!(status.failed.unwrap().verdict.failure, FailureType::Overtaken);
        t.push(push('b')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        assert!(deploy_ids(&t.world).iter().all(|id| *id < MET));
    })
    .await;
}

#[tokio::test]
async fn production_does_not_overwrite_what_overtook_it() {
    production("p-overtaken", async |t: Production| {
        t.release(production::push('a')).await;
        t.until_serves(1).await;
        t.world.next("apply_release", Does::MeetDeployId(MET));
        t.release(production::push('b')).await;
        let status = t.until("failed", |s| s.phase == Phase::Failed).await;
        assert_eq!(status.failed.unwrap().verdict.failure, FailureType::Overtaken);
        assert_eq!((t.world.count("apply_release"), status.recovery), (2, None), "nothing is rolled back either");
        deploy_ids(&t.world);
        // Its next rollout has a higher id.
        t.release(production::push('c')).await;
        t.until_serves(3).await;
        assert!(deploy_ids(&t.world).iter().all(|id| *id > MET));
    })
    .await;
}

#[tokio::test]
async fn production_whose_prune_is_overtaken_is_not_live() {
    production("p-overtaken-prune", async |t: Production| {
        t.release(production::push('a')).await;
        t.until_serves(1).await;
        t.world.next("prune", Does::MeetDeployId(MET));
        t.release(production::push('b')).await;
        let status = t.until("rolled back", |s| s.phase == Phase::RolledBack).await;
        assert_eq!(status.failed.unwrap().verdict.failure, FailureType::Overtaken);
        assert_eq!((status.serving.unwrap().release.number, status.proven), (Some(1), Some(1)));
        assert!(deploy_ids(&t.world).last() > Some(&MET), "the rollback has a higher id");
    })
    .await;
}

#[tokio::test]
async fn restore_that_overtakes_a_prune_is_not_rolled_back() {
    production("p-overtaken-restore", async |t: Production| {
        t.release(production::push('a')).await;
        t.until_serves(1).await;
        t.world.next("check_gates", Does::SeeNothing("away"));
        t.world.next("prune", Does::MeetDeployId(MET));
        t.release(production::push('b')).await;
        t.until("looking again soon", |s| s.phase == Phase::NotObserved).await;
        restore(&t, 1);
        let status = t.until("frozen", |s| s.phase == Phase::Frozen && s.rolling_out.is_none()).await;
        assert_eq!(status.serving.unwrap().release.number, Some(1));
        assert_eq!(t.world.count("apply_release"), 2, "nothing was applied on top of it");
    })
    .await;
}

#[tokio::test]
async fn preview_whose_prune_is_overtaken_is_live_with_a_note() {
    preview("overtaken-prune", async |t: Preview| {
        t.push(push('a')).await;
        t.until("live", |s| s.phase == Phase::Live).await;
        t.world.next("prune", Does::MeetDeployId(MET));
        t.push(push('b')).await;
        let status = t.until("live again", |s| s.phase == Phase::Live && s.rollouts.len() == 2).await;
        assert!(status.notes.iter().any(|note| note.contains("were not removed: Overtaken")), "{:?}", status.notes);
    })
    .await;
}
