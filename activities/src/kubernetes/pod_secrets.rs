//! The Secrets that a pod reads.

use k8s_openapi::api::core::v1::PodSpec;

/// A Secret that a pod reads: one key, all keys, or a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecretReference {
    pub(crate) name: String,
    /// True if the pod starts without it.
    pub(crate) optional: bool,
}

/// Returns every reference to a Secret in the order of the spec, duplicates included.
pub(crate) fn secret_references(spec: &PodSpec) -> impl Iterator<Item = SecretReference> {
    let reference = |name: &str, optional: Option<bool>| SecretReference {
        name: name.to_owned(),
        optional: optional == Some(true),
    };
    let containers = || spec.init_containers.iter().flatten().chain(&spec.containers);
    let keys = containers().flat_map(|container| container.env.iter().flatten());
    let keys = keys.filter_map(move |env| {
        let key = env.value_from.as_ref()?.secret_key_ref.as_ref()?;
        Some(reference(&key.name, key.optional))
    });
    let whole = containers().flat_map(|container| container.env_from.iter().flatten());
    let whole = whole.filter_map(move |from| {
        let secret = from.secret_ref.as_ref()?;
        Some(reference(&secret.name, secret.optional))
    });
    let volumes = spec.volumes.iter().flatten();
    let mounted = volumes.clone().filter_map(move |volume| {
        let secret = volume.secret.as_ref()?;
        Some(reference(secret.secret_name.as_ref()?, secret.optional))
    });
    let projected = volumes.filter_map(|volume| volume.projected.as_ref()?.sources.as_ref()).flatten();
    let projected = projected.filter_map(move |source| {
        let secret = source.secret.as_ref()?;
        Some(reference(&secret.name, secret.optional))
    });
    keys.chain(whole).chain(mounted).chain(projected)
}
