//! The profile of a measurement: the processor time that each program took, and the events of a rollout.

use std::{collections::BTreeMap, fmt, fs, time::Duration};

use anyhow::Context;
use berth_lab::Lab;

/// The processor time of each program since its start, or within a measurement.
pub(crate) struct Profile(BTreeMap<String, Duration>);

impl Profile {
    /// Reads the processor time of the lab's programs, of the worker and of this process.
    pub(crate) fn now(lab: &Lab, worker: u32) -> anyhow::Result<Self> {
        let others = [("berth worker".to_owned(), worker), ("this client".to_owned(), std::process::id())];
        let times = lab.processes()?.into_iter().chain(others).map(|(name, pid)| Ok((name, processor_time(pid)?)));
        times.collect::<anyhow::Result<_>>().map(Self)
    }

    /// The difference to an earlier profile.
    pub(crate) fn since(self, earlier: &Self) -> Self {
        let before = |name| earlier.0.get(name).copied().unwrap_or_default();
        Self(self.0.iter().map(|(name, time)| (name.clone(), time.saturating_sub(before(name)))).collect())
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut most_first: Vec<_> = self.0.iter().filter(|(_, time)| time.as_secs_f64() >= 0.1).collect();
        most_first.sort_by_key(|(_, time)| std::cmp::Reverse(**time));
        let parts: Vec<_> =
            most_first.iter().map(|(name, time)| format!("{name} {:.1} s", time.as_secs_f64())).collect();
        let all: Duration = self.0.values().sum();
        write!(f, "{:.1} s of processor time: {}", all.as_secs_f64(), parts.join(", "))
    }
}

/// User and system time: the 14th and 15th field of /proc/PID/stat, in hundredths of a second.
pub(crate) fn processor_time(pid: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("the process {pid} is gone"))?;
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = fields.iter().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}
