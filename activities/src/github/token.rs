//! The App's own token, and the tokens of its installations.

use std::{path::Path, time::Duration};

use anyhow::Context as _;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{jwt, unix_time::unix_time};

/// How long an installation's token is used. GitHub's ends after an hour, and a request may take its time.
pub(super) const KEPT: Duration = Duration::from_secs(55 * 60);
/// How far the clock may be ahead of GitHub's, in seconds.
const LEEWAY: u64 = 60;
/// How long the App's own token holds, in seconds. GitHub takes ten minutes at most, and clocks differ.
const HOLDS: u64 = 480;

/// The App's id and private key. Not `Debug`.
pub(super) struct AppKey {
    pub(super) id: u64,
    key: EncodingKey,
}

#[derive(Serialize)]
struct Claims {
    iat: u64,
    exp: u64,
    iss: String,
}

impl AppKey {
    /// Reads the key as GitHub hands it out: PKCS#1 as PEM.
    ///
    /// # Errors
    /// The file cannot be read, or is no such key.
    pub(super) fn read(id: u64, file: &Path) -> anyhow::Result<Self> {
        jwt::install_provider();
        let shown = file.display();
        let pem = std::fs::read(file).with_context(|| format!("reading {shown} (--github-key-file)"))?;
        let wrong = || format!("{shown} is not the private key that GitHub hands out for an App (RSA, PKCS#1 as PEM)");
        // A parser's message might quote the key.
        let Ok(PrivateKeyDer::Pkcs1(der)) = PrivateKeyDer::from_pem_slice(&pem) else { anyhow::bail!(wrong()) };
        let app = Self { id, key: EncodingKey::from_rsa_der(der.secret_pkcs1_der()) };
        app.token().with_context(wrong)?;
        Ok(app)
    }

    /// Signs a token of the App itself.
    ///
    /// # Errors
    /// The key does not sign.
    pub(super) fn token(&self) -> anyhow::Result<String> {
        let now = unix_time().as_secs();
        let claims = Claims { iat: now.saturating_sub(LEEWAY), exp: now + HOLDS, iss: self.id.to_string() };
        encode(&Header::new(Algorithm::RS256), &claims, &self.key).context("signing the token of the GitHub App")
    }
}

/// A token of an installation. Not `Debug`.
#[derive(Clone)]
pub(super) struct InstallationToken {
    pub(super) secret: String,
    /// The id of the installation.
    pub(super) installation: u64,
    pub(super) asked: Instant,
}

impl InstallationToken {
    pub(super) fn is_fresh(&self) -> bool {
        self.asked.elapsed() < KEPT
    }
}

/// GitHub's answer with a token. Not `Debug`.
#[derive(Deserialize)]
pub(super) struct NewToken {
    pub(super) token: String,
}
