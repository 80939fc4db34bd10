//! The pages of production: a release, a rollback, an approval and the queue, each while it is so.

use anyhow::Result;

use super::{Camera, Picture, berths};
use crate::commands::demo::production::{MERGES, site::Site};

const PRODUCTION: &str = "production-web";

/// Plays the releases, and takes each picture at its moment.
pub(super) fn take(site: &Site<'_>, camera: &mut Camera<'_>) -> Result<()> {
    let [first, second, bad, approved, held, _] = MERGES;
    let state = site.state;
    site.make_namespace()?;
    site.make_databases("web_by_hand")?;
    site.goes_live(first)?;
    site.goes_live(second)?;
    camera.take(&Picture::timeline("release", state, "production-web-rollout-2", &["apply b81d3e7"])?)?;

    site.release(bad)?.expect(1, "rolled_back")?;
    camera.take(&Picture::details("rolled-back", state, PRODUCTION, &["RolledBack", "CrashLoop"])?)?;
    camera.take(&Picture::timeline("rollback", state, "production-web-rollout-4", &["apply b81d3e7"])?)?;

    site.set_approval("required")?;
    site.release(approved)?.expect(5, "awaiting_approval")?;
    let approval = Picture::details("approval", state, PRODUCTION, &["AwaitingApproval", "to approve it"])?;
    camera.take(&approval)?;

    site.set_approval("none")?;
    site.berth_by("freeze", &["--reason", "incident 42"])?.expect(0, "frozen")?;
    site.release(held)?.expect(5, "frozen")?;
    camera.take(&Picture::details("queue", state, PRODUCTION, &["Frozen", "incident 42"])?)?;
    let query = "?query=BerthEnvironment%3D%22production%22";
    camera.take(&Picture::page("production", berths(state, query), &[PRODUCTION, "Frozen"]))
}
