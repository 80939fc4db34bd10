//! SQL that drops a preview's role and databases, and names those that belong to somebody else.

use postgres_protocol::escape::escape_identifier;
use tokio_postgres::{Client, error::SqlState};

use berth_workflows::contract::teardown::Remaining;

use super::{
    Admin,
    answer::{describe, refused_statement, unavailable},
    names::Names,
    sql::{execute, join_role, membership, owner_of_database, owner_of_role},
};
use crate::failure::Failure;

/// The result of a drop.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Databases and roles that are verified gone, or never existed.
    pub gone: Vec<String>,
    /// Whether any database or role with these names was there.
    pub were_there: bool,
    /// Databases and roles with these names that belong to somebody else, each with SQL for a person.
    pub foreign: Vec<Remaining>,
}

/// Drops the databases and the role, with their open connections, and verifies that they are gone.
///
/// Idempotent: an object that is already gone counts as dropped. Objects of other owners are left alone and named.
///
/// # Errors
/// `DatabaseUnavailable`: permanent if the admin lacks a right, with the SQL that gives it. Otherwise retried.
pub async fn drop_all(admin: &Admin, names: &Names, owner: &str) -> Result<Dropped, Failure> {
    let role_owner = owner_of_role(admin, &names.role).await?;
    let mut dropped = Dropped { were_there: role_owner.is_some(), ..Dropped::default() };
    let is_ours = role_owner.as_deref() == Some(owner);
    if is_ours {
        join_role(admin, names).await?;
    }
    for name in names.databases() {
        let database_owner = owner_of_database(admin, name).await?;
        dropped.were_there |= database_owner.is_some();
        match database_owner {
            None => dropped.gone.push(format!("Database/{name}")),
            Some(found) if found == names.role && is_ours => {
                drop_database(admin, name, names).await?;
                dropped.gone.push(format!("Database/{name}"));
            }
            // They go with their role, which is named below.
            Some(found) if found == names.role && role_owner.as_deref() != Some("") => {
                dropped.foreign.push(database_of_foreign_role(
                    name,
                    names,
                    only_if_renamed(owner, role_owner.as_deref()),
                ));
            }
            Some(found) => dropped.foreign.push(foreign_database(name, &found)),
        }
    }
    match role_owner {
        None => dropped.gone.push(format!("Role/{}", names.role)),
        Some(_) if is_ours => drop_role(admin, names, &mut dropped).await?,
        Some(found) => dropped.foreign.push(foreign_role(names, owner, &found)),
    }
    Ok(dropped)
}

/// FORCE ends open connections. New ones are refused first.
async fn drop_database(admin: &Client, name: &str, names: &Names) -> Result<(), Failure> {
    let database = escape_identifier(name);
    let drop = format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)");
    let by_hand = format!("{drop}; -- as a superuser, or as a member of {}", names.role);
    let close = format!("ALTER DATABASE {database} WITH ALLOW_CONNECTIONS false");
    execute(admin, "closing a database", &close, &by_hand).await?;
    execute(admin, "dropping a database", &drop, &by_hand).await?;
    match owner_of_database(admin, name).await? {
        None => Ok(()),
        Some(_) => Err(unavailable(format!("database {name} is still there after it was dropped"))),
    }
}

/// Drops the role. Objects of it in a database of another owner keep it: then it is left to a person, as the database
/// is.
async fn drop_role(admin: &Admin, names: &Names, dropped: &mut Dropped) -> Result<(), Failure> {
    let role = escape_identifier(&names.role);
    // Grants outside its databases would keep the role.
    execute(admin, "taking a role's grants", &format!("DROP OWNED BY {role}"), &membership(admin, names)).await?;
    let drop = format!("DROP ROLE IF EXISTS {role}");
    let object = format!("Role/{}", names.role);
    match admin.batch_execute(&drop).await {
        Ok(()) => dropped.gone.push(object),
        Err(error) if error.code() == Some(&SqlState::DEPENDENT_OBJECTS_STILL_EXIST) && !dropped.foreign.is_empty() => {
            let command = format!("DROP ROLE {role}; -- once those databases are gone");
            dropped.foreign.push(Remaining { object, reason: describe(&error), command });
        }
        Err(error) => return Err(refused_statement("dropping a role", &error, &membership(admin, names))),
    }
    Ok(())
}

fn foreign_database(name: &str, owner: &str) -> Remaining {
    Remaining {
        object: format!("Database/{name}"),
        reason: format!("belongs to {owner}: berth drops only what it has created"),
        command: format!("DROP DATABASE {} WITH (FORCE); -- if it is not needed", escape_identifier(name)),
    }
}

fn database_of_foreign_role(name: &str, names: &Names, condition: Option<String>) -> Remaining {
    let reason = format!("belongs to the role {}, which is not this environment's", names.role);
    let drop = |condition| format!("DROP DATABASE {} WITH (FORCE); {condition}", escape_identifier(name));
    Remaining { object: format!("Database/{name}"), reason, command: condition.map(drop).unwrap_or_default() }
}

fn foreign_role(names: &Names, owner: &str, found: &str) -> Remaining {
    let drop = format!("DROP ROLE {};", escape_identifier(&names.role));
    let (reason, command) = match found {
        "" => (
            "has no comment that names its owner: berth drops only what it has created".to_owned(),
            format!("{drop} -- if it is not needed, after its databases"),
        ),
        found => {
            let command = only_if_renamed(owner, Some(found)).map(|condition| format!("{drop} {condition}"));
            (format!("belongs to {found}"), command.unwrap_or_default())
        }
    };
    Remaining { object: format!("Role/{}", names.role), reason, command }
}

/// The condition of dropping what another installation made for the same workflow. Otherwise it is in use there.
fn only_if_renamed(owner: &str, found: Option<&str>) -> Option<String> {
    let (workflow, other) = found?.split_once(" of ")?;
    owner.starts_with(&format!("{workflow} of ")).then(|| format!("-- only if the installation {other} was renamed"))
}
