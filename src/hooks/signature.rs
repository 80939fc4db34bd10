//! GitHub's signature of a webhook: HMAC-SHA256 of the raw body, with a shared secret.

use std::path::Path;

use anyhow::{Context, ensure};
use ring::hmac;
use subtle::ConstantTimeEq;

/// The length of the shortest secret, in bytes. A shorter one could be guessed from one webhook.
const MIN_SECRET: usize = 16;
/// The most secrets. Two are enough while one is replaced.
const MAX_SECRETS: usize = 4;

/// The secrets of the webhook. One of them must have signed.
#[derive(Default)]
pub(super) struct Secrets(Vec<hmac::Key>);

impl Secrets {
    /// Reads a file of secrets, one per line.
    ///
    /// # Errors
    /// The file cannot be read, or a secret is too short. The error repeats none.
    pub(super) fn read(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        Self::parse(&text).with_context(|| format!("reading webhook secrets from {}", file.display()))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        ensure!((1..=MAX_SECRETS).contains(&lines.len()), "expected 1 to {MAX_SECRETS} lines, got {}", lines.len());
        ensure!(lines.iter().all(|line| line.len() >= MIN_SECRET), "a secret has less than {MIN_SECRET} characters");
        Ok(Self(lines.into_iter().map(|line| hmac::Key::new(hmac::HMAC_SHA256, line.as_bytes())).collect()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of the secrets has signed the body. The comparison takes the same time for every signature.
    pub(super) fn verify<'a, I: Iterator<Item = &'a [u8]>>(&self, body: impl Fn() -> I, signature: &[u8; 32]) -> bool {
        self.0.iter().any(|key| {
            let mut context = hmac::Context::with_key(key);
            body().for_each(|block| context.update(block));
            context.sign().as_ref().ct_eq(signature).into()
        })
    }
}

/// Reads the header `X-Hub-Signature-256`: `sha256=` and 64 hexadecimal digits.
pub(super) fn parse(header: &str) -> Option<[u8; 32]> {
    let hex = header.strip_prefix("sha256=")?;
    if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut signature = [0; 32];
    for (byte, at) in signature.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&hex[at..at + 2], 16).ok()?;
    }
    Some(signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of GitHub's documentation.
    const SECRET: &str = "It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    const SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    #[test]
    fn signature_of_githubs_example_holds() {
        let secrets = Secrets::parse(&format!("an older secret of 2025\n{SECRET}\n")).unwrap();
        let signature = parse(SIGNATURE).unwrap();
        let holds = |secrets: &Secrets, body: &[u8]| secrets.verify(|| body.chunks(5), &signature);
        assert!(holds(&secrets, BODY));
        assert!(!holds(&secrets, b"Hello, World?"));
        assert!(!holds(&Secrets::parse("another secret of 2026").unwrap(), BODY));
    }

    #[test]
    fn malformed_signature_is_none() {
        for text in ["", "sha256=", "sha1=757107ea", &SIGNATURE[7..], &format!("{SIGNATURE}0"), "sha256=\u{e9}"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&format!("sha256={}", "g".repeat(64))), None);
    }

    #[test]
    fn short_or_missing_secret_is_refused() {
        for text in ["", "\n", "hunter2", &format!("{SECRET}\nhunter2"), &format!("{SECRET}\n").repeat(5)] {
            let error = Secrets::parse(text).err().unwrap().to_string();
            assert!(!error.contains("hunter2") && !error.contains(SECRET), "{error}");
        }
    }
}
