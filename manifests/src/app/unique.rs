//! Conflicts between apps: if two apps could ever give the same name to something, neither may be used.

use super::{App, Pattern};
use crate::render::{finding::Finding, line_of, template::Lines};

/// The names that the environments of a folder's apps can have. A preview's have a placeholder for its number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownNames {
    /// The hosts.
    pub hosts: Vec<Pattern>,
    /// The namespaces.
    pub namespaces: Vec<Pattern>,
}

impl KnownNames {
    /// Whether an environment can have this host.
    pub fn has_host(&self, host: &str) -> bool {
        has(&self.hosts, host)
    }

    /// Whether an environment can have this namespace.
    pub fn has_namespace(&self, namespace: &str) -> bool {
        has(&self.namespaces, namespace)
    }
}

fn has(known: &[Pattern], name: &str) -> bool {
    Pattern::new(name, "").is_ok_and(|name| known.iter().any(|known| known.conflicts_with(&name)))
}

/// The names of all apps.
pub(super) fn known_names<'a>(apps: impl Iterator<Item = &'a App>) -> KnownNames {
    let mut known = KnownNames::default();
    for claim in apps.flat_map(claims) {
        match claim.kind {
            ClaimKind::Host => known.hosts.push(claim.pattern),
            ClaimKind::Namespace => known.namespaces.push(claim.pattern),
            ClaimKind::UniqueName | ClaimKind::AppName => {}
        }
    }
    known
}

/// A name that only one environment may have.
struct Claim {
    field: &'static str,
    /// Only claims to the same kind of name can conflict.
    kind: ClaimKind,
    pattern: Pattern,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ClaimKind {
    Namespace,
    Host,
    /// The value of `KUBE_APP`. Names of cluster-scoped objects begin with it, and workflow ids have the same form.
    UniqueName,
    AppName,
}

/// The conflicts between the claims of different apps. Each finding has the index of its app, and both apps get one.
pub(super) fn conflicts_between(apps: &[(App, String, Lines)]) -> Vec<(usize, Finding)> {
    let claims: Vec<Vec<Claim>> = apps.iter().map(|(app, _, _)| claims(app)).collect();
    let mut findings = Vec::new();
    for (index, (_, label, lines)) in apps.iter().enumerate() {
        for (other_index, (other, other_label, _)) in apps.iter().enumerate() {
            if index == other_index {
                continue;
            }
            let (Some(ours), Some(theirs)) = (claims.get(index), claims.get(other_index)) else {
                continue;
            };
            for ours in ours {
                let Some(other_claim) = theirs.iter().find(|theirs| claims_conflict(ours, theirs)) else { continue };
                let message = format!(
                    "conflicts with `{}` of `{}` ({other_label}): both can become the same name",
                    other_claim.field, other.app
                );
                let line = line_of(lines, ours.field).unwrap_or(1);
                findings.push((index, Finding::error(label, line, message).field(ours.field)));
            }
        }
    }
    findings
}

/// The conflicts within one app, as pairs of fields.
pub(super) fn conflicts_within(app: &App) -> Vec<(&'static str, &'static str)> {
    let claims = claims(app);
    let mut conflicts = Vec::new();
    for (index, claim) in claims.iter().enumerate() {
        // Two claims of one field are not a conflict: preview and production share the app's name.
        let others = claims.iter().skip(index + 1).filter(|other| other.field != claim.field);
        conflicts.extend(others.filter(|other| claims_conflict(claim, other)).map(|other| (other.field, claim.field)));
    }
    conflicts
}

fn claims_conflict(left: &Claim, right: &Claim) -> bool {
    left.kind == right.kind && left.pattern.conflicts_with(&right.pattern)
}

fn claims(app: &App) -> Vec<Claim> {
    let mut claims = Vec::new();
    let mut claim = |field: &'static str, kind: ClaimKind, text: &str| {
        // An invalid pattern has its own finding.
        if let Ok(pattern) = Pattern::new(text, &app.app) {
            claims.push(Claim { field, kind, pattern });
        }
    };
    claim("app", ClaimKind::AppName, "{app}");
    if let Some(preview) = &app.preview {
        claim("app", ClaimKind::UniqueName, "{app}-pr-{pr}");
        claim("preview.namespace", ClaimKind::Namespace, &preview.namespace);
        claim("preview.host", ClaimKind::Host, &preview.host);
        if let Some(host) = &preview.temporal_ui_host {
            claim("preview.temporal_ui_host", ClaimKind::Host, host);
        }
    }
    if let Some(production) = &app.production {
        claim("app", ClaimKind::UniqueName, "{app}");
        claim("production.namespace", ClaimKind::Namespace, &production.namespace);
        claim("production.host", ClaimKind::Host, &production.host);
        if let Some(host) = &production.temporal_ui_host {
            claim("production.temporal_ui_host", ClaimKind::Host, host);
        }
    }
    claims
}
