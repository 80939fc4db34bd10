//! The program behind `cargo lab`.

use std::process::ExitCode;

fn main() -> ExitCode {
    berth_lab::cli::main()
}
