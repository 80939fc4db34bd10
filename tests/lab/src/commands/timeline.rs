//! The demo's steps as they pass: what each was to show, how long it took, and whether it did.

use std::{
    io::{IsTerminal as _, Write as _, stdout},
    time::Instant,
};

use anyhow::{Result, bail};

#[derive(Debug, Default)]
pub(crate) struct Timeline {
    steps: u32,
    fell_short: Vec<String>,
}

impl Timeline {
    /// Runs a step and prints its line. A step that falls short does not stop the others: what they show is evidence, too.
    pub(crate) fn step(&mut self, name: &str, step: impl FnOnce() -> Result<String>) {
        let begun = Instant::now();
        let shown = step();
        let seconds = begun.elapsed().as_secs_f32();
        self.steps += 1;
        match shown {
            Ok(shown) => print(&format!("{} {seconds:6.1} s  {name}", mark("✓", 32)), &shown),
            Err(error) => {
                print(&format!("{} {seconds:6.1} s  {name}", mark("✗", 31)), &format!("{error:#}"));
                self.fell_short.push(name.to_owned());
            }
        }
    }

    /// A step that this lab cannot show.
    pub(crate) fn left_out(&mut self, name: &str, why: &str) {
        print(&format!("- {:>8}  {name}", ""), why);
    }

    pub(crate) fn verdict(&self) -> String {
        match self.fell_short.len() {
            0 => format!("all {} steps showed what they should", self.steps),
            short => format!("{short} of {} steps fell short", self.steps),
        }
    }

    pub(crate) fn short(&self) -> Result<()> {
        if self.fell_short.is_empty() {
            return Ok(());
        }
        bail!("{}: {}", self.verdict(), self.fell_short.join("; "))
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
    fn a_step_that_fell_short_is_named_and_the_others_still_run() {
        let mut timeline = Timeline::default();
        timeline.step("opened", || Err(anyhow!("no answer")));
        timeline.step("closed", || Ok("gone".to_owned()));
        assert_eq!(timeline.verdict(), "1 of 2 steps fell short");
        assert!(timeline.short().unwrap_err().to_string().ends_with(": opened"));
    }
}
