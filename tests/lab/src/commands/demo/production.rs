//! The demo of production: from the first merge to a restore without Temporal, under the eyes of a client that never pauses.

mod beside_kubectl;
mod client;
mod first_failure;
mod people;
mod releases;
mod restore;
pub(crate) mod site;
mod tally;

use std::{path::PathBuf, time::Instant};

use self::{
    beside_kubectl::ByHand,
    client::Client,
    site::{HOST, Merge, Site, UI_HOST},
};
use crate::{
    cluster::ingress,
    commands::timeline::Timeline,
    life::state::{Full, State},
};

/// The commits of the main branch, in the order of their merges. The third cannot run: its image lacks the python-worker.
pub(crate) const MERGES: [Merge; 6] = [
    Merge { number: 1, commit: "4f2a9c1e6d0b83a75c2e91f4b8d7306a5e1c9f20", variant: "full-v1" },
    Merge { number: 2, commit: "b81d3e7a90c46f25d8a1b7e3c5094f6d2a8e71b3", variant: "full-v2" },
    Merge { number: 3, commit: "c0ffee52a97b41d3e6f80c1b95d2a74e38f6b109", variant: "v3" },
    Merge { number: 4, commit: "d94b60f1e27c8a3598b4d1f7036ea2c5b8917e4d", variant: "full-v1" },
    Merge { number: 5, commit: "e57c1a8490bd36f27ae5c80b49d1f3726b8a0ec5", variant: "full-v2" },
    Merge { number: 6, commit: "f3068d2b7c91e5a4d0f7b62c8e194a3d75b0c2f6", variant: "full-v1" },
];

pub(super) fn play(state: &State, full: &Full, berth: PathBuf, timeline: &mut Timeline) {
    let site = Site::new(state, full, berth);
    let [first, second, bad, approved, held, last] = MERGES;
    timeline.step("a person makes the namespace, with the commands that berth prints", || site.make_namespace());
    timeline.step("databases and secrets: in production berth makes none", || {
        site.make_databases(beside_kubectl::DATABASE)
    });
    timeline.step("merged: release 1 goes live", || site.goes_live(first));
    let client = Client::start(&site);
    let begun = Instant::now();
    let mut by_hand = ByHand::default();
    timeline.step("the same objects with kubectl, in another namespace", || by_hand.first(&site));

    timeline.step("merged: release 2 goes live, while the client asks for its pages", || {
        releases::next(&site, &client, second, &mut by_hand)
    });
    timeline.step("kubectl apply and rollout status of the same objects", || by_hand.next(&site));
    timeline.step("a bad release 3 is rolled back", || releases::bad(&site, &client, (bad, second)));

    let mut plan = String::new();
    timeline.step("the app file asks for approval: release 4 waits with its plan", || {
        plan = people::awaits_approval(&site, approved)?;
        people::show_plan(&site)
    });
    timeline.step("a secret is rotated meanwhile: the approval of that plan is void", || {
        people::stale_plan(&site, approved, &mut plan)
    });
    timeline.step("the plan in force is approved: release 4 goes live", || people::approve(&site, approved, &plan));
    timeline.step("frozen: release 5 waits, and what serves goes on", || people::freeze(&site, held, approved));
    timeline.step("unfrozen: release 5 goes live, with a rotated secret", || people::unfreeze(&site, held));
    timeline.step("rolled back by hand: release 4 serves, with the secret that it ran with", || {
        people::roll_back(&site, &client, approved)
    });
    timeline.step("the queue is frozen: release 6 waits, until a person unfreezes", || {
        people::go_on(&site, last, approved)
    });

    timeline.step("Temporal and the worker are gone: release 5 is restored", || {
        restore::without_temporal(&site, &client, held)
    });
    timeline
        .step("both are back: production is frozen, until a person unfreezes", || restore::with_temporal(&site, held));
    timeline.step("the client, throughout", || client.since(begun));
    timeline.step("berth production history web", || releases::history(&site));
    drop(client);
    timeline.note(
        "where to look while a lab runs (--keep)",
        &format!(
            "pages: {}, {}\nberth's temporal-ui: {}/namespaces/default/workflows/production-web\nlogs: {}",
            ingress::url(full.ingress, HOST),
            ingress::url(full.ingress, UI_HOST),
            state.temporal_ui,
            state.logs.display()
        ),
    );
}
