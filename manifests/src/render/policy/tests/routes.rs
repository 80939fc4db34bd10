//! Paths and annotations of an Ingress that reach beyond its environment.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn ingress_with_path(path: &str) -> Value {
    let paths = json!([{"path": path, "pathType": "ImplementationSpecific", "backend": {"service": {"name": "web"}}}]);
    object(
        "networking.k8s.io/v1",
        "Ingress",
        json!({"rules": [{"host": "pr-123.example.com", "http": {"paths": paths}}]}),
    )
}

fn annotated(kind: &str, key: &str, value: &str) -> Value {
    let api_version = if kind == "Ingress" { "networking.k8s.io/v1" } else { "v1" };
    named(api_version, kind, json!({"name": "x", "annotations": {key: value}}))
}

#[test]
fn path_that_ends_a_rules_text_is_refused() {
    for path in [
        "/x`) || Host(`shop.example.com",
        "/x\") || Host(\"shop.example.com",
        "/x { proxy_pass http://10.0.0.1; }",
        "/x'",
        "/x\\",
        "/x\n",
        "/x\0",
        "/x<y>",
        "/^x",
        "/é",
        "/{id}",
        "/a b",
    ] {
        for input in [preview_policy(), production_policy()] {
            let mut ingress = ingress_with_path(path);
            ingress["spec"]["rules"][0]["host"] = json!(input.hosts[0]);
            assert_eq!(refused_by(ingress, &input), ["spec.rules[0].http.paths[0].path"], "{path:?}");
        }
    }
    for path in
        ["/", "/api", "/a%20b", "/api/(.*)", "/api(/|$)(.*)", "/v[0-9]+/x?", "/~me/a:b@c,d;e=f!&*", "", "/a_b.c-d"]
    {
        assert_eq!(refused(ingress_with_path(path)), [""; 0], "{path:?}");
    }
}

proptest! {
    #[test]
    fn accepted_path_has_characters_of_a_url_alone(path in any::<String>()) {
        let is_url = path.chars().all(|c| c.is_ascii_alphanumeric() || "-._~%:/?#[]@!$&()*+,;=|".contains(c));
        prop_assert_eq!(refused(ingress_with_path(&path)).is_empty(), is_url);
    }
}

#[test]
fn annotations_that_become_rules_are_refused() {
    for (kind, key) in [
        ("Ingress", "traefik.ingress.kubernetes.io/router.pathmatcher"),
        ("Ingress", "traefik.ingress.kubernetes.io/router.rule"),
        ("Ingress", "traefik.ingress.kubernetes.io/router.rulesyntax"),
        ("Ingress", "traefik.ingress.kubernetes.io/rule-type"),
        ("Ingress", "alb.ingress.kubernetes.io/conditions.web"),
        ("Ingress", "zalando.org/skipper-routes"),
        ("Service", "getambassador.io/config"),
        ("Service", "haproxy.org/route-acl"),
    ] {
        for input in [preview_policy(), production_policy()] {
            let document = annotated(kind, key, "PathPrefix");
            assert_eq!(refused_by(document, &input), [format!("metadata.annotations[{key}]")]);
        }
    }
    for (key, value) in [
        ("traefik.ingress.kubernetes.io/router.entrypoints", "websecure"),
        ("traefik.ingress.kubernetes.io/router.priority", "42"),
        ("traefik.ingress.kubernetes.io/router.tls.domains.0.main", "pr-123.example.com"),
        ("nginx.ingress.kubernetes.io/use-regex", "true"),
        ("nginx.ingress.kubernetes.io/rewrite-target", "/$2"),
    ] {
        assert_eq!(refused(annotated("Ingress", key, value)), [""; 0], "{key}");
    }
    let key = "traefik.ingress.kubernetes.io/router.tls.domains.0.sans";
    let foreign = annotated("Ingress", key, "pr-123.example.com,shop.example.com");
    assert_eq!(refused(foreign), [format!("metadata.annotations[{key}]")]);
}

const URLS: [&str; 5] = [
    "nginx.ingress.kubernetes.io/auth-url",
    "nginx.ingress.kubernetes.io/auth-signin",
    "nginx.ingress.kubernetes.io/mirror-target",
    "haproxy-ingress.github.io/auth-url",
    "nginx.ingress.kubernetes.io/default-backend",
];

/// Whether a preview's and production's Ingress may have the URL, under each annotation.
fn allowed(url: &str) -> (bool, bool) {
    let all = |input: PolicyInput| {
        let found = URLS.map(|key| refused_by(annotated("Ingress", key, url), &input).is_empty());
        assert!(found.iter().all(|one| *one == found[0]), "{url}: {found:?}");
        found[0]
    };
    (all(preview_policy()), all(production_policy()))
}

#[test]
fn preview_url_leads_to_its_own_or_to_a_public_host() {
    for url in [
        "https://auth.acme.org/oauth2/auth",
        "https://auth.acme.org:8443/x?rd=$scheme://$host$request_uri",
        "https://acme.org/",
        "https://mirror.acme.org$request_uri",
        "https://$host/oauth2/start?rd=$escaped_request_uri",
        "https://xn--80ak6aa92e.xn--p1ai/x",
    ] {
        assert_eq!(allowed(url), (true, true), "{url}");
    }
    for url in [
        "http://pr-123.example.com/auth",
        "https://PR-123.example.com./auth",
        "http://auth.pr-123.svc.cluster.local:4180/oauth2/auth",
        "http://auth.pr-123.svc/auth",
        "http://auth.pr-123/auth",
        "svc://pr-123/auth:4180/x",
        "pr-123/auth",
    ] {
        assert!(allowed(url).0, "{url}");
    }
    for own in ["svc://auth:4180/x", "auth"] {
        assert_eq!(allowed(own), (true, true), "{own}");
    }
}

#[test]
fn url_into_the_cluster_is_refused_in_both() {
    for url in [
        "http://auth.shop.svc.cluster.local/x",
        "https://auth.shop.svc",
        "https://AUTH.Shop.SVC.Cluster.Local./x",
        "https://svc.shop.svc:8080",
        "https://pr-123.shop.svc",
        "https://kubernetes.default/api",
        "https://kubernetes.default.svc:443",
        "https://web.pr-124/x",
        "https://web.shop",
        "https://web.kube-system",
        "https://auth/x",
        "http://localhost:8080",
        "https://metadata.google.internal/computeMetadata",
        "svc://shop/web:80/x",
        "shop/web",
        "https://web.shop.svc$request_uri",
    ] {
        assert_eq!(allowed(url), (false, false), "{url}");
    }
}

#[test]
fn url_to_another_app_or_an_address_is_refused_in_previews() {
    for url in [
        "https://shop.example.com/x",
        "https://shop.example.com$request_uri",
        "https://SHOP.example.com./x",
        "https://pr-124.example.com",
        "https://app.example.com:443/",
        "http://auth.acme.org/",
        "//auth.acme.org/",
        "auth.acme.org",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest",
        "https://0x7f000001/",
        "https://[::1]/",
        "https://auth.acme.org@shop.example.com/",
        "https://$arg_to/",
        "https://a$host/",
        "https:///x",
        "https://good.acme.org\\@shop.example.com/",
        "https://auth.acme.org/;} server{",
    ] {
        assert_eq!(allowed(url), (false, true), "{url}");
    }
}
