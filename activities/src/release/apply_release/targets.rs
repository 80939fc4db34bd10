//! The objects of a release, beside those of their names in the cluster.

use futures::{StreamExt, TryStreamExt, stream};

use berth_manifests::render::Object;

use super::{CONCURRENCY, Scope, autoscalers, target::Target};
use crate::{failure::Failure, release::stored_release::StoredRelease};

/// Reads the objects of those names, in the same order. They are objects of the release.
pub(super) async fn read_all(
    scope: Scope<'_>,
    objects: Vec<Object>,
    release: &StoredRelease,
) -> Result<Vec<Target>, Failure> {
    let reading: Vec<_> = objects.into_iter().map(|object| Target::read(scope, object)).collect();
    let mut targets: Vec<Target> = stream::iter(reading).buffered(CONCURRENCY).try_collect().await?;
    autoscalers::find(scope, &mut targets, release).await?;
    Ok(targets)
}
