//! References of images, and which of them name one repository.

/// The registry of a reference that names none.
const DEFAULT_REGISTRY: &str = "docker.io";

/// A reference of an image, split: `repository[:tag][@digest]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reference<'a> {
    repository: &'a str,
    tag: Option<&'a str>,
    pub(super) digest: Option<&'a str>,
}

impl<'a> Reference<'a> {
    /// Splits any text. A text that is no reference gives parts that equal no pushed image.
    pub(super) fn parse(text: &'a str) -> Self {
        let (name, digest) = text.split_once('@').map_or((text, None), |(name, digest)| (name, Some(digest)));
        // A colon after the last slash begins a tag; one before it is a registry's port.
        let last = name.rfind('/').map_or(0, |slash| slash + 1);
        let (repository, tag) = match name[last..].find(':').map(|colon| last + colon) {
            Some(colon) => (&name[..colon], Some(&name[colon + 1..])),
            None => (name, None),
        };
        Self { repository, tag, digest }
    }

    /// The tag that a pull uses.
    pub(super) fn tag_or_latest(&self) -> &'a str {
        self.tag.unwrap_or("latest")
    }

    /// Whether the reference is of a repository, in any spelling.
    pub(super) fn is_of_repository(&self, repository: &str) -> bool {
        full_name(self.repository) == full_name(repository)
    }
}

/// A repository with its registry, as Docker's `reference` package normalises it. The registry is compared as a host name:
/// without case, and without the port that HTTPS has anyway.
fn full_name(repository: &str) -> String {
    let is_registry = |first: &str| {
        first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|byte| byte.is_ascii_uppercase())
    };
    let (registry, path) = match repository.split_once('/') {
        Some((first, rest)) if is_registry(first) => (first.to_ascii_lowercase(), rest),
        _ => (DEFAULT_REGISTRY.to_owned(), repository),
    };
    let registry = match registry.strip_suffix(":443").unwrap_or(&registry) {
        "index.docker.io" => DEFAULT_REGISTRY,
        other => other,
    };
    if registry == DEFAULT_REGISTRY && !path.contains('/') {
        return format!("{registry}/library/{path}");
    }
    format!("{registry}/{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_of_a_registry_is_not_a_tag() {
        for (text, repository, tag, digest) in [
            ("localhost:5000/web", "localhost:5000/web", None, None),
            ("localhost:5000/web:v1", "localhost:5000/web", Some("v1"), None),
            ("localhost:5000/acme/web@sha256:0", "localhost:5000/acme/web", None, Some("sha256:0")),
            ("web:v1@sha256:0", "web", Some("v1"), Some("sha256:0")),
            ("web@", "web", None, Some("")),
            ("", "", None, None),
        ] {
            assert_eq!(Reference::parse(text), Reference { repository, tag, digest }, "{text}");
        }
    }

    #[test]
    fn spellings_of_one_repository_are_equal() {
        for (left, right) in [
            ("acme/web", "docker.io/acme/web"),
            ("acme/web", "index.docker.io/acme/web"),
            ("web", "docker.io/library/web"),
            ("web", "library/web"),
            ("web", "docker.io/web"),
            ("registry.example.com/web", "Registry.Example.com/web"),
            ("registry.example.com/web", "registry.example.com:443/web"),
        ] {
            assert!(Reference::parse(left).is_of_repository(right), "{left} and {right}");
            assert!(Reference::parse(right).is_of_repository(left), "{right} and {left}");
        }
    }

    #[test]
    fn other_repositories_are_not_equal() {
        for (left, right) in [
            ("acme/web", "acme/web-worker"),
            ("acme/web", "acme/web/worker"),
            ("acme/web", "registry.example.com/acme/web"),
            ("registry.example.com/web", "registry.example.com/library/web"),
            ("registry.example.com/web", "registry.example.com:5000/web"),
            ("localhost/web", "web"),
        ] {
            assert!(!Reference::parse(left).is_of_repository(right), "{left} and {right}");
        }
    }
}
