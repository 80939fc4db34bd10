//! Messages and questions that are answered within seconds: those of jobs, which berth hooks passes on, and of `berth ci`.
//!
//! A deploy or a release is handed in and not waited for. Its sender asks until it has ended, each time for half a minute at most.

pub(crate) mod preview;
pub(crate) mod production;
pub(crate) mod question;
pub(crate) mod unsent;
