//! Images that cannot be pulled, and the registry answers that are final.

use std::time::Duration;

use super::{PASSING, SECOND_LOOK};

/// The time to the kubelet's next pull, which may have the pull secret. It retries after ten seconds.
const NEXT_PULL: Duration = Duration::from_secs(15);

/// Signs of a registry or network that may answer differently in a moment.
const PASSING_SIGNS: [&str; 14] = [
    "no such host",
    "server misbehaving",
    "i/o timeout",
    "deadline exceeded",
    "timed out",
    "timeout",
    "connection refused",
    "connection reset",
    "unexpected eof",
    "too many requests",
    "toomanyrequests",
    "internal server error",
    "bad gateway",
    "service unavailable",
];

/// Signs of a final answer.
const FINAL_SIGNS: [&str; 7] = [
    "not found",
    "manifest unknown",
    "name unknown",
    "does not exist",
    "no match for platform",
    "no matching manifest",
    "invalid reference format",
];

/// Signs of an answer that is final for the same credentials.
const DENIED_SIGNS: [&str; 5] =
    ["unauthorized", "denied", "forbidden", "insufficient_scope", "no basic auth credentials"];

/// Returns the time that a failing pull gets. `as_nobody` means that it was made without the pull secret.
///
/// The image's own name and quoted text are ignored: a repository may be called `access-denied`.
pub(super) fn patience(message: &str, image: &str, as_nobody: bool) -> Duration {
    let text = without_quoted(&message.replace(repository(image), "")).to_lowercase();
    let has = |signs: &[&str]| signs.iter().any(|sign| text.contains(sign));
    let denied = has(&DENIED_SIGNS);
    if has(&PASSING_SIGNS) {
        PASSING
    } else if denied && as_nobody {
        NEXT_PULL
    } else if denied || has(&FINAL_SIGNS) {
        SECOND_LOOK
    } else {
        PASSING
    }
}

/// Returns whether the message has a reason. `ImagePullBackOff` of an older kubelet has none.
pub(super) fn says_why(message: &str, image: &str) -> bool {
    !without_quoted(&message.replace(repository(image), "")).trim().is_empty()
        && !message.trim_end().ends_with(&format!("Back-off pulling image \"{image}\""))
}

/// Returns the registry's answer, without the prefixes of kubelet and runtime. The same cause has the same text in
/// every state.
pub(super) fn first_cause<'a>(message: &'a str, image: &str) -> &'a str {
    let mut cause = message.trim();
    let prefixes = [format!("Back-off pulling image \"{image}\": "), format!("Failed to pull image \"{image}\": ")];
    let prefixes = prefixes.iter().map(String::as_str).chain(["ErrImagePull: ", "rpc error: code = "]);
    for prefix in prefixes {
        cause = cause.strip_prefix(prefix).unwrap_or(cause);
    }
    // The text after `NotFound desc = …` of an `rpc error`.
    match cause.split_once(" desc = ") {
        Some((code, rest)) if code.chars().all(char::is_alphanumeric) => rest,
        _ => cause,
    }
}

fn repository(image: &str) -> &str {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    let path_start = name.rfind('/').map_or(0, |slash| slash + 1);
    let name = name[path_start..].find(':').map_or(name, |colon| &name[..path_start + colon]);
    if name.is_empty() { image } else { name }
}

fn without_quoted(text: &str) -> String {
    text.split('"').step_by(2).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registrys_refusal_is_final_and_its_silence_is_not() {
        let image = "registry.example.com/acme/web:1@sha256:00";
        for (message, expected) in [
            (
                r#"rpc error: code = NotFound desc = failed to pull and unpack image "registry.example.com/acme/web@sha256:00": failed to resolve reference "registry.example.com/acme/web@sha256:00": registry.example.com/acme/web@sha256:00: not found"#,
                SECOND_LOOK,
            ),
            (
                "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed",
                SECOND_LOOK,
            ),
            ("unexpected status from HEAD request: 401 Unauthorized", SECOND_LOOK),
            ("dial tcp: lookup registry.example.com on 10.96.0.10:53: no such host", PASSING),
            ("unexpected status code: 429 Too Many Requests: toomanyrequests: access denied for now", PASSING),
            ("dial tcp 10.0.0.1:443: i/o timeout", PASSING),
            ("something nobody has seen before", PASSING),
        ] {
            assert_eq!(patience(message, image, false), expected, "{message}");
        }
    }

    #[test]
    fn a_refusal_without_the_pull_secret_gets_another_pull() {
        let denied = "pull access denied, repository does not exist or may require authorization";
        assert_eq!(patience(denied, "acme/web:1", true), NEXT_PULL);
        assert_eq!(patience("401 Unauthorized", "acme/web:1", true), NEXT_PULL);
        assert_eq!(patience("acme/web:1: not found", "acme/web:1", true), SECOND_LOOK);
        assert_eq!(patience("401 Unauthorized: i/o timeout", "acme/web:1", true), PASSING);
    }

    #[test]
    fn signs_in_the_images_name_are_ignored() {
        let image = "registry.example.com:5000/acme/access-denied:1";
        let message = "failed to resolve registry.example.com:5000/acme/access-denied:1: connection reset by peer";
        assert_eq!(patience(message, image, false), PASSING);
        assert_eq!(patience("registry.example.com:5000/acme/access-denied:1: odd", image, false), PASSING);
    }

    #[test]
    fn a_registrys_answer_has_the_same_text_in_every_state() {
        let image = "registry.example.com/acme/web:1@sha256:00";
        let cause = "failed to pull and unpack image \"registry.example.com/acme/web@sha256:00\": not found";
        for before in [
            "",
            "rpc error: code = NotFound desc = ",
            "Back-off pulling image \"registry.example.com/acme/web:1@sha256:00\": ErrImagePull: rpc error: code = NotFound desc = ",
            "Failed to pull image \"registry.example.com/acme/web:1@sha256:00\": rpc error: code = NotFound desc = ",
        ] {
            assert_eq!(first_cause(&format!("{before}{cause}"), image), cause);
        }
    }

    #[test]
    fn a_bare_back_off_has_no_reason() {
        assert!(!says_why(r#"Back-off pulling image "acme/web:1""#, "acme/web:1"));
        assert!(says_why(r#"Back-off pulling image "acme/web:1": ErrImagePull: rpc error: not found"#, "acme/web:1"));
    }
}
