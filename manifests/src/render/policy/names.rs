//! The form of an object's name.

use crate::render::kinds::{Kind, RBAC_GROUP};

/// The most bytes of a name.
const MAX_NAME: usize = 253;

/// The reason why an object of the kind cannot have the name, if there is one. Names of Roles and `RoleBindings` are segments of a
/// path, and no DNS names.
pub(super) fn problem(name: &str, kind: &Kind) -> Option<String> {
    match kind.group == RBAC_GROUP {
        true if !is_path_segment(name) => Some(format!("`{name}` may have only letters, digits and `-._~:@`")),
        false if !is_dns_name(name) => Some(format!("`{name}` is not a valid Kubernetes name")),
        _ => None,
    }
}

/// The name of an object: dot-separated DNS labels.
fn is_dns_name(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    name.len() <= MAX_NAME && name.split('.').all(label)
}

/// The name of a Role or a `RoleBinding`, as it is in a URL and in a field selector. Kubernetes takes more, which a client would have
/// to escape: spaces, for example.
fn is_path_segment(name: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:@".contains(&b);
    name.len() <= MAX_NAME && !matches!(name, "." | "..") && name.bytes().all(is_plain)
}
