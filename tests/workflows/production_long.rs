//! Two hundred releases in a row, on a real dev server, with fake activities.

use berth_test_support::production::{Production, production, push};
use berth_workflows::contract::{phase::Phase, release::Commit, signals::Push};

const RELEASES: u64 = 200;

fn release(number: u64) -> Push {
    let commit = Commit::try_from(format!("{number:040x}")).unwrap();
    Push { commit, sequence: Some(number), ..push('a') }
}

#[tokio::test]
#[ignore = "it takes a minute: cargo test --test workflows -- --ignored --nocapture"]
async fn two_hundred_releases_leave_short_histories_and_the_right_status() {
    production("p-200", async |t: Production| {
        let begun = std::time::Instant::now();
        let (mut runs, mut longest) = (std::collections::BTreeSet::new(), 0);
        for number in 1..=RELEASES {
            t.release(release(number)).await;
            t.until_serves(number).await;
            let described = t.handle().describe(Default::default()).await.unwrap();
            longest = longest.max(described.history_length());
            runs.insert(described.run_id().to_owned());
        }
        let status = t.until("recorded", |_| t.record().begun.is_none()).await;
        eprintln!("{RELEASES} releases in {:?}: {} runs, the longest of {longest} events", begun.elapsed(), runs.len());
        assert_eq!((status.phase, status.sequence, status.proven), (Phase::Live, Some(RELEASES), Some(RELEASES)));
        let last = RELEASES - 9..=RELEASES;
        assert_eq!(
            status.rollouts.iter().filter_map(|past| past.release).collect::<Vec<_>>(),
            last.collect::<Vec<_>>()
        );
        let record = t.record();
        assert_eq!((record.release, record.rollout, record.recent.len()), (RELEASES, RELEASES, 50));
        assert_eq!(record.served_before.unwrap().release.number, Some(RELEASES - 1));
        assert_eq!(t.world.count("apply_release"), 200);
        assert!(runs.len() > 2 && longest < 4500, "{} runs, {longest} events", runs.len());
    })
    .await;
}
