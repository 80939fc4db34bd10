//! The message that a job's request becomes: what the job writes, its sender as the token names it, and the proof of both. Pure.

use std::collections::BTreeSet;

use berth_activities::proof::SigningKey;
use berth_workflows::contract::{
    lenient::Input,
    proof::{ProofAction, ProvenContent},
    provable::Provable,
};
use serde_json::{Map, Value};

use crate::hooks::token::Claims;

/// The longest body of a request. Temporal keeps every message.
pub(super) const MAX_BYTES: usize = 8 * 1024;

/// The subject of a message, and the time of its proof as Unix time in seconds.
pub(super) struct About<'a> {
    pub(super) environment: &'a str,
    pub(super) action: ProofAction,
    /// The job's variables that a push of the app brings.
    pub(super) job_variables: &'a BTreeSet<String>,
    pub(super) now: u64,
}

/// Reads a request's JSON as a message, and signs it.
///
/// # Errors
/// The JSON is no such message.
pub(super) fn signed<T: Input + Provable>(
    body: &[u8],
    claims: &Claims,
    key: &SigningKey,
    about: &About<'_>,
) -> Result<T, String> {
    let About { environment, action, now, .. } = about;
    let mut message: T = read(body, claims, about)?;
    let content: ProvenContent = message.proven_content(environment, *action);
    message.set_proof(key.sign(content.claims(claims.actor.clone(), Some(claims.run_id), *now)));
    Ok(message)
}

fn read<T: Input>(body: &[u8], claims: &Claims, about: &About<'_>) -> Result<T, String> {
    let mut fields: Map<String, Value> = match body.trim_ascii() {
        [] => Map::new(),
        json => serde_json::from_slice(json).map_err(|error| format!("expected a JSON object: {error}"))?,
    };
    if fields.contains_key("proof") {
        return Err("`proof` comes from berth hooks alone".to_owned());
    }
    if matches!(about.action, ProofAction::Deploy | ProofAction::Release) {
        take_job_variables(&mut fields, about.job_variables)?;
    }
    fields.extend(sender(claims, about.action).map(|(name, value)| (name.to_owned(), value)));
    let json = Value::Object(fields).to_string();
    T::from_json(json.as_bytes()).map_err(|why| format!("{why}; send {}", T::EXAMPLE))
}

/// Takes the variables of the job that the app file lists into a push. What the push brings by itself stays.
fn take_job_variables(fields: &mut Map<String, Value>, listed: &BTreeSet<String>) -> Result<(), String> {
    let Some(offered) = fields.remove("job") else { return Ok(()) };
    let Value::Object(offered) = offered else { return Err("`job` is an object of the job's variables".to_owned()) };
    let taken = offered.into_iter().filter(|(name, _)| listed.contains(name)).collect::<Vec<_>>();
    if !taken.is_empty()
        && let Value::Object(variables) = fields.entry("variables").or_insert_with(|| Map::new().into())
    {
        for (name, value) in taken {
            variables.entry(name).or_insert(value);
        }
    }
    Ok(())
}

/// The fields that the token decides, whatever the job writes.
fn sender(claims: &Claims, action: ProofAction) -> impl Iterator<Item = (&'static str, Value)> {
    let actor = Value::from(claims.actor.as_str());
    let sequence = ("sequence", Value::from(claims.run_id));
    let fields = match action {
        ProofAction::Deploy | ProofAction::Release => vec![("author", actor), sequence],
        ProofAction::Close => vec![sequence],
        _ => vec![("by", actor)],
    };
    fields.into_iter()
}

#[cfg(test)]
mod tests {
    use berth_workflows::contract::{
        production::{ApproveRelease, Freeze, Rollback},
        signals::{Close, Push},
    };

    use super::*;

