mod launched;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{env, fmt, fs, io, process, thread};

use tokio::sync::watch;

pub(crate) use self::launched::Launched;
use crate::Error;
use crate::account::Account;
use crate::error::Context;

const SCRIPT: &str = include_str!("supervisor.sh");

/// A shell that starts servers for this process, and kills them and removes their folder
/// when its standard input ends: when this is dropped, or when the process has died.
pub(crate) struct Supervisor {
    account: Account,
    dir: PathBuf,
    stdin: Mutex<ChildStdin>,
    reports: Arc<Mutex<Reports>>,
    next: AtomicU64,
}

/// What the supervisor reports about a command or a server.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Report {
    pid: Option<u32>,
    ended: Option<i32>,
    done: Option<i32>,
}

/// By number; removed by who asked. Cleared when the supervisor has ended.
type Reports = HashMap<u64, watch::Sender<Report>>;

impl Supervisor {
    /// Starts the shell, which makes a folder for the servers.
    pub(crate) async fn start() -> Result<Self, Error> {
        static FOLDERS: AtomicU64 = AtomicU64::new(0);
        let account = Account::current()?;
        let run = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let dir = account.base().join(format!("run-{}-{run}", process::id()));
        let mut child = spawn(account, &dir).context(|| "cannot run `/bin/sh`".to_owned())?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::new("`/bin/sh` started without its pipes"));
        };
        let (ready, waiting) = watch::channel(Report::default());
        let reports = Arc::new(Mutex::new(Reports::from([(0, ready)])));
        let reader = Reader {
            child,
            reports: reports.clone(),
        };
        // A thread, not a task: servers outlive the runtime of the test that started them.
        // It ends with the supervisor, and reaps it.
        thread::Builder::new()
            .name("testkit-supervisor".to_owned())
            .spawn(move || reader.run(stdout))
            .context(|| "cannot start a thread".to_owned())?;
        let supervisor = Self {
            account,
            dir,
            stdin: Mutex::new(stdin),
            reports,
            next: AtomicU64::new(1),
        };
        match status(waiting, |report| report.done).await {
            Some(0) => Ok(supervisor),
            _ => Err(Error::new(format!(
                "cannot make the folder {}, or its parent is another user's",
                supervisor.dir.display()
            ))),
        }
    }

    /// The folder that ends with this.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn account(&self) -> Account {
        self.account
    }

    /// Writes a file that the servers own and only they can read.
    pub(crate) fn write(&self, path: &Path, contents: &str) -> Result<(), Error> {
        let write = || {
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(path)?;
            file.write_all(contents.as_bytes())?;
            self.give(path)
        };
        write().context(|| format!("cannot write {}", path.display()))
    }

    /// Makes a folder that the servers own, unless there is one.
    pub(crate) fn make_dir(&self, path: &Path) -> Result<(), Error> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .and_then(|()| self.give(path))
            .context(|| format!("cannot make {}", path.display()))
    }

    fn give(&self, path: &Path) -> io::Result<()> {
        match self.account.dropped() {
            Some((uid, gid)) => chown(path, Some(uid), Some(gid)),
            None => Ok(()),
        }
    }

    /// Starts a server, with a log of its own.
    pub(crate) fn launch(&self, argv: &[String]) -> Result<Launched, Error> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let log = self.dir.join(format!("{number}.log"));
        let report = self.register(number);
        let command = quote(argv);
        self.send(&format!(
            "launch {number} {} {command}",
            quote(&[text(&log)?])
        ))?;
        Ok(Launched {
            number,
            log,
            command: argv.join(" "),
            report,
        })
    }

    /// Runs a command to its end and returns what it printed.
    pub(crate) async fn run(&self, argv: &[String]) -> Result<String, Error> {
        self.launch(argv)?.succeeded().await
    }

    /// Does a thing to a server, and waits until it is done: see the functions of the script.
    pub(crate) async fn on(&self, server: &Launched, what: &str) -> Result<(), Error> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let report = self.register(number);
        self.send(&format!("reply {number} on {} {what}", server.number))?;
        let done = status(report, |report| report.done).await;
        lock(&self.reports).remove(&number);
        match done {
            Some(0) => Ok(()),
            Some(_) => Err(server.error(&format!("did not obey `{what}`"))),
            None => Err(gone()),
        }
    }

    fn register(&self, number: u64) -> watch::Receiver<Report> {
        let (sender, receiver) = watch::channel(Report::default());
        lock(&self.reports).insert(number, sender);
        receiver
    }

    fn send(&self, line: &str) -> Result<(), Error> {
        if line.contains('\n') {
            return Err(Error::new(format!("a line break in a command: {line}")));
        }
        lock(&self.stdin)
            .write_all(format!("{line}\n").as_bytes())
            .context(|| "the supervisor of the servers is gone".to_owned())
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

struct Reader {
    child: Child,
    reports: Arc<Mutex<Reports>>,
}

impl Reader {
    fn run(mut self, stdout: ChildStdout) {
        for line in BufReader::new(stdout).lines() {
            let Ok(line) = line else { break };
            self.apply(&line);
        }
        lock(&self.reports).clear();
        let _reaped = self.child.wait();
    }

    fn apply(&self, line: &str) -> Option<()> {
        let mut words = line.split(' ');
        let (what, number, value) = (words.next()?, words.next()?, words.next()?);
        let number = number.parse().ok()?;
        let value: i32 = value.parse().ok()?;
        let mut reports = lock(&self.reports);
        reports.get(&number)?.send_modify(|report| match what {
            "started" => report.pid = u32::try_from(value).ok(),
            "ended" => report.ended = Some(value),
            _ => report.done = Some(value),
        });
        if what == "ended" {
            reports.remove(&number);
        }
        Some(())
    }
}

/// In a process group of its own, so that Ctrl-C reaches neither it nor the servers.
fn spawn(account: Account, dir: &Path) -> io::Result<Child> {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", SCRIPT, "towerblock-testkit"])
        .arg(dir)
        // Nothing of the caller's reaches the servers: PGDATA, PGOPTIONS, LC_ALL.
        .env_clear()
        .envs(env::var_os("PATH").map(|path| ("PATH", path)))
        .envs([("LC_ALL", "C"), ("TZ", "UTC")])
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    if let Some((uid, gid)) = account.dropped() {
        command.uid(uid).gid(gid);
    }
    command.spawn()
}

/// Waits for a value in a report; `None` when the supervisor ends without one.
async fn status<T: Copy>(
    mut report: watch::Receiver<Report>,
    value: impl Fn(&Report) -> Option<T>,
) -> Option<T> {
    let found = report.wait_for(|report| value(report).is_some()).await;
    found.ok().and_then(|report| value(&report))
}

fn gone() -> Error {
    Error::new("the supervisor of the servers ended unasked")
}

/// The words as the shell takes them for one each.
fn quote(words: &[String]) -> String {
    let quoted = words
        .iter()
        .map(|word| format!("'{}'", word.replace('\'', r"'\''")));
    quoted.collect::<Vec<_>>().join(" ")
}

/// A path as text, for command lines and configuration files.
pub(crate) fn text(path: &Path) -> Result<String, Error> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Error::new(format!("{} is not UTF-8", path.display())))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
