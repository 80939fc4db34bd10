//! The steps of a demo: the time and result of each, printed as they end.

use std::{
    io::{IsTerminal as _, Write as _, stdout},
    time::Instant,
};

use anyhow::{Result, bail};

#[derive(Debug, Default)]
pub(crate) struct Timeline {
    steps: u32,
    failed: Vec<String>,
}

impl Timeline {
    /// Runs a step and prints its result. The next steps run even if it fails: their results are evidence, too.
    pub(crate) fn step(&mut self, name: &str, step: impl FnOnce() -> Result<String>) {
        let begun = Instant::now();
        let shown = step();
        let seconds = begun.elapsed().as_secs_f32();
        self.steps += 1;
        match shown {
            Ok(shown) => print(&format!("{} {seconds:6.1} s  {name}", mark("✓", 32)), &shown),
            Err(error) => {
                print(&format!("{} {seconds:6.1} s  {name}", mark("✗", 31)), &format!("{error:#}"));
                self.failed.push(name.to_owned());
            }
        }
    }

    /// Prints a note, or the reason for leaving out a step.
    pub(crate) fn note(&mut self, name: &str, why: &str) {
        print(&format!("- {:>8}  {name}", ""), why);
    }

    pub(crate) fn summary(&self) -> String {
        match self.failed.len() {
            0 => format!("all {} steps passed", self.steps),
            failed => format!("{failed} of {} steps failed", self.steps),
        }
    }

    /// Fails if a step has failed.
    pub(crate) fn result(&self) -> Result<()> {
        if self.failed.is_empty() {
            return Ok(());
        }
        bail!("{}: {}", self.summary(), self.failed.join("; "))
    }
}

fn print(heading: &str, details: &str) {
    let mut out = stdout();
    let _ = writeln!(out, "{heading}");
    for line in details.lines() {
        let _ = writeln!(out, "             {line}");
    }
}

fn mark(sign: &str, color: u8) -> String {
    match stdout().is_terminal() {
        true => format!("\x1b[{color}m{sign}\x1b[0m"),
        false => sign.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn failed_step_is_named_and_later_steps_still_run() {
        let mut timeline = Timeline::default();
        timeline.step("opened", || Err(anyhow!("no answer")));
        timeline.step("closed", || Ok("gone".to_owned()));
        assert_eq!(timeline.summary(), "1 of 2 steps failed");
        assert!(timeline.result().unwrap_err().to_string().ends_with(": opened"));
    }
}
