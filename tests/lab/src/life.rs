//! The life of a lab: it is planned, started and held by a supervisor, joined by users, and cleaned up after the last one.

pub(crate) mod clean;
pub(crate) mod full;
pub(crate) mod outage;
pub(crate) mod plan;
pub(crate) mod session;
pub(crate) mod start;
pub(crate) mod state;
pub(crate) mod supervisor;
pub(crate) mod worker;
