//! The cost of the dry run: pairs of pushes on real pods, with and without it.

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use berth_activities::{gates, release, rollout, secrets};
use berth_workflows::contract::{
    apply::{ApplyInput, PruneInput},
    checks::{AwaitInput, CheckGatesInput, Outcome},
    release::{Commit, Image, Release},
    rollout_input::{RolloutInput, Source},
    timings::StartTimings,
};

use super::*;

const PAIRS: usize = 20;
/// The largest part of a push that the dry run may take.
const MOST: f64 = 0.05;

/// The times of one push: as a whole, and of its apply.
struct Times {
    push: Duration,
    apply: Duration,
}

impl Applies {
    /// Rolls out a push as its workflow does. `serving` decides whether there is a dry run. Returns the stored release too.
    async fn push_pods(&self, number: u64, serving: Option<&str>, keep: &[String]) -> (Times, String) {
        let context = self.context();
        let app = app::load_apps(&self.settings.apps).unwrap().remove(0);
        let doppler = secrets::DopplerReader::new(self.lab.doppler_url()).unwrap();
        let begun = Instant::now();
        environment::ensure_namespace(context, &app, &self.environment).await.unwrap();
        let secrets = secrets::sync_secrets(context, &doppler, &app, &self.environment).await.unwrap();
        let deploy = RolloutInput {
            environment: self.environment.clone(),
            release: Release::new(
                Commit::try_from(format!("{number:040}")).unwrap(),
                Image::try_from(self.lab.image(if number.is_multiple_of(2) { "v1" } else { "v2" })).unwrap(),
            ),
            number,
            deploy_id: number,
            keep: keep.to_vec(),
            timings: StartTimings::default(),
            app_timings: None,
            serving: serving.map(str::to_owned),
            source: Source::default(),
            keep_proven: 0,
        };
        let applying = Instant::now();
        let input = ApplyInput { deploy: deploy.clone(), secrets: secrets.clone(), waited_for: None };
        let applied = release::apply_manifests(context, &app, &input).await.unwrap();
        let apply = applying.elapsed();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let wait = AwaitInput::new(&deploy, Timings::default(), &applied, &secrets, now.as_millis() as u64);
        assert_eq!(rollout::await_rollout(context, wait).await.unwrap(), Outcome::Complete);
        let namespace = &self.environment.namespace;
        let stored = StoredRelease::load(&self.client, namespace, &applied.stored_release).await.unwrap();
        let check = CheckGatesInput::new(&deploy, &Timings::default(), &applied, &secrets);
        assert_eq!(gates::check_gates(context, check, &stored).await.unwrap().outcome, Outcome::Complete);
        release::prune(context, &PruneInput::new(&deploy, &applied.stored_release)).await.unwrap();
        (Times { push: begun.elapsed(), apply }, applied.stored_release)
    }
}

fn median(times: &[Times], part: impl Fn(&Times) -> Duration) -> Duration {
    let mut sorted: Vec<_> = times.iter().map(part).collect();
    sorted.sort();
    sorted[sorted.len() / 2]
}

#[tokio::test]
#[ignore = "a measurement of some minutes, for a machine with nothing else to do"]
async fn dry_run_takes_at_most_a_twentieth_of_a_push() {
    let applies = Applies::start().await;
    // The first push makes everything, the second one warms the caches.
    let (_, mut serving) = Box::pin(applies.push_pods(1, None, &[])).await;
    (_, serving) = Box::pin(applies.push_pods(2, Some(&serving), std::slice::from_ref(&serving))).await;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    let mut number = 3;
    for pair in 0..PAIRS {
        // Neither kind is always the first one.
        for checks in [pair % 2 == 0, pair % 2 != 0] {
            let known = checks.then_some(&*serving);
            let (times, stored) = Box::pin(applies.push_pods(number, known, std::slice::from_ref(&serving))).await;
            if checks {
                with.push(times)
            } else {
                without.push(times)
            }
            (serving, number) = (stored, number + 1);
        }
    }
    let ratio = |part: fn(&Times) -> Duration| {
        let (with, without) = (median(&with, part), median(&without, part));
        (with, without, with.as_secs_f64() / without.as_secs_f64())
    };
    let mut out = std::io::stdout();
    for (what, (with, without, ratio)) in [("push", ratio(|t| t.push)), ("apply", ratio(|t| t.apply))] {
        writeln!(
            out,
            "{what:<6} with a dry run {:>6.1} ms   without {:>6.1} ms   ratio {ratio:.3}   ({PAIRS} pairs, medians)",
            with.as_secs_f64() * 1e3,
            without.as_secs_f64() * 1e3,
        )
        .unwrap();
    }
    let share = ratio(|t| t.push).2 - 1.0;
    assert!(share <= MOST, "the dry run takes {:.1} % of a push", share * 100.0);
    applies.end().await;
}
