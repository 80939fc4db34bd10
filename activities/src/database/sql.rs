//! SQL that creates and drops a preview's role and databases.
//!
//! `CREATE` takes no parameters, so names are quoted here by the protocol's rules. They come from [`Names`] only. A
//! role's owner is in its comment; a database belongs to its role.

use postgres_protocol::{
    escape::{escape_identifier, escape_literal},
    password::scram_sha_256,
};
use tokio_postgres::{Client, Row, error::SqlState};

use berth_workflows::contract::{
    environment::EnvironmentKind,
    verdict::{FailureType, Verdict},
};

use super::{
    connection::{describe_error, unavailable},
    names::Names,
};
use crate::failure::Failure;

/// The result of a drop.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Databases and roles that are verified gone.
    pub gone: Vec<String>,
    /// Databases and roles with these names that belong to somebody else.
    pub foreign: Vec<String>,
}

/// Creates the role and its databases, or finds them. The server gets the password only as a SCRAM verifier.
///
/// Idempotent: existing databases stay as they are. The role's password and connection limit are set each time, so that
/// they match the Secret that pods read.
///
/// # Errors
/// `DatabaseUnavailable`: permanent if the role or a database of that name belongs to somebody else, otherwise retried.
pub async fn ensure(
    admin: &Client,
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
            execute(admin, "making the role", &make).await?;
            created.push(format!("Role/{}", names.role));
        }
        Some(found) if found == owner => {}
        Some(found) => return Err(not_ours(&format!("role {}", names.role), &found)),
    }
    let verifier = escape_literal(&scram_sha_256(password.as_bytes()));
    let set = format!("ALTER ROLE {role} LOGIN CONNECTION LIMIT {connections} PASSWORD {verifier}");
    execute(admin, "setting the role's password", &set).await?;
    // Only members of a role may create a database for it, except superusers.
    execute(admin, "joining the role", &format!("GRANT {role} TO CURRENT_USER")).await?;
    for name in names.databases() {
        if ensure_database(admin, name, names).await? {
            created.push(format!("Database/{name}"));
        }
    }
    Ok(created)
}

async fn ensure_database(admin: &Client, name: &str, names: &Names) -> Result<bool, Failure> {
    let (database, role) = (escape_identifier(name), escape_identifier(&names.role));
    let found = owner_of_database(admin, name).await?;
    match &found {
        None => execute(admin, "making a database", &format!("CREATE DATABASE {database} OWNER {role}")).await?,
        Some(owner) if *owner == names.role => {}
        Some(owner) => return Err(not_ours(&format!("database {name}"), owner)),
    }
    // Every role may connect to a new database until this.
    execute(admin, "closing a database", &format!("REVOKE CONNECT ON DATABASE {database} FROM PUBLIC")).await?;
    Ok(found.is_none())
}

/// Drops the databases and the role, with their open connections, and verifies that they are gone.
///
/// Idempotent: an object that is already gone counts as dropped. Objects of other owners are left alone and named.
///
/// # Errors
/// `DatabaseUnavailable`, retried.
pub async fn drop_all(admin: &Client, names: &Names, owner: &str) -> Result<Dropped, Failure> {
    let mut dropped = Dropped::default();
    let role_owner = owner_of_role(admin, &names.role).await?;
    let is_foreign = role_owner.as_deref().is_some_and(|found| found != owner);
    for name in names.databases() {
        let database_owner = owner_of_database(admin, name).await?;
        let database = format!("Database/{name}");
        if is_foreign || database_owner.as_ref().is_some_and(|found| *found != names.role) {
            dropped.foreign.push(database);
            continue;
        }
        if database_owner.is_some() {
            drop_database(admin, name).await?;
        }
        dropped.gone.push(database);
    }
    let role = format!("Role/{}", names.role);
    if is_foreign {
        dropped.foreign.push(role);
        return Ok(dropped);
    }
    if role_owner.is_some() {
        drop_role(admin, names).await?;
    }
    dropped.gone.push(role);
    Ok(dropped)
}

/// FORCE ends open connections. New ones are refused first.
async fn drop_database(admin: &Client, name: &str) -> Result<(), Failure> {
    let database = escape_identifier(name);
    let close = format!("ALTER DATABASE {database} WITH ALLOW_CONNECTIONS false");
    execute(admin, "closing a database", &close).await?;
    execute(admin, "dropping a database", &format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)")).await?;
    match owner_of_database(admin, name).await? {
        None => Ok(()),
        Some(_) => Err(unavailable(format!("database {name} is still there after it was dropped"))),
    }
}

async fn drop_role(admin: &Client, names: &Names) -> Result<(), Failure> {
    let role = escape_identifier(&names.role);
    // Grants outside its databases would keep the role.
    execute(admin, "taking a role's grants", &format!("DROP OWNED BY {role}")).await?;
    execute(admin, "dropping a role", &format!("DROP ROLE IF EXISTS {role}")).await
}

async fn owner_of_role(admin: &Client, role: &str) -> Result<Option<String>, Failure> {
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
    let rows = admin.query(query, &[&prefix]).await.map_err(|error| refused("listing roles", &error))?;
    let owned = |row: &Row| {
        let owner: String = row.get(1);
        let kind = EnvironmentKind::from_workflow_id(app, owner.strip_suffix(&suffix)?)?;
        Some((row.get(0), kind.pr()?))
    };
    Ok(rows.iter().filter_map(owned).collect())
}

async fn owner_of_database(admin: &Client, database: &str) -> Result<Option<String>, Failure> {
    let query = "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = $1";
    one_text(admin, "looking for a database", query, database).await
}

async fn one_text(admin: &Client, what: &str, query: &str, name: &str) -> Result<Option<String>, Failure> {
    let row = admin.query_opt(query, &[&name]).await.map_err(|error| refused(what, &error))?;
    Ok(row.map(|row| row.get(0)))
}

async fn execute(admin: &Client, what: &str, statement: &str) -> Result<(), Failure> {
    match admin.batch_execute(statement).await {
        // A concurrent attempt created it first.
        Err(error) if matches!(error.code(), Some(&SqlState::DUPLICATE_OBJECT | &SqlState::DUPLICATE_DATABASE)) => {
            Ok(())
        }
        done => done.map_err(|error| refused(what, &error)),
    }
}

fn refused(what: &str, error: &tokio_postgres::Error) -> Failure {
    unavailable(format!("{what}: the database server answered: {}", describe_error(error)))
}

fn not_ours(what: &str, owner: &str) -> Failure {
    let owner = if owner.is_empty() { "an unknown owner" } else { owner };
    let message = format!("the {what} exists already and belongs to {owner}; berth leaves it alone");
    Verdict::new(FailureType::DatabaseUnavailable, message)
        .advise("rename it or remove it by hand: berth uses and drops only what it has created")
        .into()
}
