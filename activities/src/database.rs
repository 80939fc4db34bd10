//! A preview's own role and databases on a server that previews share. Production's database is Doppler's: nothing here can
//! name it.

mod names;
mod preview;
mod server;
mod sql;

pub use names::Names;
pub use preview::{drop_database, ensure_database};
pub(crate) use preview::{drop_unrecorded, find_server, values};
pub use server::{Credentials, Server, Servers, Tls, read_servers};
pub use sql::{Dropped, drop_all, ensure};
