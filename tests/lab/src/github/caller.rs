//! The sender of a request, their permissions, and the repository that it is about.

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    extract::{FromRequestParts, Path, Query},
    http::{
        HeaderMap, Method, StatusCode,
        header::{AUTHORIZATION, HOST},
        request::Parts,
    },
};
use serde_json::Value;

use super::{Github, answers::Refusal, apps::Token, clock, repositories::Repository, state::State};

/// GitHub's limit for an App's own token, and its leeway for clocks that differ.
const LONGEST_SECONDS: u64 = 600;
const LEEWAY_SECONDS: u64 = 60;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Caller {
    /// The App itself, by a token that it signed.
    App,
    Installation {
        permissions: BTreeMap<String, String>,
        repositories: BTreeSet<u64>,
    },
    Person(String),
    Nobody,
}

impl Caller {
    pub(super) fn of(state: &State, headers: &HeaderMap) -> Result<Self, Refusal> {
        let Some(token) = token(headers) else { return Ok(Self::Nobody) };
        if token.matches('.').count() == 2 {
            return of_app(state, &token).map(|()| Self::App);
        }
        match state.tokens.get(&token).ok_or_else(Refusal::bad_credentials)? {
            Token::Person(login) => Ok(Self::Person(login.clone())),
            Token::Installation { ends, .. } if *ends <= state.clock.seconds() => Err(Refusal::bad_credentials()),
            Token::Installation { permissions, repositories, .. } => Ok(Self::Installation {
                permissions: permissions.clone(),
                repositories: repositories.intersection(&state.app.repositories).copied().collect(),
            }),
        }
    }

    /// The name under which requests are counted: one for all tokens of the installation.
    pub(super) fn account(&self) -> &str {
        match self {
            Self::App => "app",
            Self::Installation { .. } => "installation",
            Self::Person(login) => login,
            Self::Nobody => "nobody",
        }
    }

    pub(super) fn needs_app(&self) -> Result<(), Refusal> {
        match self {
            Self::App => Ok(()),
            _ => Err(Refusal::new(StatusCode::UNAUTHORIZED, "A JSON web token could not be decoded")),
        }
    }
}

impl FromRequestParts<Github> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, github: &Github) -> Result<Self, Refusal> {
        Self::of(&github.state(), &parts.headers)
    }
}

/// Reads a token from `Bearer x` or `token x`.
fn token(headers: &HeaderMap) -> Option<String> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let is_known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
    is_known.then(|| token.trim().to_owned())
}

/// Checks the token that an App signs itself.
fn of_app(state: &State, token: &str) -> Result<(), Refusal> {
    let refused = |message: &str| Err(Refusal::new(StatusCode::UNAUTHORIZED, message));
    let Some(claims) = state.app.key.verify(token) else {
        return refused("A JSON web token could not be decoded");
    };
    let now = clock::machine().as_secs();
    let issuer = match &claims["iss"] {
        Value::Number(id) => id.to_string(),
        issuer => issuer.as_str().unwrap_or_default().to_owned(),
    };
    if issuer != state.app.id.to_string() && issuer != state.app.client_id {
        return refused("Integration not found");
    }
    match claims["iat"].as_u64() {
        Some(issued) if issued <= now + LEEWAY_SECONDS => {}
        _ => {
            return refused(
                "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
            );
        }
    }
    match claims["exp"].as_u64() {
        Some(ends) if ends > now + LONGEST_SECONDS + LEEWAY_SECONDS => {
            refused("'Expiration time' claim ('exp') is too far in the future")
        }
        Some(ends) if ends + LEEWAY_SECONDS > now => Ok(()),
        _ => refused(
            "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
        ),
    }
}

/// Whether permissions include one at a level. `write` includes `read`.
pub(super) fn grants(permissions: &BTreeMap<String, String>, name: &str, level: &str) -> bool {
    permissions.get(name).is_some_and(|granted| granted == level || granted == "write" || granted == "admin")
}

/// A request for something in a repository.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) caller: Caller,
    pub(super) repository: u64,
    path: BTreeMap<String, String>,
    query: BTreeMap<String, String>,
}

