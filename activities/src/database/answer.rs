//! Failures of a database server, as its answers mean them: permanent, with advice for a person, or to be retried.

use std::io;

use rustls::{CertificateError, Error as TlsError};
use tokio_postgres::{Error, error::SqlState};

use berth_workflows::contract::verdict::{FailureType, Verdict};

use crate::{failure::Failure, settings::database_servers::Server};

/// Answers that another attempt would get again. Any other may pass: of connections (class 08), of transactions (40),
/// of room (53), of objects in use (55), of an administrator (57), and those of the system (58 and XX).
const PERMANENT: [&SqlState; 9] = [
    &SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
    &SqlState::INVALID_PASSWORD,
    &SqlState::INVALID_CATALOG_NAME,
    &SqlState::INSUFFICIENT_PRIVILEGE,
    &SqlState::INVALID_GRANT_OPERATION,
    &SqlState::FEATURE_NOT_SUPPORTED,
    &SqlState::SYNTAX_ERROR,
    &SqlState::UNDEFINED_FUNCTION,
    &SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
];

/// A part of the hint with which PostgreSQL refuses to copy a database of another version of the system's collations.
/// SQL is in no language but its own.
const COLLATION_HINT: &str = "REFRESH COLLATION VERSION";

/// The failure of a connection.
pub(super) fn refused_connection(server: &Server, error: &Error) -> Failure {
    let message = format!("the database server at {}: {}", server.host, describe(error));
    match connection_advice(server, error) {
        Some(advice) => permanent(message, advice),
        None => unavailable(message),
    }
}

/// The failure of a statement. `sql` is for a person, if the admin lacks a right.
pub(super) fn refused_statement(what: &str, error: &Error, sql: &str) -> Failure {
    let message = format!("{what}: the database server answered: {}", describe(error));
    let hint = error.as_db_error().and_then(|refusal| refusal.hint()).unwrap_or_default();
    if hint.contains(COLLATION_HINT) {
        return permanent(message, "as the HINT says, as the owner of that database; then push again");
    }
    match is_permanent(error) {
        true => permanent(message, sql),
        false => unavailable(message),
    }
}

/// A failure that may pass.
pub(crate) fn unavailable(message: String) -> Failure {
    Failure::transient(FailureType::DatabaseUnavailable, message)
}

/// A failure that another attempt would repeat.
pub(super) fn permanent(message: String, advice: impl Into<String>) -> Failure {
    Verdict::new(FailureType::DatabaseUnavailable, message).advise(advice).into()
}

/// Returns whether the server refuses the admin's name or password.
pub(super) fn is_refused_login(error: &Error) -> bool {
    matches!(error.code(), Some(&SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION))
}

/// Returns whether the answer is about the database that was named, so that another one may do.
pub(super) fn is_about_database(error: &Error) -> bool {
    // Rules about logins may name databases.
    let about_both = SqlState::INVALID_AUTHORIZATION_SPECIFICATION;
    let codes = [SqlState::INVALID_CATALOG_NAME, SqlState::INSUFFICIENT_PRIVILEGE, about_both];
    error.code().is_some_and(|code| codes.contains(code))
}

fn is_permanent(error: &Error) -> bool {
    error.code().is_some_and(is_permanent_code)
}

fn is_permanent_code(code: &SqlState) -> bool {
    PERMANENT.contains(&code)
}

/// Returns the advice, or `None` if another attempt may succeed.
fn connection_advice(server: &Server, error: &Error) -> Option<String> {
    let file = "in the worker's --database-servers file";
    if let Some(TlsError::InvalidCertificate(why)) = tls_error(error) {
        return Some(match why {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("set server_name to a name that the certificate has, {file}")
            }
            CertificateError::UnknownIssuer => {
                format!("put the certificate's authority into ca.crt of Secret {}", server.admin_secret)
            }
            _ => "give the server a certificate that is valid".to_owned(),
        });
    }
    if error.to_string().contains("server does not support TLS") {
        return Some(format!("enable TLS on the server; or set tls to disable {file}, if the network is trusted"));
    }
    if !is_permanent(error) {
        return None;
    }
    Some(match error.code() {
        Some(&SqlState::INVALID_CATALOG_NAME) => format!("set database to one that exists, {file}"),
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            format!("let the admin connect to it, or set database to another one, {file}")
        }
        _ => format!("correct username and password in Secret {}, or the server's rules", server.admin_secret),
    })
}

fn tls_error(error: &Error) -> Option<&TlsError> {
    let cause = std::error::Error::source(error)?;
    cause.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref()
}

/// Returns the server's own message with its DETAIL and HINT. The crate's is only "db error".
pub(crate) fn describe(error: &Error) -> String {
    let Some(refusal) = error.as_db_error() else {
        return match std::error::Error::source(error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        };
    };
    let mut text = format!("{} ({})", refusal.message(), refusal.code().code());
    for (name, more) in [("DETAIL", refusal.detail()), ("HINT", refusal.hint())] {
        if let Some(more) = more {
            text += &format!("; {name}: {}", more.replace('\n', ", "));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_may_pass_are_not_permanent() {
        // Appendix A of PostgreSQL's manual: one code of each class, and those that a server's start or failover gives.
        for code in [
            "08000", "08006", "08P01", "25006", "25P02", "40001", "40P01", "53100", "53200", "53300", "53400", "55000",
            "55006", "55P03", "57014", "57P01", "57P02", "57P03", "57P04", "58000", "58030", "XX000", "42710", "42P04",
            "42704",
        ] {
            assert!(!is_permanent_code(&SqlState::from_code(code)), "{code}");
        }
    }

    #[test]
    fn refusals_and_wrong_names_are_permanent() {
        for code in ["0A000", "0LP01", "28000", "28P01", "2BP01", "3D000", "42501", "42601", "42883"] {
            assert!(is_permanent_code(&SqlState::from_code(code)), "{code}");
        }
    }
}
