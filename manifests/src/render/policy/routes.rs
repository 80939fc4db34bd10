//! Rules for an Ingress's paths, and for annotations that an ingress controller turns into rules or connections.
//!
//! A controller may build a rule from text: Traefik writes a path between backticks, ingress-nginx between quotes. A character
//! that ends the text would add a rule for another host.

use super::{
    ObjectReport,
    targets::{self, Target},
};
use crate::render::stamp::string_entries;

/// Characters of a path besides letters and digits: those of RFC 3986 but the apostrophe, which is a quote. `|` is in the path
/// `/x(/|$)(.*)`, which ingress-nginx documents, and ends no text.
const PATH: &str = "-._~%:/?#[]@!$&()*+,;=|";

/// Annotations that become a part of a rule's text. The second is Traefik 1's.
const RULES: [&str; 2] = ["traefik.ingress.kubernetes.io/router.rule", "traefik.ingress.kubernetes.io/rule-type"];
const MATCHER: &str = "router.pathmatcher";
/// Annotations with rules of their own, in which any host can stand: conditions of the AWS controller, mappings of Ambassador, the
/// ACL of `HAProxy` Technologies' controller, and routes of Skipper.
const WHOLE_RULES: [&str; 4] = [
    "alb.ingress.kubernetes.io/conditions.",
    "getambassador.io/config",
    "haproxy.org/route-acl",
    "zalando.org/skipper-routes",
];

/// Annotations that make the controller connect to a URL, or send the client there.
const URLS: [&str; 3] = ["auth-url", "auth-signin", "mirror-target"];

/// Checks a path of an Ingress.
pub(super) fn check_path(report: &mut ObjectReport<'_>, field: &str, path: &str) {
    if let Some(wrong) = path.chars().find(|c| !is_of(*c, PATH)) {
        let message = format!(
            "has {}, which could end the text of a controller's rule and add a rule for another host. A path has letters, \
             digits and {PATH}",
            shown(wrong)
        );
        report.refuse(field, message);
    }
}

/// Checks the annotations of an Ingress or a Service.
pub(super) fn check_annotations(report: &mut ObjectReport<'_>) {
    if !matches!(report.object.kind(), "Ingress" | "Service") {
        return;
    }
    let object = report.object;
    for (field, key, value) in string_entries(object, "annotations") {
        let name = key.rsplit('/').next().unwrap_or(key);
        let is_rule = name == MATCHER || RULES.iter().any(|prefix| key.starts_with(prefix));
        if is_rule || WHOLE_RULES.iter().any(|prefix| key.starts_with(prefix)) {
            report.refuse(&field, "becomes text of the ingress controller's rules, which could take another host");
        }
        if URLS.contains(&name) || name.ends_with("-backend") {
            check_url(report, &field, value.trim());
        }
    }
}

fn check_url(report: &mut ObjectReport<'_>, field: &str, url: &str) {
    if url.is_empty() {
        return;
    }
    if let Some(wrong) = url.chars().find(|c| !is_of(*c, PATH) || *c == '|') {
        report.refuse_in_preview(field, format!("has {}, which is in no URL", shown(wrong)));
    }
    let host = match targets::from_url(url, report.input) {
        Target::Own | Target::Outside { is_encrypted: true } => return,
        Target::Cluster(host) => {
            let message = format!(
                "leads to `{host}`, which is in the cluster and outside of `{}`; a Service of this environment is \
                 NAME.{0}.svc.cluster.local",
                report.input.namespace
            );
            return report.refuse(field, message);
        }
        _ if !report.is_preview() => return,
        Target::App(host) => format!("leads to `{host}`, a host of another environment"),
        Target::Outside { is_encrypted: false } => "leads out of the environment without https".to_owned(),
        Target::Unclear(host) => format!("leads to `{host}`, which is not the name of a host"),
    };
    let hosts = report.input.hosts.join(", ");
    let allowed = format!("a preview's hosts and Services are allowed ({hosts}), and an https host that no app has");
    report.refuse(field, format!("{host}: {allowed}"));
}

fn is_of(c: char, others: &str) -> bool {
    c.is_ascii_alphanumeric() || others.contains(c)
}

/// A character in a message.
fn shown(c: char) -> String {
    match c {
        '`' => "a backtick".to_owned(),
        ' ' => "a space".to_owned(),
        c if c.is_control() => format!("the character {}", c.escape_default()),
        c => format!("`{c}`"),
    }
}
