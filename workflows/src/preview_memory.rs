//! The workflow that keeps the memory of a preview. Its input is the memory, so that it has nothing to do.

use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{WorkflowContext, WorkflowContextView, WorkflowResult};

use crate::{
    contract::{
        lenient::Lenient,
        memory::{Memory, memory_id},
    },
    environment::admission::{check_id, invalid_input},
};

/// Keeps the memory of a preview that has ended. Only the environment's workflow may start it.
#[workflow]
pub struct PreviewMemory;

#[workflow_methods]
impl PreviewMemory {
    // The memory is read from the history, by `recall_preview`.
    #[init]
    fn new(_ctx: &WorkflowContextView, _memory: Lenient<Memory>) -> Self {
        Self
    }

    #[run(name = "PreviewMemory")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<()> {
        let parent = ctx.info().parent().map(|parent| parent.workflow_id().to_owned());
        let parent =
            parent.ok_or_else(|| invalid_input("a PreviewMemory is started by its environment alone".into()))?;
        check_id(ctx, "the memory of this environment", &memory_id(&parent))
    }
}
