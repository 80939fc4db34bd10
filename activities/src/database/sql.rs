//! SQL that creates a preview's role and databases, and the requests that it shares with their removal.
//!
//! `CREATE` takes no parameters, so names are quoted here by the protocol's rules. They come from [`Names`] only. A
//! role's owner is in its comment; a database belongs to its role.

use postgres_protocol::{
    escape::{escape_identifier, escape_literal},
    password::scram_sha_256,
};
use tokio_postgres::{Client, Row, error::SqlState};

use berth_workflows::contract::environment::EnvironmentKind;

use super::{
    Admin,
    answer::{permanent, refused_statement},
    names::Names,
};
use crate::failure::Failure;

/// Creates the role and its databases, or finds them. The server gets the password only as a SCRAM verifier.
///
/// Idempotent: existing databases stay as they are. The role's password and connection limit are set each time, so that
/// they match the Secret that pods read.
///
/// # Errors
/// `DatabaseUnavailable`: permanent if the role or a database of that name belongs to somebody else, or if the admin
/// lacks a right. Otherwise retried.
pub async fn ensure(
    admin: &Admin,
    names: &Names,
    owner: &str,
    password: &str,
    connections: u32,
) -> Result<Vec<String>, Failure> {
    let role = escape_identifier(&names.role);
    let mut created = Vec::new();
    match owner_of_role(admin, &names.role).await? {
        None => {
            // A request with both is one transaction: no role is ever without an owner, and a refusal leaves no
            // transaction open.
            let make = format!(
                "CREATE ROLE {role} NOSUPERUSER NOCREATEDB NOCREATEROLE; COMMENT ON ROLE {role} IS {}",
                escape_literal(owner)
            );
            execute(admin, "making the role", &make, &create_rights(admin)).await?;
            created.push(format!("Role/{}", names.role));
        }
        Some(found) if found == owner => {}
        Some(found) => return Err(not_ours(&format!("role {}", names.role), &found, &hand_over(names, owner, &found))),
    }
    let verifier = escape_literal(&scram_sha_256(password.as_bytes()));
    let set = format!("ALTER ROLE {role} LOGIN CONNECTION LIMIT {connections} PASSWORD {verifier}");
    execute(admin, "setting the role's password", &set, &membership(admin, names)).await?;
    join_role(admin, names).await?;
    for name in names.databases() {
        if ensure_database(admin, name, names).await? {
            created.push(format!("Database/{name}"));
        }
    }
    Ok(created)
}

async fn ensure_database(admin: &Admin, name: &str, names: &Names) -> Result<bool, Failure> {
    let (database, role) = (escape_identifier(name), escape_identifier(&names.role));
    let found = owner_of_database(admin, name).await?;
    match &found {
        None => {
            let make = format!("CREATE DATABASE {database} OWNER {role} TEMPLATE {}", admin.template);
            execute(admin, "making a database", &make, &create_rights(admin)).await?;
        }
        Some(owner) if *owner == names.role => {}
        Some(owner) => {
            let hand_over = format!("ALTER DATABASE {database} OWNER TO {role}; -- if it is this preview's");
            return Err(not_ours(&format!("database {name}"), owner, &hand_over));
        }
    }
    // Every role may connect to a new database until this.
    let close = format!("REVOKE CONNECT ON DATABASE {database} FROM PUBLIC");
    execute(admin, "closing a database", &close, &membership(admin, names)).await?;
    Ok(found.is_none())
}

/// Makes the admin a member of the role: only members may create or drop a database of it, except superusers. An admin
/// that has taken another one's place is none yet.
pub(super) async fn join_role(admin: &Admin, names: &Names) -> Result<(), Failure> {
    let query = "SELECT pg_has_role(current_user, oid, 'USAGE') FROM pg_roles WHERE rolname = $1";
    let found = admin.query_opt(query, &[&names.role]).await;
    let found = found.map_err(|error| refused_statement("looking at the role's members", &error, ""))?;
    if found.is_none_or(|row| row.get(0)) {
        return Ok(());
    }
    let grant = format!("GRANT {} TO CURRENT_USER", escape_identifier(&names.role));
    execute(admin, "joining the role", &grant, &membership(admin, names)).await
}

