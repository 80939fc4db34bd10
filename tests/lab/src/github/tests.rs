//! The stand-in over HTTP, as a client uses it.

mod apps;
mod checks;
mod comments;
mod deployments;
mod faults;
mod graphql;
mod oidc;
mod pulls;
mod webhooks;

use axum::{
    body::{Body, Bytes},
    http::{Request, Response},
};
use serde_json::{Value, json};

use super::{GithubServer, NewPull, REPOSITORY, client, clock, keys::Key};

const HEAD: &str = "4f2a9c14f2a9c14f2a9c14f2a9c14f2a9c14f2a9";
const NEXT: &str = "5e1b8d05e1b8d05e1b8d05e1b8d05e1b8d05e1b8";

/// A stand-in, and a client with a token of the App's installation.
struct Client {
    github: GithubServer,
    token: String,
}

impl Client {
    async fn start() -> Self {
        let mut client = Self { github: GithubServer::start().unwrap(), token: String::new() };
        client.token = client.installation_token(json!({})).await;
        client
    }

    /// A stand-in with one open pull request, number 1.
    async fn with_pull() -> Self {
        let client = Self::start().await;
        assert_eq!(client.github.open(REPOSITORY, NewPull::new("feature", HEAD)).unwrap(), 1);
        client
    }

    fn app_token(&self, claims: &Value) -> String {
        let state = self.github.github.state();
        state.app.key.sign(claims).unwrap()
    }

    fn app_claims(&self) -> Value {
        let now = clock::machine().as_secs();
        json!({"iss": self.github.app().0.to_string(), "iat": now - 60, "exp": now + 540})
    }

    async fn installation_token(&self, narrowing: Value) -> String {
        let path = format!("/app/installations/{}/access_tokens", self.github.installation());
        let answer = self.ask_as(&self.app_token(&self.app_claims()), "POST", &path, narrowing).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.body["token"].as_str().unwrap().to_owned()
    }

    async fn ask_as(&self, token: &str, method: &str, path: &str, body: Value) -> Answer {
        let url = match path.starts_with("http") {
            true => path.to_owned(),
            false => format!("{}{path}", self.github.url()),
        };
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let request = Request::builder().method(method).uri(url).header("user-agent", "tests");
        let request = request.header("authorization", format!("Bearer {token}")).body(body).unwrap();
        Answer::new(client::send(request).await.unwrap())
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask_as(&self.token, "GET", path, Value::Null).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask_as(&self.token, "POST", path, body).await
    }

    async fn patch(&self, path: &str, body: Value) -> Answer {
        self.ask_as(&self.token, "PATCH", path, body).await
    }
}

struct Answer {
    status: u16,
    headers: Response<()>,
    body: Value,
}

impl Answer {
    fn new(response: Response<Bytes>) -> Self {
        let (parts, body) = response.into_parts();
        let body = serde_json::from_slice(&body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
        Self { status: parts.status.as_u16(), headers: Response::from_parts(parts, ()), body }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The status and the message.
    fn refusal(&self) -> (u16, &str) {
        (self.status, self.body["message"].as_str().unwrap_or_default())
    }
}
