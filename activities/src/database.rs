//! A preview's own role and databases on a shared server. Production's database is Doppler's: no name here can refer to
//! it.

mod answer;
mod connection;
mod drop_all;
mod drop_database;
mod ensure_database;
mod isolated;
mod list_previews;
mod made_on;
mod names;
mod password;
mod sql;
mod values;

pub use crate::settings::database_servers::{Server, Servers, Tls, read_servers};
pub use connection::{Admin, Credentials};
pub use drop_all::{Dropped, drop_all};
pub use drop_database::drop_database;
pub(crate) use drop_database::drop_elsewhere;
pub use ensure_database::ensure_database;
pub(crate) use isolated::find_server;
pub(crate) use list_previews::list_previews;
pub(crate) use made_on::{keep_earlier, of_new_namespace};
pub use names::Names;
pub use sql::{ensure, list_roles};
pub(crate) use values::values;
