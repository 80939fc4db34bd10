//! Grammars of names in Kubernetes, DNS, GitHub and registries.

use crate::render::is_upper_case;

/// The same grammars as regular expressions, for the JSON Schema that editors use. They accept a little more than the
/// functions below, never less.
pub(super) mod pattern {
    pub(in crate::app) const DNS_LABEL: &str = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$";
    pub(in crate::app) const OBJECT_NAME: &str = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$";
    pub(in crate::app) const GITHUB_REPOSITORY: &str = "^[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}$";
    pub(in crate::app) const IMAGE_REPOSITORY: &str = "^[a-z0-9][a-z0-9._-]*(:[0-9]+(?=/))?(/[a-z0-9][a-z0-9._-]*)*$";
    pub(in crate::app) const FOLDER_BESIDE: &str = r"^(?!/)(?!(.*/)?\.\.(/|$)).+$";
    pub(in crate::app) const DOPPLER_NAME: &str = "^[A-Za-z0-9_-]{1,100}$";
    pub(in crate::app) const NUMBERED: &str = r"^[a-z0-9.{}-]*\{pr\}[a-z0-9.{}-]*$";
    pub(in crate::app) const QUANTITY: &str = "^[0-9]+([.][0-9]*)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$";
    pub(in crate::app) const NAMED_IMAGE: &str = "^(?!KUBE_|DOPPLER_|GITHUB_|DOCKER_)[A-Z][A-Z0-9_]*$";
    pub(in crate::app) const PUSH_VARIABLE: &str = "^(?!DOPPLER_|DOCKER_|GITHUB_TOKEN$)[A-Z][A-Z0-9_]*$";
    pub(in crate::app) const PUSHED_VALUE: &str = "^([A-Za-z0-9_][A-Za-z0-9_.,:/@+=-]*)?$";
    pub(in crate::app) const SCRIPT: &str = "^[A-Za-z0-9_:.][A-Za-z0-9_:.-]*$";
}

/// A DNS label after RFC 1123, as Kubernetes requires for namespaces.
pub(super) fn is_dns_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// A DNS name of two labels or more.
pub(super) fn is_host(text: &str) -> bool {
    text.len() <= 253 && text.contains('.') && text.split('.').all(is_dns_label)
}

/// The name of a Kubernetes object.
pub(super) fn is_object_name(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_dns_label)
}

/// The API group and version of a kind: `v1`, `apps/v1`, `monitoring.coreos.com/v1alpha1`.
pub(super) fn is_api_version(text: &str) -> bool {
    let is_version = |text: &str| text.starts_with('v') && is_dns_label(text);
    match text.rsplit_once('/') {
        Some((group, version)) => is_object_name(group) && is_version(version),
        None => is_version(text),
    }
}

/// A kind: letters and digits, the first a capital.
pub(super) fn is_kind(text: &str) -> bool {
    text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// `owner/name` on GitHub.
pub(super) fn is_github_repository(text: &str) -> bool {
    let part = |part: &str| {
        (1..=100).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
            && !matches!(part, "." | "..")
    };
    text.split_once('/').is_some_and(|(owner, name)| part(owner) && part(name))
}

/// An image's repository, with neither tag nor digest. The grammar is that of the OCI distribution specification, after an
/// optional registry host and port.
pub(super) fn is_image_repository(text: &str) -> bool {
    let component = |part: &str| {
        let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        edge(part.as_bytes().first())
            && edge(part.as_bytes().last())
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-'))
    };
    let (registry, path) = match text.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        _ => ("localhost", text),
    };
    let (host, port) = registry.split_once(':').unwrap_or((registry, "443"));
    text.len() <= 255
        && host.split('.').all(is_dns_label)
        && port.parse::<u16>().is_ok_and(|port| port > 0)
        && path.split('/').all(component)
}

/// A Kubernetes quantity: `2`, `500m`, `0.5`, `4Gi`.
pub(super) fn is_quantity(text: &str) -> bool {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let units = ["", "m", "k", "M", "G", "T", "P", "Ki", "Mi", "Gi", "Ti", "Pi"];
    number.starts_with(|c: char| c.is_ascii_digit())
        && number.matches('.').count() <= 1
        && number.len() <= 15
        && units.contains(&unit)
}

/// The most bytes of a script's name.
pub(super) const MAX_SCRIPT_NAME: usize = 100;

/// The name of a script: one argument of a command line, never an option.
pub fn is_script_name(text: &str) -> bool {
    (1..=MAX_SCRIPT_NAME).contains(&text.len())
        && !text.starts_with('-')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b':' | b'.'))
}

/// The most bytes of the name of an image or a variable that a push brings. Pushes have the same bound.
pub(super) const MAX_PUSHED_NAME: usize = 50;

/// The name of an image or a variable that a push brings.
pub(super) fn is_pushed_name(text: &str) -> bool {
    text.len() <= MAX_PUSHED_NAME && is_upper_case(text)
}

/// The most bytes of a pushed variable's value. Pushes have the same bound.
pub(super) const MAX_PUSHED_VALUE: usize = 128;

/// The value of a variable that a push brings: no character with a meaning to a shell, and no option.
pub(super) fn is_pushed_value(text: &str) -> bool {
    let is_first = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let is_plain = |b: u8| is_first(b) || matches!(b, b'.' | b',' | b':' | b'/' | b'@' | b'+' | b'=' | b'-');
    text.len() <= MAX_PUSHED_VALUE && text.bytes().all(is_plain) && text.bytes().next().is_none_or(is_first)
}

/// The name of a shell variable.
pub(super) fn is_variable_name(text: &str) -> bool {
    text.len() <= 100
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_reference_is_not_an_image_repository() {
        for text in ["registry.example.com/acme/web", "localhost:5000/web", "acme/web", "10.0.0.1:5000/a/b_c"] {
            assert!(is_image_repository(text), "{text}");
        }
        for text in [
            "",
            "registry.example.com/acme/web:v1",
            "acme/web@sha256:0",
            "Acme/web",
            "registry.example.com:x/web",
            "a//b",
            "https://registry.example.com/web",
            "web:v1",
        ] {
            assert!(!is_image_repository(text), "{text}");
        }
    }

    #[test]
    fn quantity_has_a_number_and_a_known_unit() {
        for text in ["2", "500m", "0.5", "4Gi"] {
            assert!(is_quantity(text), "{text}");
        }
        for text in ["", "Gi", "4GiB", "1.2.3", "-1", ".5", "two"] {
            assert!(!is_quantity(text), "{text}");
        }
    }

    #[test]
    fn github_repository_has_an_owner_and_a_name() {
        assert!(is_github_repository("acme/flask-react.js"));
        for text in ["acme", "acme/", "/web", "a/b/c", "a b/c", "acme/.."] {
            assert!(!is_github_repository(text), "{text}");
        }
    }
}
