//! Placeholder until the gates are there.
use crate::{app::Gate, failure::Failure, heartbeat::Progress};
use berth_workflows::activity_definitions::{CheckGatesInput, GatesChecked, Outcome};
/// Placeholder.
pub async fn check(_: &kube::Client, _: &Progress, _: CheckGatesInput, _: &[Gate]) -> Result<GatesChecked, Failure> {
    Ok(GatesChecked { gates: Vec::new(), outcome: Outcome::Complete })
}
