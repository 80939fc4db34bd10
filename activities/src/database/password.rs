//! The password of an environment's databases, and the Secret that keeps it. Every retry uses the same one.

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{Api, Client, api::ObjectMeta};

use berth_workflows::contract::{environment::Environment, verdict::FailureType};

use crate::{
    context::Context,
    failure::Failure,
    kubernetes::{content_secret::create_once, labels},
};

/// The Secret with the password. It is the only place that keeps it.
pub(super) const SECRET: &str = "berth-database";
const PASSWORD: &str = "password";
/// 192 bits. Hexadecimal digits need no escaping anywhere.
const PASSWORD_BYTES: usize = 24;

/// Returns the password, and generates it if there is none. Concurrent attempts get the same one: the first Secret
/// wins.
pub(super) async fn ensure_password(context: Context<'_>, environment: &Environment) -> Result<String, Failure> {
    if let Some(password) = find_password(context.client, environment).await? {
        return Ok(password);
    }
    let mut bytes = [0; PASSWORD_BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|e| Failure::transient(FailureType::DatabaseUnavailable, format!("generating a password: {e}")))?;
    let password: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let secret = Secret {
        immutable: Some(true),
        type_: Some("Opaque".to_owned()),
        data: Some([(PASSWORD.to_owned(), ByteString(password.into_bytes()))].into()),
        metadata: ObjectMeta {
            name: Some(SECRET.to_owned()),
            namespace: Some(environment.namespace.clone()),
            labels: Some(labels::owner_labels(environment, &context.settings.installation)),
            ..ObjectMeta::default()
        },
        ..Secret::default()
    };
    create_once(context.client, &secret).await?;
    let found = find_password(context.client, environment).await?;
    found.ok_or_else(|| {
        Failure::transient(FailureType::DatabaseUnavailable, format!("Secret/{SECRET} was deleted again"))
    })
}

pub(super) async fn find_password(client: &Client, environment: &Environment) -> Result<Option<String>, Failure> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &environment.namespace);
    let what = format!("Secret {SECRET} of namespace {}", environment.namespace);
    let found = secrets.get_opt(SECRET).await.map_err(|e| Failure::kubernetes(what, e))?;
    let bytes = found.and_then(|secret| secret.data?.remove(PASSWORD));
    Ok(bytes.and_then(|ByteString(bytes)| String::from_utf8(bytes).ok()))
}
