//! Gates that ask through a real ingress controller.

use crate::{Environment, verdict};

/// Gates on the page and on temporal-ui, which has a host of its own.
fn gates(text: &str) -> String {
    format!(
        "  gates:\n    - {{ name: page, deadline: 20s, http: {{ through: ingress, path: /, body: '{text}' }} }}\n    \
         - {{ name: temporal-ui, http: {{ through: ingress, host: $KUBE_INGRESS_WORKER_HOSTNAME, path: /healthz }} }}\n"
    )
}

#[test]
fn gate_through_the_ingress_passes_and_fails_with_the_page() {
    let mut environment = Environment::with_lines(511, &gates("id=\"root\""));
    environment.live('1', "full-v1");

    environment.set_lines(&gates("another page"));
    let other = verdict("a page without the text", &environment.redeploy());
    assert_eq!(other["failure"], "GateFailed");
    let message = other["message"].as_str().unwrap();
    let expected = "gate page: GET http://pr-511.localhost/ through the ingress controller by Ingress web-pr-511-web: answered \
        200, expected a body with \"another page\"";
    assert!(message.starts_with(expected), "{message}");
    assert_eq!(other["workload"], "Deployment/web-pr-511-web", "{other}");

    // Where port 80 of this machine was taken, the published address has no such port.
    if environment.berth.lab.ingress().port() == 80 {
        environment.set_lines(&gates("id=\"root\""));
        environment.forget_ingress_address();
        let status = environment.redeploy();
        assert_eq!(status["phase"], "Live", "the address is in the Ingress's status: {status}");
        println!("the gate took the address from the Ingress's status");
    }
    assert_eq!(environment.berth.preview("close", &[]).code, 0);
}
