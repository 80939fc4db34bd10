//! Substitution of variables: `$NAME` is replaced if the name is declared, and kept otherwise.

use std::ops::Range;

use super::{
    pushed_image::PushedImage,
    variables::{Variables, is_unchecked},
};

/// A reference in a text: `$NAME` or `${NAME}`. The grammar of `NAME` is envsubst's: letters, digits and `_`, no digit first.
pub(super) struct Reference<'a> {
    pub(super) range: Range<usize>,
    pub(super) name: &'a str,
}

/// A text after substitution.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Substituted {
    /// The text. References to undeclared names are unchanged.
    pub(super) output: String,
    /// Whether a reference was replaced.
    pub(super) changed: bool,
    /// The undeclared names, in order.
    pub(super) undeclared: Vec<String>,
    /// The names in forms that a shell expands, such as `${NAME:-default}`. They are unchanged, as with envsubst.
    pub(super) expanded: Vec<String>,
    /// The replaced names whose values come unchecked from a caller.
    pub(super) unchecked: Vec<String>,
}

/// Replaces the declared names. References within a value are not replaced.
pub(super) fn substitute(text: &str, variables: &Variables) -> Substituted {
    replace(text, |name| variables.get(name))
}

/// Replaces the declared names in the `image` of a container. A pushed image alone is its whole reference.
pub(super) fn substitute_image(text: &str, variables: &Variables) -> Substituted {
    let sole = sole_image(text, variables).map(|image| (image.image_variable(), image.reference()));
    replace(text, |name| match &sole {
        Some((image, reference)) if image == name => Some(reference.as_str()),
        _ => variables.get_in_image(name),
    })
}

/// The pushed image that an `image` names by its variable alone.
pub(super) fn sole_image<'a>(text: &str, variables: &'a Variables) -> Option<&'a PushedImage> {
    variables.image(sole_reference(text.trim())?)
}

fn replace<'a>(text: &str, value_of: impl Fn(&str) -> Option<&'a str>) -> Substituted {
    let mut out = Substituted { expanded: expanded_names(text), ..Substituted::default() };
    let mut rest = text;
    while let Some(reference) = next_reference(rest) {
        let (before, written) = (&rest[..reference.range.start], &rest[reference.range.clone()]);
        out.output.push_str(before);
        match value_of(reference.name) {
            Some(value) => {
                out.output.push_str(value);
                out.changed = true;
                if is_unchecked(reference.name) {
                    out.unchecked.push(reference.name.to_owned());
                }
            }
            None => {
                out.output.push_str(written);
                out.undeclared.push(reference.name.to_owned());
            }
        }
        rest = &rest[reference.range.end..];
    }
    out.output.push_str(rest);
    out
}

/// Whether a text has a reference to a variable.
pub(super) fn has_reference(text: &str) -> bool {
    next_reference(text).is_some()
}

/// The name, if the text is one reference and nothing else.
pub(super) fn sole_reference(text: &str) -> Option<&str> {
    next_reference(text).filter(|reference| reference.range == (0..text.len())).map(|reference| reference.name)
}

/// The first reference in a text.
pub(super) fn next_reference(text: &str) -> Option<Reference<'_>> {
    for (start, _) in text.match_indices('$') {
        let after = &text[start + 1..];
        let (name, end) = match after.strip_prefix('{') {
            Some(braced) => {
                let name = leading_name(braced);
                if !braced[name.len()..].starts_with('}') {
                    continue;
                }
                (name, start + name.len() + 3)
            }
            None => {
                let name = leading_name(after);
                (name, start + name.len() + 1)
            }
        };
        if !name.is_empty() {
            return Some(Reference { range: start..end, name });
        }
    }
    None
}

/// The names in `${NAME:-default}` and in other forms that a shell expands.
fn expanded_names(text: &str) -> Vec<String> {
    let braced = text.match_indices("${").map(|(start, open)| &text[start + open.len()..]);
    let names = braced.filter_map(|rest| {
        let name = leading_name(rest);
        let is_expanded = rest[name.len()..].starts_with([':', '-', '=', '?', '+', '#', '%', '/', '^', ',', '@', '[']);
        (!name.is_empty() && is_expanded).then(|| name.to_owned())
    });
    names.collect()
}

/// The name at the beginning of a text; empty if there is none.
fn leading_name(text: &str) -> &str {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return "";
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::examples;

    #[test]
    fn only_declared_names_are_replaced() {
        let variables = Variables::new(examples::preview());
        for (text, expected) in [
            ("$KUBE_NS", "pr-123"),
            ("${KUBE_NS}-x", "pr-123-x"),
            ("a$KUBE_NS.b", "apr-123.b"),
            ("$$KUBE_NS", "$pr-123"),
            ("$HOME and ${HOME}", "$HOME and ${HOME}"),
            ("${KUBE_NS", "${KUBE_NS"),
            ("${KUBE_NS:-x}", "${KUBE_NS:-x}"),
            ("$(KUBE_NS)", "$(KUBE_NS)"),
            ("$1 $? $", "$1 $? $"),
            ("${}", "${}"),
            ("ü$KUBE_NSü", "üpr-123ü"),
        ] {
            assert_eq!(substitute(text, &variables).output, expected, "{text}");
        }
    }

    #[test]
    fn reference_in_a_value_is_not_replaced() {
        let mut input = examples::preview();
        input.author = "$KUBE_NS ${GITHUB_SHA}".to_owned();
        let substituted = substitute("$GITHUB_ACTOR", &Variables::new(input));
        assert_eq!(substituted.output, "$KUBE_NS ${GITHUB_SHA}");
    }

    #[test]
    fn sole_reference_is_the_whole_text() {
        assert_eq!(sole_reference("$PR_NUMBER"), Some("PR_NUMBER"));
        assert_eq!(sole_reference("${PR_NUMBER}"), Some("PR_NUMBER"));
        assert_eq!(sole_reference("$PR_NUMBER$PR_NUMBER"), None);
        assert_eq!(sole_reference(" $PR_NUMBER"), None);
    }
}
