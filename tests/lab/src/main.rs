//! `cargo lab`: start it, look at it, end it.

use std::process::ExitCode;

fn main() -> ExitCode {
    berth_lab::cli::main()
}
