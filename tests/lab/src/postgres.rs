//! A PostgreSQL server, for a lab or for a test that needs nothing else: Debian's, with a cluster of its own.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Child, Command},
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::{
    parts, places, ports,
    process::{self, bound_to_parent},
};

const READY_WITHIN: Duration = Duration::from_secs(60);
/// The admin. Not secrets: they open nothing but a lab.
pub const USER: &str = "postgres";
/// The admin's password.
pub const PASSWORD: &str = "lab-admin";

/// A PostgreSQL server of one's own, with nothing in it. It ends when this is dropped, and when this process ends.
#[derive(Debug)]
pub struct Postgres {
    /// Where it listens.
    pub address: SocketAddr,
    data: PathBuf,
    log: PathBuf,
    max_connections: u32,
    child: Child,
}

impl Postgres {
    /// Starts one on a free port of loopback, and waits until it answers.
    ///
    /// # Errors
    /// It is not installed and may not be, or does not start.
    pub fn start(max_connections: u32) -> Result<Self> {
        parts::postgres().ensure(false)?;
        let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
        let address = SocketAddr::new(loopback, ports::free(loopback)?);
        // Not in the cache folder: root's home is closed to the user that the server runs as.
        let data = std::env::temp_dir().join(format!("berth-lab-postgres-{}-{}", std::process::id(), address.port()));
        initialize(&data)?;
        let log = places::make(places::cache()?.join("dev-servers"))?.join(format!("postgres-{}.log", address.port()));
        let child = spawn(&data, &log, address, max_connections)?;
        let mut server = Self { address, data, log, max_connections, child };
        server.wait()?;
        Ok(server)
    }

    /// Ends the server as a crash would.
    pub fn stop(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts it again, with what it had.
    pub fn start_again(&mut self) -> Result<()> {
        self.child = spawn(&self.data, &self.log, self.address, self.max_connections)?;
        self.wait()
    }

    fn wait(&mut self) -> Result<()> {
        let (program, address) = (bin("pg_isready")?, self.address);
        process::until("PostgreSQL", &mut self.child, &self.log, READY_WITHIN, || {
            let mut command = Command::new(&program);
            command.args(["--quiet", "--host", "127.0.0.1", "--port", &address.port().to_string()]);
            process::output(&mut command).is_ok()
        })
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // It may have been stopped already, and what it leaves in the folder for temporary files hurts nobody.
        let _ = self.stop();
        let _ = fs::remove_dir_all(&self.data);
        let _ = fs::remove_file(&self.log);
    }
}

/// The newest version there is: Debian keeps each in a folder of its own, off the path.
fn bin(program: &str) -> Result<PathBuf> {
    parts::postgres_bin()
        .map(|folder| folder.join(program))
        .context("looking for PostgreSQL: apt-get install postgresql")
}

fn initialize(data: &Path) -> Result<()> {
    places::make(data.to_owned())?;
    let password = data.join("password");
    fs::write(&password, PASSWORD)?;
    if places::is_root() {
        let (user, group) = owner()?;
        chown(data, Some(user), Some(group))?;
        chown(&password, Some(user), Some(group))?;
    }
    let mut command = as_owner(&bin("initdb")?)?;
    command.args([
        "--username",
        USER,
        "--auth",
        "scram-sha-256",
        "--encoding",
        "UTF8",
        "--locale",
        "C.UTF-8",
        "--no-sync",
    ]);
    command.arg("--pwfile").arg(&password).arg("--pgdata").arg(data.join("cluster"));
    process::output(&mut command).map(drop)
}

fn spawn(data: &Path, log: &Path, address: SocketAddr, max_connections: u32) -> Result<Child> {
    let mut command = bound_to_parent("postgres", "setpriv", log)?;
    command.args(owner_flags()?).arg("--").arg(bin("postgres")?).arg("-D").arg(data.join("cluster"));
    for setting in [
        format!("listen_addresses={}", address.ip()),
        format!("port={}", address.port()),
        format!("max_connections={max_connections}"),
        "unix_socket_directories=".to_owned(),
        // A crash of the machine may lose a lab's data; a kill of the server may not, and does not.
        "fsync=off".to_owned(),
        "synchronous_commit=off".to_owned(),
    ] {
        command.args(["-c", &setting]);
    }
    command.spawn().context("starting PostgreSQL")
}

/// PostgreSQL refuses to run as root.
fn as_owner(program: &Path) -> Result<Command> {
    let mut command = Command::new("setpriv");
    command.args(owner_flags()?).arg("--").arg(program).current_dir("/");
    Ok(command)
}

fn owner_flags() -> Result<Vec<String>> {
    if !places::is_root() {
        return Ok(Vec::new());
    }
    let (user, group) = owner()?;
    Ok(vec![format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".to_owned()])
}

/// The user that Debian's package makes.
fn owner() -> Result<(u32, u32)> {
    let passwd = fs::read_to_string("/etc/passwd")?;
    let line = passwd.lines().find(|line| line.starts_with("postgres:")).context("there is no user postgres")?;
    let mut ids = line.split(':').skip(2).filter_map(|id| id.parse().ok());
    ids.next().zip(ids.next()).context("reading /etc/passwd")
}
