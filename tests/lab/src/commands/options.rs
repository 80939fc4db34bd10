//! Options that commands share.

use clap::Args;

/// Options of commands that start a lab.
#[derive(Debug, Args)]
pub(super) struct ClusterOptions {
    /// Install missing Debian packages without asking; CI=true means the same
    #[arg(long, env = "BERTH_LAB_YES", value_parser = clap::builder::FalseyValueParser::new())]
    pub(super) yes: bool,
    /// Use N nodes that exist only as objects, instead of a real one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) fake_nodes: Option<u32>,
    /// Use the cluster of kubectl's current context; its namespace kube-system must be labelled berth.dev/lab=yes
    #[arg(long, env = "BERTH_LAB_USE_CLUSTER", value_parser = clap::builder::FalseyValueParser::new(), conflicts_with = "fake_nodes")]
    pub(super) use_cluster: bool,
}
