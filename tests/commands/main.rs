//! Tests of the `berth` binary that need no cluster.

mod check;
mod schema;
