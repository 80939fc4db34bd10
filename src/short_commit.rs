//! A commit that is given by its first digits. Pure.

use berth_workflows::contract::release::Commit;

use crate::{exit::Exit, poll::Decision};

/// Ends a wait for digits that are the start of several known commits. None: they mean at most one.
pub(crate) fn ambiguous<'a>(known: impl Iterator<Item = &'a str>, commit: &Commit) -> Option<Decision> {
    let commits = meant(known, commit);
    (commits.len() > 1).then(|| {
        let why = format!("{commit} is the start of {}: give more digits", commits.join(" and "));
        Decision::because("ambiguous", Exit::Usage, why)
    })
}

/// The commits that the digits may mean. A commit and its own start are one.
fn meant<'a>(known: impl Iterator<Item = &'a str>, commit: &Commit) -> Vec<String> {
    let mut commits: Vec<String> = Vec::new();
    for full in known.filter(|full| commit.matches(full)) {
        let full = full.to_ascii_lowercase();
        match commits.iter_mut().find(|other| full.starts_with(other.as_str()) || other.starts_with(&full)) {
            Some(other) if other.len() < full.len() => *other = full,
            Some(_) => {}
            None => commits.push(full),
        }
    }
    commits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant_of(known: &[&str], commit: &str) -> usize {
        meant(known.iter().copied(), &Commit::try_from(commit.to_owned()).unwrap()).len()
    }

    #[test]
    fn start_of_two_commits_is_ambiguous() {
        assert_eq!(meant_of(&["4f2a9c1d", "4f2a9c1e", "4f2a9c1D", "0123456"], "4f2a9c1"), 2);
        assert_eq!(meant_of(&["4f2a9c1d", "0123456"], "4f2a9c1"), 1);
        assert_eq!(meant_of(&["4f2a9c1d", "4f2a9c1e"], "4f2a9c1d"), 1);
    }

    #[test]
    fn commit_and_its_start_are_one() {
        assert_eq!(meant_of(&["4f2a9c1d", "4f2a9c1", "4f2a9c1d00"], "4f2a9c1"), 1);
        assert_eq!(meant_of(&["4f2a9c1"], "4f2a9c1d00"), 1, "it was pushed by its start");
    }
}
