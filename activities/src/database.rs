//! A preview's own role and databases on a shared server. Production's database is Doppler's: no name here can refer to
//! it.

mod connection;
mod drop_database;
mod ensure_database;
mod isolated;
mod list_previews;
mod names;
mod password;
mod sql;
mod values;

pub use crate::settings::database_servers::{Server, Servers, Tls, read_servers};
pub use connection::Credentials;
pub use drop_database::drop_database;
pub(crate) use drop_database::drop_unrecorded;
pub use ensure_database::ensure_database;
pub(crate) use isolated::find_server;
pub(crate) use list_previews::list_previews;
pub use names::Names;
pub use sql::{Dropped, drop_all, ensure, list_roles};
pub(crate) use values::values;
