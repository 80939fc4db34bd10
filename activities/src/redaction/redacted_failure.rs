//! Failures without the values of secrets in their words.

use kube::Client;

use crate::{failure::Failure, redaction::known_secrets::KnownSecrets};

/// A failure of applying a release without the values of its Secret in its words: an admission policy may repeat what it
/// refused, and a manifest may repeat a value.
pub(crate) async fn hide_values_of(secret: &str, client: &Client, namespace: &str, failure: Failure) -> Failure {
    let known = KnownSecrets::new(secret, None);
    match known.redactor(client, namespace).await {
        Some(redactor) => without_values(failure, |text| redactor.redact(text)),
        None => without_values(failure, |_| known.unknown()),
    }
}

/// The failure with its words as `shown` shows them. What the API server says may repeat an object that it refused.
pub(crate) fn without_values(failure: Failure, shown: impl Fn(&str) -> String) -> Failure {
    match failure {
        Failure::Permanent(mut verdict) => {
            verdict.message = shown(&verdict.message);
            Failure::Permanent(verdict)
        }
        Failure::Transient { failure, message, retry_after, .. } => {
            // The source has the same words.
            Failure::Transient { failure, message: shown(&message), retry_after, source: None }
        }
    }
}
