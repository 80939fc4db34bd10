//! Types that cross between workflows, activities and callers.
//!
//! Names are in histories: never rename one on the wire. New fields are optional or have a default.
//! Nothing here depends on the rest of the crate.

pub mod activity_definitions;
pub mod apply;
pub mod carrying;
pub mod checks;
pub mod command;
pub mod cron_name;
pub mod environment;
pub mod exact;
pub mod heartbeat;
pub mod image;
pub mod janitor;
pub mod lenient;
pub mod load_app;
pub mod look;
pub mod memory;
pub mod named_images;
pub mod number;
pub mod phase;
pub mod plan;
pub mod preparation;
pub mod production;
pub mod production_answer;
pub mod production_record;
pub mod production_status;
pub mod proof;
pub mod provable;
pub mod pull_request;
pub mod pull_request_list;
pub mod push_variables;
pub mod release;
pub mod report;
pub mod rollout;
pub mod rollout_input;
pub mod run_script;
pub mod script;
pub mod script_job;
pub mod search_attributes;
pub mod signals;
pub mod status;
pub mod stop_reason;
pub mod stuck;
pub mod teardown;
pub mod timings;
pub mod variable_name;
pub mod verdict;
