//! Conflicts between apps: if two apps could ever give the same name to something, neither may be used.

use super::{App, Pattern};
use crate::render::{finding::Finding, line_of, template::Lines};

/// A name that only one environment may have.
struct Claim {
    field: &'static str,
    /// Only claims to the same kind of name can conflict.
    thing: Thing,
    pattern: Pattern,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Thing {
    Namespace,
    Host,
    /// The value of `KUBE_APP`. Names of cluster-scoped objects begin with it, and workflow ids have the same form.
    UniqueName,
    AppName,
}

/// The conflicts between the claims of different apps. Each finding has the index of its app, and both apps get one.
pub(super) fn check(apps: &[(App, String, Lines)]) -> Vec<(usize, Finding)> {
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
                let Some(met) = theirs.iter().find(|theirs| meet(ours, theirs)) else { continue };
                let message = format!("can be the same as `{}` of `{}` ({other_label})", met.field, other.app);
                let line = line_of(lines, ours.field).unwrap_or(1);
                findings.push((index, Finding::error(label, line, message).field(ours.field)));
            }
        }
    }
    findings
}

/// The conflicts within one app, as pairs of fields.
pub(super) fn own_meetings(app: &App) -> Vec<(&'static str, &'static str)> {
    let claims = claims(app);
    let mut meetings = Vec::new();
    for (index, claim) in claims.iter().enumerate() {
        // Two claims of one field are not a conflict: preview and production share the app's name.
        let others = claims.iter().skip(index + 1).filter(|other| other.field != claim.field);
        meetings.extend(others.filter(|other| meet(claim, other)).map(|other| (other.field, claim.field)));
    }
    meetings
}

fn meet(left: &Claim, right: &Claim) -> bool {
    left.thing == right.thing && left.pattern.meets(&right.pattern)
}

fn claims(app: &App) -> Vec<Claim> {
    let mut claims = Vec::new();
    let mut claim = |field: &'static str, thing: Thing, text: &str| {
        // An invalid pattern has its own finding.
        if let Ok(pattern) = Pattern::new(text, &app.app) {
            claims.push(Claim { field, thing, pattern });
        }
    };
    claim("app", Thing::AppName, "{app}");
    if let Some(preview) = &app.preview {
        claim("app", Thing::UniqueName, "{app}-pr-{pr}");
        claim("preview.namespace", Thing::Namespace, &preview.namespace);
        claim("preview.host", Thing::Host, &preview.host);
        if let Some(host) = &preview.temporal_ui_host {
            claim("preview.temporal_ui_host", Thing::Host, host);
        }
    }
    if let Some(production) = &app.production {
        claim("app", Thing::UniqueName, "{app}");
        claim("production.namespace", Thing::Namespace, &production.namespace);
        claim("production.host", Thing::Host, &production.host);
        if let Some(host) = &production.temporal_ui_host {
            claim("production.temporal_ui_host", Thing::Host, host);
        }
    }
    claims
}
