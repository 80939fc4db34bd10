//! Servers for one test each, as a team's own machine has them and as a provider manages them.

use berth_activities::database::{Admin, Credentials, Server, Tls};
use berth_lab::{POSTGRES_PASSWORD, POSTGRES_USER, Postgres};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use tokio_postgres::{Client, NoTls};

/// The admin of a managed server. It may create roles and databases, and is no superuser.
pub(super) const MANAGED_ADMIN: (&str, &str) = ("doadmin", "managed-admin");

/// A server for one test, and a worker's settings for it.
pub(super) struct Lab {
    pub(super) postgres: Postgres,
    pub(super) server: Server,
    pub(super) credentials: Credentials,
}

impl Lab {
    /// A server whose admin is a superuser.
    pub(super) fn start(max_connections: u32) -> Self {
        Self::new(Postgres::start(max_connections).unwrap(), Tls::Verify, (POSTGRES_USER, POSTGRES_PASSWORD))
    }

    /// A server whose admin is no superuser and whose only database of its own is called `defaultdb`.
    pub(super) fn managed(max_connections: u32) -> Self {
        Self::manage(Postgres::start(max_connections).unwrap(), Tls::Verify)
    }

    /// The same of a newer release. Since 16, CREATEROLE gives no rights on roles that another admin has made.
    pub(super) fn managed_newer(max_connections: u32) -> Self {
        Self::manage(Postgres::start_newer(max_connections).unwrap(), Tls::Disable)
    }

    /// One of each kind, one after another.
    pub(super) fn each(max_connections: u32) -> impl Iterator<Item = Self> {
        let kinds: [fn(u32) -> Self; 3] = [Self::start, Self::managed, Self::managed_newer];
        kinds.into_iter().map(move |start| start(max_connections))
    }

    fn manage(postgres: Postgres, tls: Tls) -> Self {
        make_admin(&postgres, MANAGED_ADMIN);
        postgres.psql("template1", "ALTER DATABASE postgres RENAME TO defaultdb").unwrap();
        Self::new(postgres, tls, MANAGED_ADMIN)
    }

    fn new(postgres: Postgres, tls: Tls, admin: (&str, &str)) -> Self {
        let server = Server {
            host: postgres.address.ip().to_string(),
            port: postgres.address.port(),
            tls,
            server_name: None,
            database: None,
            admin_secret: "previews-admin".into(),
            connections: 5,
            networks: Vec::new(),
        };
        let credentials = credentials(admin, &postgres.authority);
        Self { postgres, server, credentials }
    }

    pub(super) async fn admin(&self) -> Admin {
        self.server.connect(&self.credentials).await.unwrap()
    }

    pub(super) async fn connect_as(
        &self,
        role: &str,
        password: &str,
        database: &str,
    ) -> Result<Client, tokio_postgres::Error> {
        let mut config = tokio_postgres::Config::new();
        config.host(self.postgres.address.ip().to_string()).port(self.postgres.address.port());
        config.user(role).password(password).dbname(database);
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }
}

/// Makes an admin as managed servers have it.
pub(super) fn make_admin(postgres: &Postgres, (user, password): (&str, &str)) {
    let make = format!("CREATE ROLE {user} LOGIN CREATEDB CREATEROLE PASSWORD '{password}'");
    postgres.psql("template1", &make).unwrap();
}

/// The admin's credentials, as its Secret has them.
pub(super) fn credentials((user, password): (&str, &str), authority: &str) -> Credentials {
    let data = [("username", user), ("password", password), ("ca.crt", authority)];
    let data = data.map(|(key, text)| (key.to_owned(), ByteString(text.as_bytes().to_vec()))).into();
    Credentials::from_secret(&Secret { data: Some(data), ..Secret::default() }).unwrap()
}

/// The databases and roles of the server, without those that it had at first.
pub(super) async fn everything(admin: &Client) -> Vec<String> {
    let query =
        "SELECT datname::text FROM pg_database WHERE NOT datistemplate AND datname NOT IN ('postgres', 'defaultdb')
                 UNION ALL SELECT rolname::text FROM pg_roles WHERE rolname !~ '^pg_|^postgres$|^doadmin' ORDER BY 1";
    admin.query(query, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}
