//! The Secret of berth's namespace with Doppler's token. It is read only when a request is made.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;

use berth_manifests::app::DopplerConfig;
use berth_workflows::contract::verdict::{FailureType, Verdict};

use crate::{context::Context, failure::Failure, secrets::doppler::Token};

/// The key of the token, as Doppler's own operator names it.
const KEY: &str = "serviceToken";

/// Reads the token of a config.
///
/// # Errors
/// `SecretsDenied`, permanent, with the command that creates the Secret: it does not exist, or it has no token that
/// berth accepts.
pub(super) async fn read(context: Context<'_>, config: &DopplerConfig) -> Result<Token, Failure> {
    let (name, namespace) = (&config.token.secret, &context.settings.berth_namespace);
    let api: Api<Secret> = Api::namespaced(context.client.clone(), namespace);
    let what = format!("Doppler token Secret {name} of namespace {namespace}");
    let found = api.get_opt(name).await.map_err(|e| Failure::kubernetes(&what, e))?;
    let denied = |why: String| {
        let create = format!("kubectl create secret generic {name} -n {namespace} --from-literal={KEY}=dp.st.…");
        Failure::from(Verdict::new(FailureType::SecretsDenied, format!("{what}: {why}")).advise(create))
    };
    let found = found.ok_or_else(|| denied("it does not exist".to_owned()))?;
    let data = found.data.unwrap_or_default();
    let token = data.get(KEY).ok_or_else(|| denied(format!("it has no key {KEY}")))?;
    let token = std::str::from_utf8(&token.0).map_err(|_| denied(format!("its key {KEY} is not text")))?;
    Token::new(token).map_err(denied)
}
