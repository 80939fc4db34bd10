//! The variables of a push that differ from those of the release that serves.

use std::collections::BTreeSet;

use berth_workflows::contract::{plan::VariableChange, push_variables::PushVariables, release::Release};

use crate::release::stored_release::StoredRelease;

/// Returns each variable whose value changes, comes or goes, in the order of the names.
pub(super) fn variable_changes(serving: Option<&StoredRelease>, release: &Release) -> Vec<VariableChange> {
    let serving = serving.and_then(|serving| serving.version.as_ref()).map(|version| &version.release.variables);
    let none = PushVariables::default();
    let (before, after) = (serving.unwrap_or(&none), &release.variables);
    let names: BTreeSet<&str> = before.iter().chain(after.iter()).map(|(name, _)| name).collect();
    let changes = names.into_iter().map(|name| VariableChange {
        name: name.to_owned(),
        from: before.get(name).map(str::to_owned),
        to: after.get(name).map(str::to_owned),
    });
    changes.filter(|change| change.from != change.to).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{production::tests, release::stored_release::ReleaseVersion};

    fn release(variables: Value) -> Release {
        Release { variables: serde_json::from_value(variables).unwrap(), ..tests::release(1, 'a') }
    }

    #[test]
    fn variable_that_differs_is_named_with_both_values() {
        let version = ReleaseVersion {
            release: release(json!({"A": "1", "B": "1", "C": "1"})),
            secrets: tests::secrets("s"),
            deploy_id: 1,
        };
        let serving = StoredRelease { version: Some(Box::new(version)), ..StoredRelease::empty() };
        let after = release(json!({"B": "1", "C": "2", "D": ""}));
        let changes = variable_changes(Some(&serving), &after);
        let shown: Vec<_> = changes.iter().map(|c| (c.name.as_str(), c.from.as_deref(), c.to.as_deref())).collect();
        assert_eq!(shown, [("A", Some("1"), None), ("C", Some("1"), Some("2")), ("D", None, Some(""))]);
        assert_eq!(variable_changes(None, &release(json!({}))), []);
    }
}
