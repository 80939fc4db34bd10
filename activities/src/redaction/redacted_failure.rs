//! Failures whose messages contain no value of a secret.

use kube::Client;

use crate::{
    failure::Failure,
    redaction::{known_secrets::KnownSecrets, redactor::Redactor},
};

/// Removes the values of a release's Secret from a failure of its apply. An admission policy may repeat the refused
/// object, and a manifest may repeat a value.
pub(crate) async fn hide_values_of(secret: &str, client: &Client, namespace: &str, failure: Failure) -> Failure {
    let known = KnownSecrets::new(secret, []);
    let redactor = known.redactor(client, namespace).await;
    without(failure, redactor, &known.unknown()).await
}

/// Removes these values from a failure. The API server's message may repeat a refused object.
pub(crate) async fn hide_values(values: Vec<Vec<u8>>, failure: Failure) -> Failure {
    without(failure, Redactor::build(values).await, "(details are omitted: they could not be redacted)").await
}

/// Returns the failure with its message redacted, or with another one if there is no redactor.
async fn without(failure: Failure, redactor: Option<Redactor>, unknown: &str) -> Failure {
    let message = match &failure {
        Failure::Permanent(verdict) => verdict.message.clone(),
        Failure::Transient { message, .. } => message.clone(),
    };
    let shown = match redactor {
        Some(redactor) => redactor.redact_all(vec![message]).await.concat(),
        None => unknown.to_owned(),
    };
    match failure {
        Failure::Permanent(mut verdict) => {
            verdict.message = shown;
            Failure::Permanent(verdict)
        }
        // The source has the same message.
        Failure::Transient { failure, retry_after, .. } => {
            Failure::Transient { failure, message: shown, retry_after, source: None }
        }
    }
}
