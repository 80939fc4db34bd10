//! The stored release that serves. A refused release is put back to it.

use berth_workflows::contract::environment::Environment;

use crate::{context::Context, failure::Failure, release::stored_release::StoredRelease};

/// The release that serves, as far as it is known.
#[derive(Debug, Default)]
pub(crate) struct Serving {
    pub(crate) release: Option<StoredRelease>,
    /// The reason why it is not known although there is one.
    pub(crate) note: Option<String>,
}

/// Reads the stored release of that name. A missing or damaged one stops no release: it only cannot be gone back to.
///
/// # Errors
/// It could not be read.
pub(crate) async fn find_serving(
    context: Context<'_>,
    environment: &Environment,
    name: Option<&str>,
) -> Result<Serving, Failure> {
    let Some(name) = name else { return Ok(Serving::default()) };
    let why = match StoredRelease::find(context.client, &environment.namespace, name).await {
        Ok(Some(release)) => return Ok(Serving { release: Some(release), note: None }),
        Ok(None) => format!("stored release {name} is gone"),
        Err(Failure::Permanent(verdict)) => verdict.message,
        Err(failure) => return Err(failure),
    };
    let note = Some(format!("nothing was checked before the apply, and nothing could have been put back: {why}"));
    Ok(Serving { release: None, note })
}
