//! The kind of environments that a process of `berth hooks` serves.

use clap::ValueEnum;

/// The kind of environments that a process serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    Previews,
    Production,
}
