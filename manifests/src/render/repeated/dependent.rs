//! Variables that refer to one that is dropped: the kubelet expands `$(NAME)` to the value that stands before it.

use serde_json::Value;

/// Replaces `$(NAME)` in the variables behind a dropped one, up to the next of its name, by the dropped value.
///
/// Returns the indexes of variables that need a value which comes from a reference (`valueFrom`) and is thus unknown.
pub(super) fn expand_dropped(variables: &mut [Value], dropped: usize, next: usize) -> Vec<usize> {
    let Some(variable) = variables.get(dropped).cloned() else { return Vec::new() };
    let name = variable.get("name").and_then(Value::as_str).unwrap_or_default();
    let value = match (variable.get("value").and_then(Value::as_str), variable.get("valueFrom")) {
        (Some(value), _) => Some(value),
        (None, Some(from)) if !from.is_null() => None,
        (None, _) => Some(""),
    };
    let mut unknown = Vec::new();
    for (index, other) in variables.iter_mut().enumerate().take(next + 1).skip(dropped + 1) {
        let Some(Value::String(text)) = other.get_mut("value") else { continue };
        let Some(expanded) = expand(text, name, value.unwrap_or_default()) else { continue };
        match value {
            Some(_) => *text = expanded,
            None => unknown.push(index),
        }
    }
    unknown
}

/// A text with `$(NAME)` replaced; `None` if it has none. `$$` is an escaped `$`.
fn expand(text: &str, name: &str, value: &str) -> Option<String> {
    let reference = format!("$({name})");
    let (mut expanded, mut rest, mut is_changed) = (String::new(), text, false);
    while let Some(index) = rest.find('$') {
        expanded.push_str(&rest[..index]);
        rest = &rest[index..];
        if let Some(behind) = rest.strip_prefix(&reference) {
            expanded.push_str(value);
            is_changed = true;
            rest = behind;
        } else {
            let length = if rest.starts_with("$$") { 2 } else { 1 };
            expanded.push_str(&rest[..length]);
            rest = &rest[length..];
        }
    }
    expanded.push_str(rest);
    is_changed.then_some(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_or_other_references_stay() {
        assert_eq!(expand("$(A)/$(A)-$(B)", "A", "x").as_deref(), Some("x/x-$(B)"));
        assert_eq!(expand("$$(A) $A ${A} $(A", "A", "x"), None);
        assert_eq!(expand("$$$(A)", "A", "x").as_deref(), Some("$$x"));
        assert_eq!(expand("é$(A)$", "A", "$(B)").as_deref(), Some("é$(B)$"));
    }
}
