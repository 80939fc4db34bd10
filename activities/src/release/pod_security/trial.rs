//! The dry run of a level: the API server names the running pods that violate it.

use http::{HeaderMap, HeaderValue, Request, Response, header::WARNING};
use http_body_util::BodyExt;
use kube::{
    Client,
    client::Body,
    core::{Status, response::StatusSummary},
};

use berth_manifests::app::PodSecurity;
use berth_workflows::contract::environment::Environment;

use super::{name, params, patch, read, remark};
use crate::{context::Context, failure::Failure};

/// The effect that a release would have on the namespace's level.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Trial {
    /// The change, and then the running pods that violate the new level.
    pub(crate) notes: Vec<String>,
    /// The reason why the pods could not be checked.
    pub(crate) not_checked: Option<String>,
}

/// Tries the level of a release in a dry run, and writes nothing.
///
/// # Errors
/// The API server refuses the change, or does not answer.
pub(crate) async fn try_out(
    context: Context<'_>,
    environment: &Environment,
    level: Option<PodSecurity>,
) -> Result<Trial, Failure> {
    let Some(found) = read(context, environment).await? else { return Ok(Trial::default()) };
    let Some(patch) = patch(&found, level) else { return Ok(Trial::default()) };
    let mut trial = Trial { notes: vec![remark(&found, &patch)], not_checked: None };
    match warnings(context.client, environment, &patch).await {
        Ok(warnings) => trial.notes.extend(warnings),
        Err(kube::Error::Api(status)) if status.code == 400 && status.message.contains("does not support dry run") => {
            let name = name(environment);
            trial.not_checked = Some(format!("{name}: the pods that violate its new level: {}", status.message));
        }
        Err(e) => return Err(Failure::applying(&name(environment), e)),
    }
    Ok(trial)
}

/// Sends the patch as a dry run, and returns the warnings of the answer. kube's own `patch` drops them.
async fn warnings(client: &Client, environment: &Environment, patch: &serde_json::Value) -> kube::Result<Vec<String>> {
    let request = kube::core::Request::new("/api/v1/namespaces")
        .patch(&environment.namespace, &params().dry_run(), &kube::api::Patch::Merge(patch))
        .map_err(kube::Error::BuildRequest)?;
    let answer = client.send(Request::map(request, Body::from)).await?;
    if answer.status().is_success() {
        return Ok(warning_texts(answer.headers()));
    }
    Err(refusal(answer).await?)
}

/// Returns the error of a refusal.
async fn refusal(answer: Response<Body>) -> kube::Result<kube::Error> {
    let code = answer.status().as_u16();
    let body = answer.into_body().collect().await?.to_bytes();
    let status = serde_json::from_slice(&body).unwrap_or_else(|_| Status {
        code,
        status: Some(StatusSummary::Failure),
        message: String::from_utf8_lossy(&body).into_owned(),
        ..Status::default()
    });
    Ok(kube::Error::Api(Box::new(status)))
}

fn warning_texts(headers: &HeaderMap) -> Vec<String> {
    headers.get_all(WARNING).iter().filter_map(warning_text).collect()
}

/// Returns the text of a `Warning` header: `299 - "text"`, in which `\` stands before a quote or another `\`.
fn warning_text(header: &HeaderValue) -> Option<String> {
    let header = String::from_utf8_lossy(header.as_bytes());
    let mut quoted = header.split_once('"')?.1.chars();
    let mut text = String::new();
    loop {
        match quoted.next()? {
            '"' => return Some(text),
            '\\' => text.push(quoted.next()?),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warning_text_is_read_without_its_quotes() {
        for (header, text) in [
            (
                r#"299 - "existing pods in namespace \"web\" violate it""#,
                Some(r#"existing pods in namespace "web" violate it"#),
            ),
            (r#"299 berth "a \\ b" "Sat, 25 Aug 2012 23:34:45 GMT""#, Some(r"a \ b")),
            (r#"299 - """#, Some("")),
            (r#"299 - "cut"#, None),
            ("299 - none", None),
        ] {
            assert_eq!(warning_text(&HeaderValue::from_str(header).unwrap()).as_deref(), text, "{header}");
        }
    }
}