    const ABOUT: About<'_> = About {
        environment: "production-web",
        action: ProofAction::Approve,
        job_variables: &BTreeSet::new(),
        now: 1_795_850_000,
    };

    fn about(action: ProofAction) -> About<'static> {
        About { action, ..ABOUT }
    }

    fn key() -> SigningKey {
        SigningKey::generate().unwrap().0
    }

    #[test]
    fn sender_is_the_tokens_whatever_the_job_writes() {
        let json = br#"{"release": 7, "plan": "0123456789abcdef", "by": "mallory"}"#;
        let approve: ApproveRelease = signed(json, &Claims::example(), &key(), &about(ProofAction::Approve)).unwrap();
        assert_eq!(approve.by.as_str(), "octocat");
        let claims = approve.proof().unwrap().claims.clone();
        assert_eq!((claims.actor.as_str(), claims.run_id, claims.at), ("octocat", Some(4242), 1_795_850_000));
        assert_eq!((claims.release, claims.plan.as_deref()), (Some(7), Some("0123456789abcdef")));

        let push = Push::EXAMPLE.replace('}', r#","sequence":99999999999,"author":"mallory"}"#);
        let push: Push = signed(push.as_bytes(), &Claims::example(), &key(), &about(ProofAction::Deploy)).unwrap();
        assert_eq!((push.sequence, push.author.unwrap().as_str()), (Some(4242), "octocat"));
    }

    #[test]
    fn push_takes_the_variables_of_the_job_that_the_app_lists() {
        let listed = ["GITHUB_RUN_ID", "GITHUB_REF_NAME"].map(str::to_owned).into();
        let about = About { job_variables: &listed, ..about(ProofAction::Deploy) };
        let push = |more: &str| {
            let body = Push::EXAMPLE.replace('}', &format!(",{more}}}"));
            signed::<Push>(body.as_bytes(), &Claims::example(), &key(), &about)
        };
        let job = r#""job":{"GITHUB_RUN_ID":"1","GITHUB_REF_NAME":"main","GITHUB_JOB":"deploy"}"#;
        let taken = push(&format!(r#"{job},"variables":{{"FLAGS":"a","GITHUB_REF_NAME":"own"}}"#)).unwrap();
        let variables: Vec<_> = taken.variables.iter().collect();
        assert_eq!(variables, [("FLAGS", "a"), ("GITHUB_REF_NAME", "own"), ("GITHUB_RUN_ID", "1")]);
        assert_eq!(taken.proof().unwrap().claims.variables, taken.variables, "hooks signs them");
        assert!(push(r#""job":{"GITHUB_JOB":"deploy"}"#).unwrap().variables.is_empty());
        for (more, expected) in [
            (r#""job":1"#, "`job` is an object"),
            (r#""job":{"GITHUB_REF_NAME":"a b"}"#, "variables: GITHUB_REF_NAME: the value"),
            (r#""job":{"GITHUB_RUN_ID":1}"#, "invalid type: integer"),
        ] {
            let refused = push(more).unwrap_err();
            assert!(refused.starts_with(expected), "{more}: {refused}");
        }
        let freeze = signed::<Freeze>(br#"{"reason":"x","job":{}}"#, &Claims::example(), &key(), &ABOUT);
        assert!(freeze.unwrap_err().starts_with("unknown field `job`"));
    }

    #[test]
    fn empty_body_is_a_message_without_fields() {
        let close: Close = signed(b" \n", &Claims::example(), &key(), &about(ProofAction::Close)).unwrap();
        assert_eq!(close.sequence, Some(4242));
        let rollback: Rollback = signed(b"", &Claims::example(), &key(), &about(ProofAction::Rollback)).unwrap();
        assert_eq!((rollback.to, rollback.by.as_str()), (None, "octocat"));
    }

    #[test]
    fn body_that_is_no_message_is_refused_with_an_example() {
        let freeze =
            |body: &str| signed::<Freeze>(body.as_bytes(), &Claims::example(), &key(), &about(ProofAction::Freeze));
        for (body, expected) in [
            ("{", "expected a JSON object"),
            ("[]", "expected a JSON object"),
            ("{}", "missing field `reason`"),
            (r#"{"reason":"x","resaon":"y"}"#, "unknown field `resaon`"),
            (r#"{"reason":"x","proof":{}}"#, "`proof` comes from berth hooks alone"),
            (r#"{"reason":"x","proved":true}"#, "unknown field `proved`"),
        ] {
            let refused = freeze(body).unwrap_err();
            assert!(refused.starts_with(expected), "{body}: {refused}");
        }
        assert!(freeze("{}").unwrap_err().ends_with(Freeze::EXAMPLE));
    }
}
