//! Markdown for temporal-ui. Texts from outside are code spans, so that they cannot become a link or an image.

use crate::contract::release::Release;

/// A release: its commit, its author if it has one, and whether both are proved.
pub fn release(release: &Release) -> String {
    let proved = if release.proved { " (proved)" } else { "" };
    match &release.author {
        Some(author) => format!("{} by {}{proved}", code(release.commit.short()), code(author.as_str())),
        None => format!("{}{proved}", code(release.commit.short())),
    }
}

/// Removes Markdown and line breaks. Kubernetes' messages contain names of finalizers, which anyone may choose.
pub fn plain(text: &str) -> String {
    text.replace(['`', '[', ']', '<', '>', '!', '*', '_', '\n', '\r'], " ")
}

/// A text as a code span.
pub fn code(text: &str) -> String {
    format!("`{}`", text.replace('`', "'").replace(['\n', '\r'], " "))
}
