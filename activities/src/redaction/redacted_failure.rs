//! Failures whose messages contain no value of a secret.

use kube::Client;

use crate::{failure::Failure, redaction::known_secrets::KnownSecrets};

/// Removes the values of a release's Secret from a failure of its apply. An admission policy may repeat the refused
/// object, and a manifest may repeat a value.
pub(crate) async fn hide_values_of(secret: &str, client: &Client, namespace: &str, failure: Failure) -> Failure {
    let known = KnownSecrets::new(secret, None);
    match known.redactor(client, namespace).await {
        Some(redactor) => without_values(failure, |text| redactor.redact(text)),
        None => without_values(failure, |_| known.unknown()),
    }
}

/// Returns the failure with its message passed through `shown`. The API server's message may repeat a refused object.
pub(crate) fn without_values(failure: Failure, shown: impl Fn(&str) -> String) -> Failure {
    match failure {
        Failure::Permanent(mut verdict) => {
            verdict.message = shown(&verdict.message);
            Failure::Permanent(verdict)
        }
        Failure::Transient { failure, message, retry_after, .. } => {
            // The source has the same message.
            Failure::Transient { failure, message: shown(&message), retry_after, source: None }
        }
    }
}
