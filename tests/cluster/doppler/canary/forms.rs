//! Secret values, and each form in which they could leak.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

pub(super) const PLAIN: &str = "canary-51d2e8-plain-value";

/// A value that each encoding changes.
pub(super) const ODD: &str = "canary/7f3a9c \"q\" +&=%\u{e9}\\x";

pub(super) fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

pub(super) fn percent(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

pub(super) fn hexadecimal(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn json_escaped(text: &str) -> String {
    json!(text).to_string().trim_matches('"').to_owned()
}

/// The texts that must not be found, each with its name.
pub(super) fn forms(token: &str) -> Vec<(String, String)> {
    let mut forms = Vec::new();
    for (what, secret) in [("plain", PLAIN), ("odd", ODD), ("token", token)] {
        let hex = hexadecimal(secret);
        let base64_url = base64(secret).replace('+', "-").replace('/', "_");
        // Inside a longer base64 text only its middle can be recognised.
        let shifted = |before: usize| {
            let text = base64(&format!("{}{secret}", "x".repeat(before)));
            text[4..text.len() - 8].to_owned()
        };
        for (form, text) in [
            ("as it is", secret.to_owned()),
            ("JSON", json_escaped(secret)),
            ("JSON in JSON", json_escaped(&json_escaped(secret))),
            ("percent", percent(secret)),
            ("hex", hex.clone()),
            ("HEX", hex.to_uppercase()),
            ("base64", base64(secret).trim_end_matches('=').to_owned()),
            ("base64url", base64_url.trim_end_matches('=').to_owned()),
            ("base64 + 1", shifted(1)),
            ("base64 + 2", shifted(2)),
        ] {
            forms.push((format!("{what}, {form}"), text));
        }
    }
    forms
}
