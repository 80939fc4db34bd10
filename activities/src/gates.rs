//! Gates: checks that a release does what it should. All run at once, each with its own deadline.
//!
//! Requests go through a port-forward to a ready pod of the new revision. It works inside and outside the cluster and
//! needs no open network.
//!
//! Every environment has the gate `endpoints`: without a ready pod of the new revision behind its Service, an Ingress
//! would be a dead URL. The stability window comes last. No container of the release may restart in it.

mod attempt;
mod check_gates;
mod checks;
mod endpoints;
mod forward;
mod http;
mod objects;
mod serving_pods;
mod sight;
mod stability;
mod standing;
mod temporal;

pub use check_gates::check as check_gates;
