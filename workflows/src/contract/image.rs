//! An image by digest, checked as it is decoded.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bound on an image reference, far above any that a registry accepts.
const MAX_IMAGE_BYTES: usize = 512;
/// Pattern for editors; [`Image::try_from`] decides.
const IMAGE_PATTERN: &str = "^[^@]+@sha256:[0-9a-f]{64}$";

/// An image by digest: `repository@sha256:…` or `repository:tag@sha256:…`. A tag can be moved to another image between
/// the push and the pull, so the digest is mandatory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = IMAGE_PATTERN, "maxLength" = MAX_IMAGE_BYTES))]
pub struct Image {
    pub repository: String,
    pub tag: Option<String>,
    /// `sha256:` and 64 hexadecimal digits.
    pub digest: String,
}

impl TryFrom<String> for Image {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let refuse = |why: &str| Err(format!("image {} {why}", quoted(&text)));
        if text.len() > MAX_IMAGE_BYTES {
            return refuse(&format!("is longer than {MAX_IMAGE_BYTES} bytes"));
        }
        let Some((name, digest)) = text.split_once('@') else {
            return refuse("has no digest: expected repository@sha256:… or repository:tag@sha256:…");
        };
        let hex = digest.strip_prefix("sha256:").unwrap_or_default();
        if hex.len() != 64 || !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return refuse("has a malformed digest: expected sha256: and 64 lower-case hexadecimal digits");
        }
        // A colon after the last slash begins a tag; one before it is a registry's port.
        let path_start = name.rfind('/').map_or(0, |slash| slash + 1);
        let (repository, tag) = match name[path_start..].split_once(':') {
            Some((last, tag)) => (&name[..path_start + last.len()], Some(tag)),
            None => (name, None),
        };
        if !is_repository(repository) {
            return refuse("has a malformed repository");
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return refuse("has a malformed tag");
        }
        Ok(Self { repository: repository.to_owned(), tag: tag.map(str::to_owned), digest: digest.to_owned() })
    }
}

impl From<Image> for String {
    fn from(image: Image) -> Self {
        image.to_string()
    }
}

impl std::fmt::Display for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.tag {
            Some(tag) => write!(f, "{}:{tag}@{}", self.repository, self.digest),
            None => write!(f, "{}@{}", self.repository, self.digest),
        }
    }
}

/// Whether a text is a repository by the distribution specification, apart from its finer rules for rare separators.
fn is_repository(text: &str) -> bool {
    let (registry, path) = match text.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (Some(first), rest),
        _ => (None, text),
    };
    let registry_ok = registry.is_none_or(|registry| {
        let (host, port) = registry.split_once(':').unwrap_or((registry, "0"));
        !host.is_empty()
            && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
            && !port.is_empty()
            && port.bytes().all(|b| b.is_ascii_digit())
    });
    registry_ok
        && path.split('/').all(|part| {
            part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                && part.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
        })
}

fn is_tag(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// The first 60 characters of an input, quoted and escaped, for an error.
pub(super) fn quoted(text: &str) -> String {
    let start: String = text.chars().take(60).collect();
    let more = if start.len() < text.len() { "…" } else { "" };
    format!("{start:?}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn image_parses_by_digest_with_and_without_a_tag() {
        for (name, repository, tag) in [
            ("acme/web", "acme/web", None),
            ("registry.example.com/acme/web:v1.2", "registry.example.com/acme/web", Some("v1.2")),
            ("10.88.0.1:5999/acme/web", "10.88.0.1:5999/acme/web", None),
            ("10.88.0.1:5999/web:1", "10.88.0.1:5999/web", Some("1")),
        ] {
            let text = format!("{name}@{DIGEST}");
            let image = Image::try_from(text.clone()).unwrap();
            assert_eq!((image.repository.as_str(), image.tag.as_deref()), (repository, tag));
            assert_eq!(image.to_string(), text);
        }
    }

    #[test]
    fn image_is_refused_without_a_digest_or_if_any_part_is_malformed() {
        for bad in [
            "acme/web".to_owned(),
            "acme/web:latest".to_owned(),
            "acme/web@sha256:abc".to_owned(),
            format!("acme/web@{}", DIGEST.to_uppercase()),
            format!("Acme/web@{DIGEST}"),
            format!("acme/web:@{DIGEST}"),
            format!("acme//web@{DIGEST}"),
            format!("@{DIGEST}"),
            format!("acme/web\n@{DIGEST}"),
            format!("acme/$(id)@{DIGEST}"),
            format!("{}@{DIGEST}", "a".repeat(600)),
        ] {
            assert!(Image::try_from(bad.clone()).is_err(), "{bad} should be refused");
        }
    }
}
