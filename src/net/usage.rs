use crate::world::Usage;

/// Kernel clock ticks in a second: fixed at 100 in Linux's user interface (`USER_HZ`).
const TICKS_PER_S: f64 = 100.0;

/// What this process has used, from `/proc`; `None` where there is no such thing.
pub fn usage() -> Option<Usage> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the command in brackets, which may contain anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let rss_kib: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()?;
    Some(Usage {
        cpu_s: ticks / TICKS_PER_S,
        rss_bytes: rss_kib * 1024,
        open_files: std::fs::read_dir("/proc/self/fd")
            .ok()
            .map(|files| files.count() as u64),
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn this_process_uses_some_memory() {
        assert!(super::usage().is_some_and(|u| u.rss_bytes > 100_000));
    }
}
