//! The machine that a lab runs on: its folders, file locks, processes, ports and networks.

pub(crate) mod children;
pub(crate) mod files;
pub(crate) mod folders;
pub(crate) mod http;
pub(crate) mod lock;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod relay;
pub(crate) mod subnet;
