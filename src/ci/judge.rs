//! The exit code of a step, and how its end is shown. Pure.
//!
//! A run is red only where somebody of the pull request has to act: a push that a newer one has overtaken is none of these.

use clap::ValueEnum;

use crate::{envelope::TIMED_OUT, exit::Exit};

/// An outcome without which a step fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Require {
    /// The commit serves
    Live,
}

/// How the end of a step is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Quiet,
    Notice,
    Error,
}

/// The end of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) code: u8,
    pub(super) level: Level,
}

/// Judges an outcome by its code in the table of exit codes. A timeout is an error: nobody knows how it ends.
pub(super) fn judge(outcome: &str, code: u8, required: Option<Require>) -> Judgement {
    let unfinished = [Exit::Superseded, Exit::Absent, Exit::Waiting, Exit::Skipped].map(Exit::code);
    let is_unfinished = unfinished.contains(&code) && outcome != TIMED_OUT;
    match (code, required) {
        (0, None) if outcome == "sent" => Judgement { code, level: Level::Notice },
        (0, _) => Judgement { code, level: Level::Quiet },
        (_, None) if is_unfinished => Judgement { code: Exit::Done.code(), level: Level::Notice },
        _ => Judgement { code, level: Level::Error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_code_is_that_of_the_table_for_ci() {
        use Level::{Error, Notice, Quiet};
        let table = [
            ("live", 0, (0, Quiet), (0, Quiet)),
            ("gone", 0, (0, Quiet), (0, Quiet)),
            ("failed", 1, (1, Error), (1, Error)),
            ("rolled_back", 1, (1, Error), (1, Error)),
            ("rejected", 1, (1, Error), (1, Error)),
            ("usage", 2, (2, Error), (2, Error)),
            ("superseded", 3, (0, Notice), (3, Error)),
            ("closed", 4, (0, Notice), (4, Error)),
            ("awaiting_approval", 5, (0, Notice), (5, Error)),
            ("frozen", 5, (0, Notice), (5, Error)),
            ("timed_out", 5, (5, Error), (5, Error)),
            ("skipped", 6, (0, Notice), (6, Error)),
            ("error", 10, (10, Error), (10, Error)),
            ("a code of a newer berth", 77, (77, Error), (77, Error)),
        ];
        for (outcome, code, free, required) in table {
            let judged = |require| {
                let Judgement { code, level } = judge(outcome, code, require);
                (code, level)
            };
            assert_eq!((judged(None), judged(Some(Require::Live))), (free, required), "{outcome}");
        }
    }
}
