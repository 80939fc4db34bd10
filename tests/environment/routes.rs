//! Paths of a preview's Ingress on a real Traefik, which builds the text of a rule from each.

use std::fs;

use berth_lab::Lab;
use berth_test_support::{Berth, until};
use tempfile::TempDir;

use crate::{BERTH, places::Places};

const HOST: &str = "routes-pr-516.localhost";
/// A host without a route, which stands for another environment's.
const OTHER: &str = "another.localhost";
/// Traefik's answer where no route leads.
const NO_ROUTE: &str = "404 page not found";

const WEB: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: $KUBE_DEPLOYMENT_IMAGE@$KUBE_DEPLOYMENT_DIGEST
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {path: /api/health, port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
";

/// An Ingress with these paths and this annotation.
fn ingress(host: &str, paths: &[&str], annotation: &str) -> String {
    let backend = "backend: {service: {name: web, port: {name: http}}}";
    let path = |path: &&str| format!("\n      - {{path: \"{path}\", pathType: ImplementationSpecific, {backend}}}");
    let paths: String = paths.iter().map(path).collect();
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: web, annotations: {{{annotation}}}}}\nspec:\n  rules:\n  \
         - host: {host}\n    http:\n      paths:{paths}\n"
    )
}

fn write(apps: &TempDir, ingress: &str) {
    fs::write(apps.path().join("routes/core/ingress.yaml"), ingress).unwrap();
}

/// Whether a request for the host and path reaches a pod.
fn reaches(lab: &Lab, host: &str, path: &str) -> bool {
    lab.get(host, path).is_ok_and(|(_, body)| body.trim() != NO_ROUTE)
}

#[test]
fn accepted_paths_take_no_other_hosts_requests_on_traefik() {
    let _places = Places::take(1);
    let (lab, apps) = (Lab::full().unwrap(), tempfile::tempdir().unwrap());
    let app = format!(
        "app: routes\nrepository: acme/routes\nimages: [\"{}/acme/web\"]\nmanifests: ./routes\npreview:\n  namespace: \
         routes-pr-{{pr}}\n  host: routes-pr-{{pr}}.localhost\n",
        lab.registry()
    );
    fs::create_dir_all(apps.path().join("routes/core")).unwrap();
    fs::write(apps.path().join("routes.yaml"), app).unwrap();
    fs::write(apps.path().join("routes/core/web.yaml"), WEB).unwrap();
    let berth = Berth::on(lab.clone(), BERTH, ("routes", 516), |worker| {
        worker.env("BERTH_APPS", apps.path());
    });

    // Refused: what ends the text of the rule, and what makes it another matcher.
    let backtick = "/x`) || Host(`another.localhost";
    let matcher = "traefik.ingress.kubernetes.io/router.pathmatcher: PathRegexp";
    for (paths, annotation, part) in [(backtick, "", "has a backtick"), ("/x", matcher, "could take another host")] {
        write(&apps, &ingress("$KUBE_INGRESS_HOSTNAME", &[paths], annotation));
        let refused = berth.push('1', &lab.image("v1"), &[]);
        let verdict = &refused.json["verdict"];
        println!("{} {}", verdict["failure"], verdict["message"]);
        assert!(verdict["message"].to_string().contains(part), "{refused:?}");
    }

    // Accepted: each character that a path may have.
    let accepted =
        ["/", "/a)||Host(another.localhost)||Path(", "/(.*)", "/b|/", "/c$1&&#d", "/e%60)f", "/-._~:@!&*+,;=[]?"];
    write(&apps, &ingress("$KUBE_INGRESS_HOSTNAME", &accepted, ""));
    let live = berth.push('2', &lab.image("v1"), &[]);
    assert_eq!(live.json["outcome"], "live", "{live:?}");
    until("Traefik has its routes", || reaches(&lab, HOST, "/"));
    for path in ["/", "/api/health"] {
        assert!(!reaches(&lab, OTHER, path), "{path}");
        assert!(reaches(&lab, HOST, path), "{path}");
    }

    // A route that does take the other host is seen.
    let by_hand = apps.path().join("by-hand.yaml");
    fs::write(&by_hand, ingress(OTHER, &["/"], "").replace("name: web, ann", "name: by-hand, ann")).unwrap();
    berth.kubectl(&["apply", "-n", "routes-pr-516", "-f", &by_hand.display().to_string()]);
    until("an Ingress by hand takes the other host", || reaches(&lab, OTHER, "/"));
    assert_eq!(berth.preview("close", &[]).code, 0);
}
