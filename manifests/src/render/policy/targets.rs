//! The target of a URL in an annotation, seen from an environment. Pure.

use super::PolicyInput;

/// The target of a URL.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A host or a Service of the environment.
    Own,
    /// Something in the cluster that is not the environment's.
    Cluster(String),
    /// A host of an app's environment, but not of this one.
    App(String),
    /// A host outside of the cluster.
    Outside { is_encrypted: bool },
    /// Neither a name nor a variable for the request's own host.
    Unclear(String),
}

/// Variables of ingress-nginx for the host of the request, which is one of the Ingress.
const REQUESTED_HOST: [&str; 3] = ["$host", "$http_host", "$server_name"];
/// Variables of ingress-nginx for the path of the request. They begin with a slash.
const REQUESTED_PATH: [&str; 2] = ["$request_uri", "$uri"];
/// Last labels of names that are never public.
const PRIVATE: [&str; 5] = ["svc", "local", "internal", "localhost", "default"];

/// Returns the target of a URL, of a `namespace/service`, or of a Service's name alone.
pub(super) fn from_url(url: &str, input: &PolicyInput) -> Target {
    match url.split_once("://") {
        Some(("svc", rest)) => from_service(rest, input),
        Some((scheme, rest)) => from_authority(authority(rest), scheme.eq_ignore_ascii_case("https"), input),
        None if url.contains(['.', ':']) || url.starts_with('/') => from_authority(authority(url), false, input),
        None => from_service(url, input),
    }
}

/// Returns the target of `service`, `service:port/path`, `namespace/service` or `namespace/service:port/path`.
fn from_service(text: &str, input: &PolicyInput) -> Target {
    let (first, rest) = text.split_once('/').unwrap_or((text, ""));
    let names_namespace = !first.contains(':') && !rest.is_empty();
    if names_namespace && first != input.namespace { Target::Cluster(text.to_owned()) } else { Target::Own }
}

/// Returns the part of a URL behind its scheme that names the host.
fn authority(rest: &str) -> &str {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = rest.get(..end).unwrap_or(rest);
    REQUESTED_PATH.iter().find_map(|path| authority.strip_suffix(path)).unwrap_or(authority)
}

fn from_authority(authority: &str, is_encrypted: bool, input: &PolicyInput) -> Target {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    if REQUESTED_HOST.contains(&host.as_str()) || input.hosts.contains(&host) {
        return Target::Own;
    }
    let labels: Vec<&str> = host.split('.').collect();
    let is_label = |label: &&str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    let is_address = labels.last().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_digit()));
    if !labels.iter().all(is_label) || is_address {
        return Target::Unclear(host);
    }
    if let Some(is_own) = in_cluster(&labels, input) {
        return if is_own { Target::Own } else { Target::Cluster(host) };
    }
    if input.known.has_host(&host) { Target::App(host) } else { Target::Outside { is_encrypted } }
}

/// Returns whether a name of the cluster is in the environment's namespace; `None` for a public name.
///
/// A controller's pod completes short names, so that `service` and `service.namespace` are names of the cluster too. No public
/// name ends with a label that has a hyphen, except in Punycode.
fn in_cluster(labels: &[&str], input: &PolicyInput) -> Option<bool> {
    let own = input.namespace.as_str();
    if let Some(position) = labels.iter().skip(1).position(|label| *label == "svc").map(|position| position + 1) {
        let is_end = matches!(labels.get(position + 1..), Some([] | ["cluster", "local"]));
        if is_end {
            return Some(position >= 2 && labels.get(position - 1) == Some(&own));
        }
    }
    let last = labels.last()?;
    if let [_, namespace] = labels {
        if *namespace == own {
            return Some(true);
        }
        if input.known.has_namespace(namespace)
            || last.bytes().any(|byte| byte == b'-' || byte.is_ascii_digit()) && !last.starts_with("xn--")
        {
            return Some(false);
        }
    }
    (labels.len() == 1 || PRIVATE.contains(last)).then_some(false)
}
