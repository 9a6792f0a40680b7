//! The program in a folder of its own, as somebody at a prompt has it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use serde_json::Value;

/// How long anything may take that has to happen. Only a hanging program takes so long.
pub const PATIENCE: Duration = Duration::from_secs(240);
/// Between two looks at whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A folder to work in; removed in the end unless the test fails.
pub struct Desk {
    root: PathBuf,
    started: AtomicU32,
}

/// What the program left when it ended.
#[derive(Debug)]
pub struct Output {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// The program while it runs; killed if the test ends before.
pub struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Desk {
    pub fn new(test: &str) -> Self {
        let name = format!("cli-{}-{test}", std::process::id());
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(root.join("work")).expect("the folder for tests can be written");
        Self {
            root,
            started: AtomicU32::new(0),
        }
    }

    /// A path in the folder that the program runs in.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join("work").join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("the folder for tests can be written");
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn json(&self, name: &str) -> Value {
        json(&self.read(name))
    }

    /// The events that a run has written to `out/events.ndjson` by now, whole lines only.
    pub fn events(&self, out: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path(out).join("events.ndjson")).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(json).collect()
    }

    /// Runs the program to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.run_with(&[], args)
    }

    /// The same with variables in its environment.
    pub fn run_with(&self, env: &[(&str, &str)], args: &[&str]) -> Output {
        self.start_with(env, args).wait()
    }

    pub fn start(&self, args: &[&str]) -> Running {
        self.start_with(&[], args)
    }

    fn start_with(&self, env: &[(&str, &str)], args: &[&str]) -> Running {
        self.start_by(Command::new(env!("CARGO_BIN_EXE_rtcstorm")), env, args)
    }

    /// Runs it to its end by a command that is given the program, and what that is given, behind what it has.
    pub fn run_by(&self, mut by: Command, args: &[&str]) -> Output {
        by.arg(env!("CARGO_BIN_EXE_rtcstorm"));
        self.start_by(by, &[], args).wait()
    }

    /// Runs it to its end where no file may become larger than that, as on a disk that is full.
    #[cfg(unix)]
    pub fn run_with_files_up_to(&self, kib: u32, args: &[&str]) -> Output {
        let mut shell = Command::new("sh");
        // Blocks of 512 bytes. What writes more gets an error instead of a signal.
        let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", kib * 2);
        shell.args(["-c", &script]);
        self.run_by(shell, args)
    }

    fn start_by(&self, mut command: Command, env: &[(&str, &str)], args: &[&str]) -> Running {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let [stdout, stderr] = ["stdout", "stderr"].map(|name| self.root.join(format!("{number}.{name}")));
        let file = |path| fs::File::create(path).expect("the folder for tests can be written");
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["RTCSTORM_", "GITHUB_"].iter().any(|ours| text.starts_with(ours)) || text == "NO_COLOR" {
                command.env_remove(name);
            }
        }
        let child = command
            .args(args)
            // Whoever runs the tests has a configuration of their own.
            .env("XDG_CONFIG_HOME", self.root.join("config"))
            .envs(env.iter().copied())
            .current_dir(self.path(""))
            .stdin(Stdio::null())
            .stdout(file(&stdout))
            .stderr(file(&stderr))
            .spawn()
            .expect("the program can be started");
        Running {
            child,
            stdout,
            stderr,
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.root);
        }
    }
}

impl Running {
    /// Waits for its end.
    #[track_caller]
    pub fn wait(mut self) -> Output {
        let mut status = None;
        wait_until("the program ends", || {
            status = self.child.try_wait().expect("a child can be waited for");
            status.is_some()
        });
        Output {
            code: status.and_then(|status| status.code()),
            stdout: fs::read_to_string(&self.stdout).expect("stdout is text"),
            stderr: self.stderr(),
        }
    }

    /// What it has said on stderr by now.
    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).expect("stderr is text")
    }

    /// Ends it as the system does when memory is short: it can't say or write anything any more.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("a child can be waited for");
    }

    /// The processes that it has started and that are there.
    #[cfg(target_os = "linux")]
    pub fn children(&self) -> Vec<u32> {
        let parent = self.child.id();
        let all = fs::read_dir("/proc").expect("Linux has it").flatten();
        let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        pids.filter(|pid| parent_of(*pid) == Some(parent)).collect()
    }

    /// Ctrl-C.
    #[cfg(unix)]
    pub fn interrupt(&self) {
        self.signal("INT");
    }

    /// What a service that is stopped is told.
    #[cfg(unix)]
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    #[cfg(unix)]
    fn signal(&self, name: &str) {
        let line = format!("kill -{name} {}", self.child.id());
        let killed = Command::new("sh").args(["-c", &line]).status();
        assert!(killed.is_ok_and(|status| status.success()), "{line}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Output {
    #[track_caller]
    pub fn assert_code(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Somewhere on stderr.
    #[track_caller]
    pub fn assert_says(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "no `{text}` on stderr: {self:#?}");
        self
    }

    #[track_caller]
    pub fn assert_no_data(&self) -> &Self {
        assert!(self.stdout.is_empty(), "{self:#?}");
        self
    }

    /// No panic of ours, and no bug.
    #[track_caller]
    pub fn assert_sane(&self) -> &Self {
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
        self
    }
}

/// Whose child a process is that is there, and has not ended.
#[cfg(target_os = "linux")]
fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Behind its name, which may hold anything: a state and the parent.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let is_over = fields.next()? == "Z";
    let parent = fields.next()?.parse().ok()?;
    (!is_over).then_some(parent)
}

/// Whether a process is there, and has not ended.
#[cfg(target_os = "linux")]
pub fn is_alive(pid: u32) -> bool {
    parent_of(pid).is_some()
}

#[track_caller]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "waited in vain: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

#[track_caller]
pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