/// The SQL that lets the admin change a role that another one has made.
pub(super) fn membership(admin: &Admin, names: &Names) -> String {
    let (role, user) = (escape_identifier(&names.role), escape_identifier(&admin.user));
    format!("GRANT {role} TO {user} WITH ADMIN OPTION; -- as a superuser, or as the admin that made the role")
}

/// The SQL that lets the admin create roles and databases.
fn create_rights(admin: &Admin) -> String {
    format!("ALTER ROLE {} CREATEROLE CREATEDB; -- as a superuser", escape_identifier(&admin.user))
}

/// The SQL that makes a role the environment's, or nothing if it is another one's.
pub(super) fn hand_over(names: &Names, owner: &str, found: &str) -> String {
    let role = escape_identifier(&names.role);
    let hand_over = format!("COMMENT ON ROLE {role} IS {};", escape_literal(owner).trim());
    let is_of_same = |workflow: &str| owner.starts_with(&format!("{workflow} of "));
    match found.split_once(" of ") {
        // The installation may have been renamed. Otherwise the role is in use there.
        Some((workflow, other)) if is_of_same(workflow) => {
            format!("{hand_over} -- only if the installation {other} was renamed")
        }
        Some(_) => String::new(),
        None => format!("{hand_over} -- if it is this preview's"),
    }
}

pub(super) async fn owner_of_role(admin: &Client, role: &str) -> Result<Option<String>, Failure> {
    let query = "SELECT coalesce(shobj_description(oid, 'pg_authid'), '') FROM pg_roles WHERE rolname = $1";
    one_text(admin, "looking for the role", query, role).await
}

/// Lists the roles that belong to previews of an app in this installation, each with its pull request.
///
/// # Errors
/// `DatabaseUnavailable`, retried.
pub async fn list_roles(admin: &Client, app: &str, installation: &str) -> Result<Vec<(String, u64)>, Failure> {
    let (prefix, suffix) = (format!("preview-{app}-"), format!(" of {installation}"));
    let query = "SELECT rolname::text, shobj_description(oid, 'pg_authid') FROM pg_roles \
                 WHERE starts_with(shobj_description(oid, 'pg_authid'), $1) ORDER BY rolname";
    let rows = admin.query(query, &[&prefix]).await.map_err(|error| refused_statement("listing roles", &error, ""))?;
    let owned = |row: &Row| {
        let owner: String = row.get(1);
        let kind = EnvironmentKind::from_workflow_id(app, owner.strip_suffix(&suffix)?)?;
        Some((row.get(0), kind.pr()?))
    };
    Ok(rows.iter().filter_map(owned).collect())
}

pub(super) async fn owner_of_database(admin: &Client, database: &str) -> Result<Option<String>, Failure> {
    let query = "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = $1";
    one_text(admin, "looking for a database", query, database).await
}

async fn one_text(admin: &Client, what: &str, query: &str, name: &str) -> Result<Option<String>, Failure> {
    let row = admin.query_opt(query, &[&name]).await.map_err(|error| refused_statement(what, &error, ""))?;
    Ok(row.map(|row| row.get(0)))
}

/// Executes a statement. `sql` is for a person, if the admin lacks a right for it.
pub(super) async fn execute(admin: &Client, what: &str, statement: &str, sql: &str) -> Result<(), Failure> {
    match admin.batch_execute(statement).await {
        // A concurrent attempt created it first.
        Err(error) if matches!(error.code(), Some(&SqlState::DUPLICATE_OBJECT | &SqlState::DUPLICATE_DATABASE)) => {
            Ok(())
        }
        done => done.map_err(|error| refused_statement(what, &error, sql)),
    }
}

fn not_ours(what: &str, owner: &str, hand_over: &str) -> Failure {
    let owner = if owner.is_empty() { "an unknown owner" } else { owner };
    let message = format!("the {what} exists already and belongs to {owner}; berth leaves it alone");
    let mut advice = "rename it or remove it by hand: berth uses and drops only what it has created".to_owned();
    if !hand_over.is_empty() {
        advice += &format!("; or hand it over: {hand_over}");
    }
    permanent(message, advice)
}
