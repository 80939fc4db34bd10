//! The activity `recall_production`.

use berth_workflows::contract::production_record::{RecallInput, Recalled};

use super::record;
use crate::{context::Context, failure::Failure, kubernetes::labels};

/// Reads the record of production. It only reads.
///
/// # Errors
/// `KubernetesDenied`: retried if it cannot be read, permanent if its content is damaged or belongs to somebody else.
pub async fn recall_production(context: Context<'_>, recall: &RecallInput) -> Result<Recalled, Failure> {
    let owner = labels::owner_labels(&recall.environment, &context.settings.installation);
    record::read(&record::api(context.client, &recall.environment), &owner).await
}
