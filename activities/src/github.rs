//! GitHub: reports, commands and pull requests, as a GitHub App.
//!
//! A repository is named by its id in every path, so a rename changes nothing.

mod activities;
mod admission;
mod admit_command;
mod answer;
mod client;
pub mod doctor;
mod list_pull_requests;
mod pauses;
mod report_to_github;
mod repository;
#[cfg(test)]
mod tests;
mod token;

pub use activities::GithubActivities;
pub use admit_command::admit_command;
pub use client::GithubClient;
pub use list_pull_requests::list_pull_requests;
pub use report_to_github::report_to_github;
