//! The variables that pods get for their environment's own databases.

use std::collections::BTreeMap;

use berth_workflows::contract::{environment::Environment, verdict::FailureType};

use super::{
    Names, Server,
    isolated::{find_server, isolated_databases},
    password,
};
use crate::{context::Context, failure::Failure};

/// Returns the variables for an environment with its own databases, else none.
///
/// # Errors
/// `DatabaseUnavailable`: permanent if the worker knows no such server, retried if the password does not exist yet.
pub(crate) async fn values(
    context: Context<'_>,
    environment: &Environment,
) -> Result<BTreeMap<String, String>, Failure> {
    let Some((names, name)) = isolated_databases(environment)? else { return Ok(BTreeMap::new()) };
    let server = find_server(context.settings, name)?;
    match password::find_password(context.client, environment).await? {
        Some(password) => Ok(to_values(server, &names, &password)),
        None => Err(Failure::transient(
            FailureType::DatabaseUnavailable,
            format!("Secret/{} is not there yet", password::SECRET),
        )),
    }
}

/// Builds the variables. The URL needs no escaping: names and password consist of letters, digits and `_`.
fn to_values(server: &Server, names: &Names, password: &str) -> BTreeMap<String, String> {
    let Server { port, .. } = server;
    let (role, tls) = (&names.role, server.is_encrypted());
    let mode = if tls { "require" } else { "disable" };
    let url = format!("postgresql://{role}:{password}@{}:{port}/{}?sslmode={mode}", server.url_host(), names.app);
    [
        ("DATABASE_URL", url),
        ("DATABASE_HOST", server.bare_host().to_owned()),
        ("DATABASE_PORT", port.to_string()),
        ("DATABASE_USER", role.clone()),
        ("DATABASE_PASSWORD", password.to_owned()),
        ("DATABASE_NAME", names.app.clone()),
        ("DATABASE_TLS", tls.to_string()),
        ("TEMPORAL_DATABASE_NAME", names.temporal.clone()),
        ("TEMPORAL_VISIBILITY_DATABASE_NAME", names.temporal_visibility.clone()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::redaction::secret_keys::is_secret;

    fn server(host: &str) -> Server {
        serde_json::from_value(json!({"host": host, "admin_secret": "admin"})).unwrap()
    }

    #[test]
    fn pods_get_all_variables_and_only_the_passwords_are_secret() {
        let names = Names::of_preview("web", 1).unwrap();
        let values = to_values(&server("db.example.com"), &names, "0123");
        assert_eq!(values["DATABASE_URL"], "postgresql://web_pr_1:0123@db.example.com:5432/web_pr_1?sslmode=require");
        assert_eq!(values["TEMPORAL_VISIBILITY_DATABASE_NAME"], "web_pr_1_visibility");
        let hidden: Vec<_> =
            values.iter().filter(|(key, value)| is_secret(key, value.as_bytes())).map(|(key, _)| key).collect();
        assert_eq!(hidden, ["DATABASE_PASSWORD", "DATABASE_URL"]);
    }

    #[test]
    fn address_of_ipv6_has_brackets_in_the_url_only() {
        let values = to_values(&server("fd00::1"), &Names::of_preview("web", 1).unwrap(), "0123");
        assert_eq!(values["DATABASE_URL"], "postgresql://web_pr_1:0123@[fd00::1]:5432/web_pr_1?sslmode=require");
        assert_eq!(values["DATABASE_HOST"], "fd00::1");
    }
}
