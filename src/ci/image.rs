//! The image of a push, as one reference or in its parts. Pure.

use berth_workflows::contract::release::Image;

use crate::exit::UsageError;

/// Reads an image. `tag` and `digest` complete a reference that has none.
///
/// # Errors
/// There is none, it has no digest, or its parts contradict each other.
pub(super) fn image(reference: &str, tag: &str, digest: &str) -> Result<Image, UsageError> {
    if reference.is_empty() {
        return Err(UsageError(
            "a push needs the image: --image repository@sha256:…, or --image and --digest".to_owned(),
        ));
    }
    if let Some((_, own)) = reference.split_once('@')
        && !digest.is_empty()
        && own != digest
    {
        return Err(UsageError(format!("--image has the digest {own}, and --digest is {digest}")));
    }
    let mut whole = reference.to_owned();
    if !reference.contains('@') {
        let last = reference.rsplit('/').next().unwrap_or_default();
        if !tag.is_empty() && !last.contains(':') {
            whole += &format!(":{tag}");
        }
        if !digest.is_empty() {
            whole += &format!("@{digest}");
        }
    }
    Image::try_from(whole).map_err(UsageError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_is_one_reference_or_its_parts() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let whole = format!("registry.example.com:5000/acme/web:v1@{digest}");
        for (reference, tag, digest) in [
            (whole.as_str(), "", ""),
            (&whole, "v2", &digest),
            ("registry.example.com:5000/acme/web", "v1", &digest),
            ("registry.example.com:5000/acme/web:v1", "v2", &digest),
        ] {
            assert_eq!(image(reference, tag, digest).unwrap().to_string(), whole, "{reference} {tag} {digest}");
        }
    }

    #[test]
    fn image_without_one_digest_is_refused() {
        let (a, b) = (format!("sha256:{}", "a".repeat(64)), format!("sha256:{}", "b".repeat(64)));
        let with_digest = format!("acme/web@{a}");
        for (reference, tag, digest, why) in [
            ("", "v1", a.as_str(), "a push needs the image"),
            ("acme/web", "v1", "", "has no digest"),
            ("acme/web", "", "sha256:a", "digest"),
            (&with_digest, "", &b, "--image has the digest"),
        ] {
            let refused = image(reference, tag, digest).unwrap_err().to_string();
            assert!(refused.contains(why), "{reference} {tag} {digest}: {refused}");
        }
    }
}
