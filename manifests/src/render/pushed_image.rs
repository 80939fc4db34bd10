//! An image of the push, and the variables that stand for its parts.

/// The ends of its variables: repository or whole reference, tag, digest.
const PARTS: [&str; 3] = ["_IMAGE", "_TAG", "_DIGEST"];

/// The name of the image that a variable would be a part of: `WORKER` for `WORKER_TAG`.
pub(super) fn image_of_variable(variable: &str) -> Option<&str> {
    PARTS.iter().find_map(|part| variable.strip_suffix(part))
}

/// The variables of an image of that name.
pub(crate) fn variables_of_image(name: &str) -> [String; 3] {
    PARTS.map(|part| format!("{name}{part}"))
}

/// An image of the push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushedImage {
    /// The prefix of its variables: `WORKER` for `WORKER_IMAGE`, `WORKER_TAG` and `WORKER_DIGEST`. The main image has
    /// `KUBE_DEPLOYMENT`.
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

    /// An image that a push names under a name of the app file's `named_images`.
    pub fn named(
        name: impl Into<String>,
        repository: impl Into<String>,
        tag: Option<String>,
        digest: impl Into<String>,
    ) -> Self {
        Self { variable_prefix: name.into(), ..Self::new(repository, tag, digest) }
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
        name.strip_prefix(&self.variable_prefix).is_some_and(|part| PARTS.contains(&part))
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
