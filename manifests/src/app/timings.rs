//! The app file's time limits of rollouts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Span;

/// The largest of each time limit, in seconds. A rollout that takes longer is not watched by anybody.
pub(super) const MOST: Span = Span::seconds(86_400);
/// The longest stability window: production cannot roll anything else out meanwhile.
pub(super) const MOST_STABILITY: Span = Span::seconds(3600);
/// The longest wait for objects that somebody else makes.
pub(super) const MOST_MISSING: Span = Span::seconds(3600);

/// Time limits of rollouts. The start of an environment's workflow may shorten `rollout`, `capacity` and `database`, and set
/// `stability` up to 300 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Timings {
    /// Time from the apply until every workload serves the release. Default: 10m.
    pub rollout: Span,
    /// Time that pods may wait for a node with room; an autoscaler needs minutes. Default: 15m.
    pub capacity: Span,
    /// Time that a rollout waits for a database server that does not answer, is full, or refuses. Default: 3m.
    pub database: Span,
    /// Time for which the workloads must stay up without a restart after the gates. Default: none.
    pub stability: Span,
    /// Bound on a deadline that a manifest writes (a Deployment's `progressDeadlineSeconds`, a Job's `activeDeadlineSeconds`). Such
    /// a one counts if it is longer than `rollout`. Default: 1h.
    pub longest: Span,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            rollout: Span::seconds(600), // Kubernetes' own progress deadline
            capacity: Span::seconds(900),
            database: Span::seconds(180), // a managed server's failover takes a minute or two
            stability: Span::seconds(0),
            longest: Span::seconds(3600),
        }
    }
}

pub(super) fn default_wait_for_missing() -> Span {
    Span::seconds(10) // an operator has mostly made it by then
}

pub(super) fn is_default_wait_for_missing(span: &Span) -> bool {
    *span == default_wait_for_missing()
}
