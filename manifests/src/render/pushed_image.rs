//! An image of the push, and the variables that stand for its parts.

/// An image of the push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushedImage {
    /// The prefix of its variables: `KUBE_DEPLOYMENT` for `KUBE_DEPLOYMENT_IMAGE`, `_TAG` and `_DIGEST`.
    pub variable_prefix: String,
    /// The repository: the image without tag and digest.
    pub repository: String,
    /// The tag, if the push names one.
    pub tag: Option<String>,
    /// The digest, `sha256:…`.
    pub digest: String,
}

impl PushedImage {
    /// The image that a push names in its field `image`.
    pub fn new(repository: impl Into<String>, tag: Option<String>, digest: impl Into<String>) -> Self {
        let variable_prefix = "KUBE_DEPLOYMENT".to_owned();
        Self { variable_prefix, repository: repository.into(), tag, digest: digest.into() }
    }

    /// The variable that is the repository or the whole reference.
    pub(super) fn image_variable(&self) -> String {
        format!("{}_IMAGE", self.variable_prefix)
    }

    /// The variable that is the tag.
    pub(super) fn tag_variable(&self) -> String {
        format!("{}_TAG", self.variable_prefix)
    }

    /// Whether a name is one of its variables.
    pub(super) fn has_variable(&self, name: &str) -> bool {
        name.strip_prefix(&self.variable_prefix).is_some_and(|part| matches!(part, "_IMAGE" | "_TAG" | "_DIGEST"))
    }

    /// Its variables and their values. The tag is never empty, so that `$A:$B@$C` is a valid reference even if the push names
    /// no tag.
    pub(super) fn variables(&self, commit: &str) -> [(String, String); 3] {
        [
            (self.image_variable(), self.repository.clone()),
            (self.tag_variable(), self.tag.as_deref().unwrap_or(commit).to_owned()),
            (format!("{}_DIGEST", self.variable_prefix), self.digest.clone()),
        ]
    }

    /// The whole reference, as it was pushed: `repository:tag@digest`, or `repository@digest`.
    pub(super) fn reference(&self) -> String {
        match &self.tag {
            Some(tag) => format!("{}:{tag}@{}", self.repository, self.digest),
            None => format!("{}@{}", self.repository, self.digest),
        }
    }
}
