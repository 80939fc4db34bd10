//! Facts about a pull request, as its environment takes them in the signal `pull_request`.

use berth_workflows::contract::release::{Commit, Name};
use serde_json::{Value, json};

use super::event::PullRequest;

/// The most labels that an issue can have on GitHub, and the most characters of each.
const MAX_LABELS: usize = 100;
const MAX_LABEL: usize = 50;

/// The facts that a payload states.
///
/// # Errors
/// A value that GitHub would not send.
pub(super) fn of(pull_request: &PullRequest) -> Result<Value, String> {
    let PullRequest { state, draft, locked, head, base, labels, user, updated_at, .. } = pull_request;
    let commit = Commit::try_from(head.sha.clone())?;
    if commit.as_str().len() != 40 {
        return Err("head.sha must have 40 digits".to_owned());
    }
    if !matches!(state.as_str(), "open" | "closed") {
        return Err("state must be open or closed".to_owned());
    }
    if !is_time(updated_at) {
        return Err("updated_at must be a time as 2026-11-28T07:15:00Z".to_owned());
    }
    // An account that has been deleted is shown as this one.
    let author = user.as_ref().map_or_else(|| "ghost".to_owned(), |user| user.login.clone());
    let author = Name::try_from(author)?;
    let labels = labels.iter().map(|label| label.name.as_str()).filter(|label| label.chars().count() <= MAX_LABEL);
    // Whatever a job says, a commit of another repository is a fork's.
    let fork = head.repo.as_ref().is_none_or(|repo| repo.id != base.repo.id);
    Ok(json!({
        "head": commit, "state": state, "draft": draft, "fork": fork, "labels": labels.take(MAX_LABELS).collect::<Vec<_>>(),
        "locked": locked, "author": author, "updated_at": updated_at,
    }))
}

/// Whether a text is `YYYY-MM-DDTHH:MM:SSZ`. Such texts have the order of their times.
fn is_time(text: &str) -> bool {
    let pattern = b"0000-00-00T00:00:00Z";
    let fits = |(b, pattern): (u8, &u8)| if *pattern == b'0' { b.is_ascii_digit() } else { b == *pattern };
    text.len() == pattern.len() && text.bytes().zip(pattern).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_has_one_spelling() {
        assert!(is_time("2026-11-28T07:15:00Z"));
        for text in
            ["", "2026-11-28T07:15:00", "2026-11-28T07:15:00+00:00", "2026-11-28 07:15:00Z", "2026-11-28T07:15:0xZ"]
        {
            assert!(!is_time(text), "{text}");
        }
    }
}
