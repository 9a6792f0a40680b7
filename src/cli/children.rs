//! The processes that a session has started: what its end means to them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Those that are under way.
#[derive(Debug, Clone, Default)]
pub(super) struct Children(Arc<Mutex<BTreeMap<u32, Reach>>>);

/// Who hears what a child is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// It leads a group of processes, which all do. No terminal's Ctrl-C comes to them.
    Group,
    /// It alone: its group is ours.
    Alone,
}

/// A child that is under way, until this is dropped.
pub(super) struct Child {
    children: Children,
    pid: Option<u32>,
}

impl Children {
    /// Takes note of a child that was just started; `pid` is `None` if it has ended already.
    pub fn note(&self, pid: Option<u32>, reach: Reach) -> Child {
        self.all().extend(pid.map(|pid| (pid, reach)));
        Child {
            children: self.clone(),
            pid,
        }
    }

    /// Ends all of them at once: nobody is there any more to wait for them.
    pub fn kill(&self) {
        for (pid, reach) in std::mem::take(&mut *self.all()) {
            signal(pid, reach, Signal::Kill);
        }
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<u32, Reach>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Child {
    /// Has it do what it does at Ctrl-C.
    pub fn interrupt(&self) {
        let all = self.children.all();
        if let Some((pid, reach)) = self.pid.and_then(|pid| Some((pid, *all.get(&pid)?))) {
            signal(pid, reach, Signal::Interrupt);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Some(pid) = self.pid {
            self.children.all().remove(&pid);
        }
    }
}

#[derive(Clone, Copy)]
enum Signal {
    Interrupt,
    Kill,
}

#[cfg(unix)]
fn signal(pid: u32, reach: Reach, what: Signal) {
    use rustix::process::{Pid, Signal as Posix, kill_process, kill_process_group};
    let what = match what {
        Signal::Interrupt => Posix::INT,
        Signal::Kill => Posix::KILL,
    };
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return;
    };
    // It may have ended by now.
    let _ = match reach {
        Reach::Group => kill_process_group(pid, what),
        Reach::Alone => kill_process(pid, what),
    };
}

/// A console's Ctrl-C comes to all of its processes.
#[cfg(not(unix))]
fn signal(_pid: u32, _reach: Reach, _what: Signal) {}
