//! The `Janitor`: it looks at the parts of an app's previews, and reminds their workflows of facts. It removes nothing.

mod activities;
mod admission;
mod list_environments;
mod report_findings;
mod send_facts;
mod workflows;

pub use activities::JanitorActivities;
pub use list_environments::list_environments;
pub use report_findings::report_findings;
pub use send_facts::send_facts;
pub use workflows::list_workflows;