impl Visit {
    /// Refuses a caller that has none of the permissions, each written as `issues=write`.
    pub(super) fn needs(&self, state: &State, accepted: &[&str]) -> Result<(), Refusal> {
        let is_granted = |permissions: &BTreeMap<String, String>| {
            let granted =
                |one: &&str| one.split_once('=').is_some_and(|(name, level)| grants(permissions, name, level));
            accepted.iter().any(granted)
        };
        match &self.caller {
            Caller::Installation { permissions, repositories } => {
                match (repositories.contains(&self.repository), is_granted(permissions)) {
                    (false, _) => Err(Refusal::not_found()),
                    (true, false) => Err(Refusal::not_accessible(&accepted.join("; "))),
                    (true, true) => Ok(()),
                }
            }
            Caller::Person(login) if self.repository(state)?.role_of(login) != "none" => Ok(()),
            // A private repository is hidden from those who may not see it.
            _ => Err(Refusal::not_found()),
        }
    }

    pub(super) fn repository<'a>(&self, state: &'a State) -> Result<&'a Repository, Refusal> {
        state.repositories.get(&self.repository).ok_or_else(Refusal::not_found)
    }

    pub(super) fn repository_mut<'a>(&self, state: &'a mut State) -> Result<&'a mut Repository, Refusal> {
        state.repositories.get_mut(&self.repository).ok_or_else(Refusal::not_found)
    }

    /// The login under which the caller writes.
    pub(super) fn author(&self, state: &State) -> String {
        match &self.caller {
            Caller::Person(login) => login.clone(),
            _ => state.app.bot(),
        }
    }

    /// A parameter of the path.
    pub(super) fn text(&self, parameter: &str) -> Result<&str, Refusal> {
        self.path.get(parameter).map(String::as_str).ok_or_else(Refusal::not_found)
    }

    pub(super) fn number(&self, parameter: &str) -> Result<u64, Refusal> {
        self.text(parameter)?.parse().map_err(|_| Refusal::not_found())
    }

    /// A parameter of the query, unless it is empty.
    pub(super) fn query(&self, parameter: &str) -> Option<&str> {
        self.query.get(parameter).map(String::as_str).filter(|text| !text.is_empty())
    }
}

impl FromRequestParts<Github> for Visit {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, github: &Github) -> Result<Self, Refusal> {
        let Ok(Path(path)) = Path::<BTreeMap<String, String>>::from_request_parts(parts, github).await else {
            return Err(Refusal::not_found());
        };
        let query = Query::try_from_uri(&parts.uri).map(|Query(query)| query).unwrap_or_default();
        let state = github.state();
        let caller = Caller::of(&state, &parts.headers)?;
        let part = |name: &str| path.get(name).map(String::as_str).unwrap_or_default();
        let name = format!("{}/{}", part("owner"), part("repo"));
        let id = *state.names.get(&name.to_lowercase()).ok_or_else(Refusal::not_found)?;
        let repository = state.repositories.get(&id).ok_or_else(Refusal::not_found)?;
        if !repository.full_name().eq_ignore_ascii_case(&name) {
            return Err(moved(&state, id, parts));
        }
        Ok(Self { caller, repository: id, path, query })
    }
}

/// Redirects from a former name: with 301, or with 307 where the method must stay.
fn moved(state: &State, id: u64, parts: &Parts) -> Refusal {
    let status = match parts.method {
        Method::GET | Method::HEAD => StatusCode::MOVED_PERMANENTLY,
        _ => StatusCode::TEMPORARY_REDIRECT,
    };
    let rest: String = parts.uri.path().split('/').skip(4).map(|part| format!("/{part}")).collect();
    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    // A client behind a proxy knows another host, and sends no token to a third one.
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let base = host.map_or_else(|| state.base.clone(), |host| format!("http://{host}"));
    let url = format!("{base}/repositories/{id}{rest}{query}");
    Refusal::new(status, "Moved Permanently").header("location", &url).with("url", url.into())
}
