//! The Kubernetes cluster of a lab: its control plane, its nodes, and the add-ons of a usual cluster.

pub(crate) mod certificates;
pub(crate) mod control_plane;
pub(crate) mod dns;
pub(crate) mod existing;
pub(crate) mod fake_nodes;
pub(crate) mod ingress;
pub(crate) mod kubectl;
pub(crate) mod node;
