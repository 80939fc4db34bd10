//! Checks that a release does what it should: all gates at once, each with its own deadline.
//!
//! Requests go through a port-forward to a ready pod of the new revision: that works inside and outside the cluster
//! and needs no open network. The gate `endpoints` is every environment's: a Service behind an Ingress of the release
//! without a ready pod of the new revision would make the URL a dead one. Last comes the stability window, during which
//! no container of the release may restart.

mod attempt;
mod check_gates;
mod checks;
mod endpoints;
mod forward;
mod http;
mod stability;
mod temporal;

pub use check_gates::check as check_gates;
