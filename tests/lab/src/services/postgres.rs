//! A PostgreSQL server, for a lab or for a test that needs nothing else: Debian's programs or newer ones, with data of its own.

use std::{
    fs,
    io::Write as _,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    cluster::certificates::ServerCertificate,
    machine::{
        files::write_private,
        folders, ports,
        process::{self, bound_to_parent},
    },
    parts,
};

pub(crate) const READY_WITHIN: Duration = Duration::from_secs(60);
/// The admin's user name. It and the password are no secrets: they open nothing but a lab.
pub const USER: &str = "postgres";
/// The admin's password.
pub const PASSWORD: &str = "lab-admin";

/// A name in the server's certificate, beside its address. Nothing resolves it.
pub const NAME: &str = "db-previews.berth-lab.example";

const PASSWORD_FILE: &str = "password";
const CERTIFICATE: &str = "server.crt";
const KEY: &str = "server.key";
const PROGRAMS: &str = "programs";

/// The programs of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Release {
    /// The newest that Debian's packages have installed.
    Debian,
    /// A newer one from a wheel, without TLS.
    Newer,
}

/// The settings of a server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) release: Release,
    pub(crate) address: SocketAddr,
    pub(crate) data: PathBuf,
    pub(crate) max_connections: u32,
}

impl Server {
    /// Makes the data folder. Answers the authority of the server's certificate as PEM.
    pub(crate) fn initialize(&self) -> Result<String> {
        folders::make(self.data.clone())?;
        self.copy_programs()?;
        let tls = ServerCertificate::issue(self.address.ip(), NAME)?;
        let files = [PASSWORD_FILE, CERTIFICATE, KEY].map(|file| self.data.join(file));
        for (file, content) in files.iter().zip([PASSWORD, &tls.certificate, &tls.key]) {
            write_private(file, content)?;
        }
        if folders::is_root() {
            let (user, group) = owner()?;
            for path in files.iter().chain([&self.data]) {
                chown(path, Some(user), Some(group))?;
            }
        }
        let mut initdb = Command::new("setpriv");
        initdb.args(owner_flags()?).arg("--").arg(self.program("initdb")?).current_dir("/");
        initdb.args(["--username", USER, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8"]);
        initdb
            .arg("--no-sync")
            .arg("--pwfile")
            .arg(self.data.join(PASSWORD_FILE))
            .arg("--pgdata")
            .arg(self.data.join("cluster"));
        process::output(&mut initdb)?;
        // The default lets only this machine connect.
        let rules = self.data.join("cluster/pg_hba.conf");
        let mut rules = fs::OpenOptions::new().append(true).open(&rules).context("opening pg_hba.conf")?;
        writeln!(rules, "host all all all scram-sha-256")?;
        Ok(tls.authority)
    }

    /// Makes the command of the server, as a process of this lab that ends with its parent.
    ///
    /// PostgreSQL refuses to run as root. A change of user clears the parent-death signal, so it is set again.
    pub(crate) fn command(&self, lab: &str, log: &Path) -> Result<Command> {
        let mut command = bound_to_parent(lab, "setpriv", log)?;
        command.args(owner_flags()?).args(["--pdeathsig", "KILL", "--"]).current_dir("/");
        command.arg(self.program("postgres")?).arg("-D").arg(self.data.join("cluster"));
        let mut settings = vec![
            format!("listen_addresses={}", self.address.ip()),
            format!("port={}", self.address.port()),
            format!("max_connections={}", self.max_connections),
            "unix_socket_directories=".to_owned(),
            // Only a crash of the machine can lose data. A kill of the server does not.
            "fsync=off".to_owned(),
        ];
        if self.release == Release::Debian {
            // As managed servers have it. A client that does not ask for TLS connects without.
            settings.push("ssl=on".to_owned());
            settings.push(format!("ssl_cert_file={}", self.data.join(CERTIFICATE).display()));
            settings.push(format!("ssl_key_file={}", self.data.join(KEY).display()));
        }
        for setting in &settings {
            command.args(["-c", setting]);
        }
        Ok(command)
    }

    pub(crate) fn answers(&self) -> bool {
        answers(self.address)
    }

    fn program(&self, name: &str) -> Result<PathBuf> {
        match self.release {
            Release::Debian => bin(name),
            Release::Newer => Ok(self.data.join(PROGRAMS).join(parts::newer_postgres()?.1).join(name)),
        }
    }

    /// Copies the programs to where the server's user may run them: it cannot enter root's home.
    fn copy_programs(&self) -> Result<()> {
        if self.release == Release::Debian {
            return Ok(());
        }
        let (folder, _) = parts::newer_postgres()?;
        process::output(Command::new("cp").arg("--archive").arg(folder).arg(self.data.join(PROGRAMS))).map(drop)
    }
}

/// Whether a server takes connections.
pub(crate) fn answers(address: SocketAddr) -> bool {
    let Ok(program) = bin("pg_isready") else { return false };
    let mut command = Command::new(program);
    command.args(["--quiet", "--host", &address.ip().to_string(), "--port", &address.port().to_string()]);
    process::output(&mut command).is_ok()
}

/// Waits until a server takes connections.
pub(crate) fn wait_until_it_answers(address: SocketAddr) -> Result<()> {
    let end = Instant::now() + READY_WITHIN;
    while !answers(address) {
        if Instant::now() > end {
            bail!("PostgreSQL at {address} did not answer within {} s", READY_WITHIN.as_secs());
        }
        thread::sleep(Duration::from_millis(25));
    }
    Ok(())
}

/// Runs SQL with `psql`. Answers a line per row, with `|` between columns.
pub(crate) fn psql(address: SocketAddr, (user, password): (&str, &str), database: &str, sql: &str) -> Result<String> {
    let mut psql = Command::new(bin("psql")?);
    psql.args(["--no-psqlrc", "--no-align", "--tuples-only", "--set", "ON_ERROR_STOP=1", "--username", user]);
    psql.args(["--host", &address.ip().to_string(), "--port", &address.port().to_string()]);
    process::output(psql.args(["--dbname", database, "--command", sql]).env("PGPASSWORD", password))
}

/// An empty PostgreSQL server for one test. It ends when this is dropped, and when this process ends.
#[derive(Debug)]
pub struct Postgres {
    /// The address that it listens on.
    pub address: SocketAddr,
    /// The authority of its certificate, as PEM.
    pub authority: String,
    server: Server,
    log: PathBuf,
    child: Child,
}

impl Postgres {
    /// Starts a server on a free port of loopback, and waits until it answers.
    ///
    /// # Errors
    /// PostgreSQL is not installed and may not be, or the server does not start.
    pub fn start(max_connections: u32) -> Result<Self> {
        Self::start_release(Release::Debian, max_connections)
    }

    /// Starts a server of a newer release than Debian's, which has no TLS.
    ///
    /// # Errors
    /// As [`Self::start`]; or its programs cannot be fetched.
    pub fn start_newer(max_connections: u32) -> Result<Self> {
        Self::start_release(Release::Newer, max_connections)
    }

    fn start_release(release: Release, max_connections: u32) -> Result<Self> {
        // Its clients serve both releases.
        parts::postgres().ensure(false)?;
        let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
        let address = SocketAddr::new(loopback, ports::free(loopback)?);
        // Not in the cache folder: the server's user cannot enter root's home.
        let data = std::env::temp_dir().join(format!("berth-lab-postgres-{}-{}", std::process::id(), address.port()));
        let log =
            folders::make(folders::cache()?.join("dev-servers"))?.join(format!("postgres-{}.log", address.port()));
        let server = Server { release, address, data, max_connections };
        let authority = server.initialize()?;
        let child = spawn(&server, &log)?;
        let mut this = Self { address, authority, server, log, child };
        this.wait()?;
        Ok(this)
    }

    /// Runs SQL as the admin. Answers a line per row.
    ///
    /// # Errors
    /// `psql` failed. The error has its stderr.
    pub fn psql(&self, database: &str, sql: &str) -> Result<String> {
        psql(self.address, (USER, PASSWORD), database, sql)
    }

    /// Kills the server, as a crash would.
    pub fn stop(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts the server again, with its data.
    pub fn start_again(&mut self) -> Result<()> {
        self.child = spawn(&self.server, &self.log)?;
        self.wait()
    }

    fn wait(&mut self) -> Result<()> {
        let server = &self.server;
        process::wait_until("PostgreSQL", &mut self.child, &self.log, READY_WITHIN, || server.answers())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // It may have been stopped already. A rest in the folder for temporary files is harmless.
        let _ = self.stop();
        let _ = fs::remove_dir_all(&self.server.data);
        let _ = fs::remove_file(&self.log);
    }
}

fn spawn(server: &Server, log: &Path) -> Result<Child> {
    process::spawn_from_lasting_thread(server.command("postgres", log)?).context("starting PostgreSQL")
}

/// The path of one of PostgreSQL's programs, of the newest version that is installed.
fn bin(program: &str) -> Result<PathBuf> {
    parts::postgres_bin()
        .map(|folder| folder.join(program))
        .context("looking for PostgreSQL: apt-get install postgresql")
}

fn owner_flags() -> Result<Vec<String>> {
    if !folders::is_root() {
        return Ok(Vec::new());
    }
    let (user, group) = owner()?;
    Ok(vec![format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".to_owned()])
}

/// The user and group that Debian's package creates.
fn owner() -> Result<(u32, u32)> {
    let passwd = fs::read_to_string("/etc/passwd")?;
    let line = passwd.lines().find(|line| line.starts_with("postgres:")).context("looking for the user postgres")?;
    let mut ids = line.split(':').skip(2).filter_map(|id| id.parse().ok());
    ids.next().zip(ids.next()).context("reading /etc/passwd")
}
