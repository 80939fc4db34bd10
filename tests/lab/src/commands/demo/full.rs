//! The full demo: two pull requests at once, each with a whole environment, checked from first push to close.

use std::time::Instant;

use anyhow::{Result, bail};

use super::{images, preview::Preview, reach};
use crate::{
    cluster::ingress,
    commands::{person::Answer, timeline::Timeline},
    life::state::{Full, State},
};

pub(crate) const FIRST: u64 = 123;
pub(crate) const SECOND: u64 = 124;
pub(crate) const COMMITS: [&str; 2] =
    ["4f2a9c1e6d0b83a75c2e91f4b8d7306a5e1c9f20", "b81d3e7a90c46f25d8a1b7e3c5094f6d2a8e71b3"];

pub(super) fn play(state: &State, full: &Full, [first, second]: &[Preview<'_>; 2], timeline: &mut Timeline) {
    let image = |variant: &str| state.images.get(variant).cloned().unwrap_or_default();
    timeline.step("the images", || images::sizes(state));
    timeline.step("what the database server has before", || first.databases());
    timeline
        .step("pull request 123 opened: a whole environment goes live", || first.push(COMMITS[0], &image("full-v1")));
    timeline.step("where the time went", || first.steps());
    timeline.step("its page, through the ingress controller, with the commit it runs", || first.page(COMMITS[0]));
    timeline.step("a greeting, computed by this preview's own python-worker", || first.greeting());
    timeline.step("that workflow, in this preview's own temporal-ui", || first.workflow_in_ui());
    timeline.step("pull request 124 opened beside it", || second.push(COMMITS[1], &image("full-v2")));
    timeline.step("its page and a greeting of its own", || {
        Ok(format!("{}\n{}", second.page(COMMITS[1])?, second.greeting()?))
    });
    timeline.step("who reaches what", || reach::matrix(first, second));
    timeline.step("neither database role gets into the other's database", || reach::databases(first, second));
    timeline.step("a cron script, run by hand", || first.script());
    timeline.step("what runs", || first.objects(second));
    timeline.step("what each container takes", || first.memory());
    timeline.step("databases and roles, while both are open", || first.databases());
    timeline.step("both closed: the environments are gone", || close(first, second));
    timeline.step("no namespace is left", || first.no_namespace());
    timeline.step("no database and no role is left", || first.no_database());
    timeline.note(
        "where to look while a lab runs (--keep)",
        &format!(
            "every preview's page: {}\nberth's temporal-ui: {}\nlogs: {}",
            ingress::url(full.ingress, "pr-<number>.localhost"),
            state.temporal_ui,
            state.logs.display()
        ),
    );
}

fn close(first: &Preview<'_>, second: &Preview<'_>) -> Result<String> {
    let begun = Instant::now();
    let closing = [first, second].map(|preview| preview.pull_request.begin("close", &[]));
    for closing in closing {
        let closed = Answer::from_output(closing?.wait_with_output()?)?;
        if closed.code != Some(0) {
            bail!("berth preview close: {closed:?}");
        }
    }
    Ok(format!("both after {:.1} s", begun.elapsed().as_secs_f32()))
}
