use serde_json::Value;

use super::line::{Lines, Thread};

/// Hands out threads, each number once: viewers tell threads apart by it.
#[derive(Debug)]
pub struct Threads {
    next: u64,
}

impl Threads {
    /// `after`: the highest number of a process. A thread with its process's number would be its main thread.
    pub fn after(after: u64) -> Self {
        Self { next: after + 1 }
    }

    pub fn add(&mut self, pid: u64, name: &str, place: u64, lines: &mut Lines) -> Thread {
        let thread = Thread { pid, tid: self.next };
        self.next += 1;
        lines.metadata(thread, "thread_name", ("name", name.into()));
        lines.metadata(thread, "thread_sort_index", ("sort_index", place.into()));
        thread
    }
}

/// Names a process.
pub fn process(pid: u64, name: &str, label: Option<&str>, place: u64, lines: &mut Lines) {
    let whole = Thread { pid, tid: 0 };
    lines.metadata(whole, "process_name", ("name", name.into()));
    lines.metadata(whole, "process_sort_index", ("sort_index", place.into()));
    if let Some(label) = label {
        lines.metadata(whole, "process_labels", ("labels", Value::from(label)));
    }
}
