//! Child processes that cannot outlive their parent, and an identity for processes whose numbers are reused.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::Write as _,
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Mutex, OnceLock, PoisonError,
        mpsc::{self, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

/// A variable in the environment of every process of a lab, so that a forgotten one can be found.
pub(crate) const MARK: &str = "BERTH_LAB_PROCESS_OF";

/// Variables of the caller's shell that would lead a child to a real cluster, Temporal or Doppler.
const FOREIGN_SERVERS: [&str; 6] =
    ["KUBECONFIG", "TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_API_KEY", "TEMPORAL_PROFILE", "DOPPLER_TOKEN"];

/// A process, identified by its number and start time: numbers alone are reused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessId {
    /// Its name in the lab.
    pub(crate) name: String,
    /// Its number.
    pub(crate) pid: u32,
    started: u64,
}

impl ProcessId {
    pub(crate) fn new(name: &str, pid: u32) -> Self {
        Self { name: name.to_owned(), pid, started: start_time(pid).unwrap_or_default() }
    }

    /// Whether this process still runs. A zombie does not.
    pub(crate) fn is_alive(&self) -> bool {
        start_time(self.pid) == Some(self.started)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if self.is_alive()
            && let Some(pid) = Pid::from_raw(self.pid.cast_signed())
        {
            // It may end between the check and the call.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }
}

/// The 22nd field of /proc/PID/stat, or `None` for a process that is gone or a zombie.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.get(stat.rfind(')')? + 2..)?.split(' ');
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Makes a command whose process the kernel kills when the *thread* that spawns it ends. Output goes to `log`.
pub(crate) fn bound_to_parent(lab: &str, program: impl AsRef<OsStr>, log: &Path) -> Result<Command> {
    let output = File::create(log).with_context(|| format!("creating {}", log.display()))?;
    let mut command = if cfg!(target_os = "linux") {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    for name in FOREIGN_SERVERS {
        command.env_remove(name);
    }
    command.env(MARK, lab).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    Ok(command)
}

type Spawned = std::io::Result<Child>;
type Request = (Command, Sender<Spawned>);

/// Spawns a command from a thread that lives as long as this process.
///
/// A bound process ends with the thread that spawned it, and a test's thread ends before a server that tests share.
pub(crate) fn spawn_from_lasting_thread(command: Command) -> Result<Child> {
    static SPAWNER: OnceLock<Mutex<Sender<Request>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (requests, received) = mpsc::channel::<Request>();
        thread::spawn(move || {
            for (mut command, answer) in received {
                // The receiver is gone only if the requesting thread has panicked.
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(requests)
    });
    let (answer, spawned) = mpsc::channel();
    let requests = spawner.lock().unwrap_or_else(PoisonError::into_inner).clone();
    requests.send((command, answer)).context("requesting a process")?;
    Ok(spawned.recv().context("waiting for a process")??)
}

/// Waits for a condition as long as `child` runs. The error has the last lines of its log.
pub(crate) fn wait_until(
    what: &str,
    child: &mut Child,
    log: &Path,
    limit: Duration,
    mut done: impl FnMut() -> bool,
) -> Result<()> {
    let end = Instant::now() + limit;
    while !done() {
        if let Some(status) = child.try_wait()? {
            bail!("{what} ended ({status}):\n{}", tail(log));
        }
        if Instant::now() > end {
            bail!("{what} was not ready within {} s:\n{}", limit.as_secs(), tail(log));
        }
        thread::sleep(Duration::from_millis(25));
    }
    Ok(())
}

/// Kills a child and waits for its end. It may have ended already.
pub fn kill(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// Waits for the end of a process that is not a child of this one.
pub(crate) fn wait_until_gone(process: &ProcessId) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(10);
    while process.is_alive() {
        if Instant::now() > end {
            bail!("{} (process {}) does not end", process.name, process.pid);
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

pub(crate) fn accepts_connections(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok()
}

pub(crate) fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    let last = lines[lines.len().saturating_sub(15)..].join("\n  ");
    format!("  {last}\n  (all of it: {})", log.display())
}

/// Runs a command to its end and answers its stdout. A failure's error has its stderr.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    output_with_input(command, "")
}

/// Runs a command like [`output`], with a text for its standard input.
pub(crate) fn output_with_input(command: &mut Command, input: &str) -> Result<String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("running {command:?}"))?;
    let mut stdin = child.stdin.take().context("writing to a child")?;
    let input = input.to_owned();
    // Written while the output is read: a child may answer before it has read all of its input.
    let writer = thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output()?;
    // A child need not read its input to the end. Its exit code tells whether it succeeded.
    let _ = writer.join();
    if !output.status.success() {
        bail!("{command:?} failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command line, split at blanks.
pub(crate) fn run(line: &str) -> Result<String> {
    let mut words = line.split(' ');
    output(Command::new(words.next().unwrap_or_default()).args(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reused_number_is_another_process() {
        let me = ProcessId::new("me", std::process::id());
        assert!(me.is_alive());
        assert!(!ProcessId { started: me.started + 1, ..me }.is_alive());
    }

    #[test]
    fn zombie_is_not_alive() {
        let mut child = Command::new("true").spawn().unwrap();
        let id = ProcessId::new("true", child.id());
        let end = Instant::now() + Duration::from_secs(10);
        while id.is_alive() && Instant::now() < end {
            thread::yield_now();
        }
        assert!(!id.is_alive());
        child.wait().unwrap();
    }
}
