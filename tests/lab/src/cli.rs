//! The command line of `cargo lab`. Answers go to stdout, everything else to stderr.

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::{
    cluster::node,
    commands::{
        bench::{self, Bench},
        demo::{self, Demo},
        down, env,
        image::{self, Image},
        parts::{self, Parts},
        screenshot::{self, Screenshot},
        status,
        up::{self, Up},
    },
    life::{clean, supervisor},
};

/// A real Kubernetes and a real Temporal on this machine, to try berth and to test it.
///
/// The first run builds Kubernetes and the other parts from pinned Go modules and Python wheels, which takes minutes. They
/// are kept in ~/.cache/berth/lab, so that later runs start in seconds.
///
/// Real pods need Linux, root and a few Debian packages. Missing packages are installed only with your consent: a yes on the
/// terminal, --yes, `BERTH_LAB_YES=1`, or `CI=true`. Without real pods, nodes are fake.
///
/// An exported `KUBECONFIG` or `TEMPORAL_ADDRESS` is ignored.
#[derive(Debug, Parser)]
#[command(name = "cargo lab", bin_name = "cargo lab", max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play the life of a pull request from opened to closed, or of production, and print where to look
    Demo(Demo),
    /// Take screenshots of two previews, their temporal-ui and berth's own, also of production, with a headless Chromium
    Screenshot(Screenshot),
    /// Compare the time that berth takes with kubectl by hand
    Bench(Bench),
    /// Build the worker's image from the Dockerfile, without Docker, and print its size
    Image(Image),
    /// Start a lab with a berth worker in it, until Ctrl-C
    Up(Up),
    /// Build and fetch the parts of a lab without starting it, so that the next start takes seconds
    Parts(Parts),
    /// Print shell exports for the running lab: eval "$(cargo lab env)"
    Env,
    /// Print the running labs, with their addresses and files
    Status,
    /// End the lab that `up` started, and remove all that it created
    Down {
        /// End all labs of this machine and user, also those of tests and demos
        #[arg(long)]
        all: bool,
    },
    /// Fail with a list if a process, mount, network device or cgroup of a lab is left
    AssertClean,
    /// The process that holds a lab
    #[command(hide = true)]
    Supervise { plan: PathBuf },
    /// The first process inside the real node's namespaces
    #[command(hide = true)]
    Node { plan: PathBuf },
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Demo(demo) => demo::run(&demo),
        Command::Screenshot(screenshot) => screenshot::run(&screenshot),
        Command::Bench(bench) => bench::run(&bench),
        Command::Image(image) => image::run(&image),
        Command::Up(up) => up::run(&up),
        Command::Parts(parts) => parts::run(&parts),
        Command::Env => env::run(),
        Command::Status => status::run(),
        Command::Down { all } => down::run(all),
        Command::AssertClean => clean::check_clean(),
        Command::Supervise { plan } => supervisor::run(&plan),
        Command::Node { plan } => node::run_inside(&plan),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
