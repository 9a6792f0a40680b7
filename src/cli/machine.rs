use crate::{plan::Machine, verdict::Grants};

/// What this machine grants the process. Raises the soft limit of open files to the hard one.
pub(super) fn limits() -> Machine {
    Machine {
        open_files: rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1024),
        memory_bytes: available_memory().unwrap_or(u64::MAX),
    }
}

/// What of it the generator is held against while a run is on.
pub(super) fn grants() -> Grants {
    Grants {
        cores: std::thread::available_parallelism().ok().map(usize::from),
        open_files: rlimit::increase_nofile_limit(u64::MAX).ok(),
    }
}

/// `MemAvailable` of Linux; `None` where there is no such thing.
fn available_memory() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}
