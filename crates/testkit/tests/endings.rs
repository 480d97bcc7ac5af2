//! Servers end with the process that started them, however it ends.
//!
//! The process is this test binary, run again for one test with `SCENE` set.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic"
)]

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use towerblock_testkit::{Nginx, PgBouncer, PoolMode, Postgres, Prometheus, Redis};

const SCENE: &str = "TESTKIT_SCENE";
const PATIENCE: Duration = Duration::from_secs(10);

/// The other process. Alone, with no scene set, it has nothing to do.
#[tokio::test]
async fn scene() {
    let Ok(scene) = env::var(SCENE) else { return };
    let cluster = Postgres::builder().standbys(1).start().await.unwrap();
    let redis = Redis::builder().start().await.unwrap();
    let pooler = PgBouncer::builder(cluster.primary().addr(), PoolMode::Session);
    let pooler = pooler.start().await.unwrap();
    let prometheus = Prometheus::builder().start().await.unwrap();
    let balancer = Nginx::start(&[redis.addr()]).await.unwrap();
    let standby = &cluster.standbys()[0];
    let pids = [
        cluster.primary().pid(),
        standby.pid(),
        redis.pid(),
        pooler.pid(),
        prometheus.pid(),
        balancer.pid(),
    ];
    // SIGSTOP holds off every signal but SIGKILL.
    if scene.contains("paused") {
        standby.pause().await.unwrap();
        redis.pause().await.unwrap();
    }
    let shown: Vec<String> = pids.iter().map(|pid| pid.unwrap().to_string()).collect();
    println!("\nready {} {}", std::process::id(), shown.join(" "));
    match &*scene {
        "panic" => panic!("as the scene wants"),
        "drop" => drop((cluster, redis, pooler, prometheus, balancer)),
        "return" => return,
        _ => {}
    }
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn nothing_is_left_of_a_process_that_was_killed() {
    for scene in ["wait", "wait paused"] {
        let mut act = Act::start(scene);
        act.signal("KILL");
        act.child.wait().unwrap();
        act.leaves_nothing().await;
    }
}

#[tokio::test]
async fn nothing_is_left_of_a_process_that_was_terminated() {
    let mut act = Act::start("wait");
    act.signal("TERM");
    act.child.wait().unwrap();
    act.leaves_nothing().await;
}

#[tokio::test]
async fn nothing_is_left_of_a_process_that_panicked_or_returned() {
    for (scene, well) in [("panic", false), ("return", true)] {
        let mut act = Act::start(scene);
        assert_eq!(act.child.wait().unwrap().success(), well);
        act.leaves_nothing().await;
    }
}

#[tokio::test]
async fn nothing_is_left_of_what_was_dropped_and_its_supervisor_is_no_zombie() {
    let mut act = Act::start("drop");
    act.leaves_nothing().await;
    let deadline = Instant::now() + PATIENCE;
    while processes().iter().any(|it| it.parent == act.child.id()) {
        assert!(Instant::now() < deadline, "the process still has children");
        sleep(Duration::from_millis(10)).await;
    }
    act.signal("KILL");
    act.child.wait().unwrap();
}

#[tokio::test]
async fn nothing_is_left_of_an_nginx_whose_master_was_killed() {
    let nginx = Nginx::start(&[([127, 0, 0, 1], 9).into()]).await.unwrap();
    let master = nginx.pid().unwrap();
    let own = processes();
    let worker = own.iter().find(|it| it.parent == master).unwrap().pid;
    let is_there = |pid| {
        processes()
            .iter()
            .any(|it| it.pid == pid && it.state != 'Z')
    };
    let pid = master.to_string();
    let kill = Command::new("kill").args(["-s", "KILL", &pid]).status();
    assert!(kill.unwrap().success());
    let deadline = Instant::now() + PATIENCE;
    while is_there(master) {
        assert!(Instant::now() < deadline);
        sleep(Duration::from_millis(1)).await;
    }
    assert!(is_there(worker), "it goes on, and has no parent");
    drop(nginx);
    while is_there(worker) {
        assert!(Instant::now() < deadline, "the worker is left behind");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn ctrl_c_on_the_terminal_reaches_neither_servers_nor_supervisor() {
    let mut act = Act::start("wait");
    let own = processes();
    let group = |pid: u32| own.iter().find(|it| it.pid == pid).unwrap().group;
    for server in &act.servers {
        assert_ne!(group(*server), group(act.child.id()));
    }
    act.signal("KILL");
    act.child.wait().unwrap();
    act.leaves_nothing().await;
}

#[tokio::test]
async fn two_processes_make_the_template_at_once() {
    let temp = env::temp_dir().join(format!("towerblock-template-{}", std::process::id()));
    std::fs::create_dir(&temp).unwrap();
    std::fs::set_permissions(&temp, std::os::unix::fs::PermissionsExt::from_mode(0o1777)).unwrap();
    let acts = [(); 2].map(|()| Act::spawn("return", Some(&temp)));
    for child in acts {
        let mut act = Act::read(child, &temp);
        assert!(act.child.wait().unwrap().success());
        act.leaves_nothing().await;
    }
    let base = std::fs::read_dir(&temp).unwrap().flatten().next().unwrap();
    let kept = std::fs::read_dir(base.path()).unwrap().count();
    std::fs::remove_dir_all(&temp).unwrap();
    assert_eq!(kept, 1, "one template and no more");
}

/// The other process, ready, and what it started.
struct Act {
    child: Child,
    servers: Vec<u32>,
    /// Those of their process groups that they share with what looks after them.
    groups: Vec<u32>,
    /// How the folders of its servers begin.
    folders: String,
    /// Held open, for the process goes on writing.
    _output: BufReader<ChildStdout>,
}

impl Act {
    fn start(scene: &str) -> Self {
        let temp = env::temp_dir();
        Self::read(Self::spawn(scene, None), &temp)
    }

    fn spawn(scene: &str, temp: Option<&Path>) -> Child {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["--exact", "scene", "--nocapture"])
            .env(SCENE, scene);
        command.envs(temp.map(|temp| ("TMPDIR", temp)));
        let output = command.stdout(Stdio::piped()).stderr(Stdio::null());
        output.spawn().unwrap()
    }

    fn read(mut child: Child, temp: &Path) -> Self {
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut lines = output.by_ref().lines().map_while(Result::ok);
        let ready = lines.find_map(|line| line.strip_prefix("ready ").map(str::to_owned));
        let ready = ready.unwrap();
        let mut pids = ready.split(' ').map(|pid| pid.parse().unwrap());
        let own: u32 = pids.next().unwrap();
        assert_eq!(own, child.id());
        let servers: Vec<u32> = pids.collect();
        assert_eq!(servers.len(), 6);
        let own = processes();
        let theirs = own.iter().filter(|it| servers.contains(&it.pid));
        let groups = theirs.map(|it| it.group).collect();
        let folders = format!("{}/testkit-", temp.display());
        Self {
            child,
            servers,
            groups,
            folders,
            _output: output,
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let kill = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(kill.unwrap().success());
    }

    /// Waits until no process of it lives and no folder of it is there.
    async fn leaves_nothing(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = self.left();
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "left behind: {left:?}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    fn left(&self) -> Vec<String> {
        let run = format!("/run-{}-", self.child.id());
        let mut left: Vec<String> = processes()
            .into_iter()
            .filter(|it| it.state != 'Z')
            .filter(|it| self.groups.contains(&it.group) || it.command.contains(&run))
            .map(|it| format!("{} {}", it.pid, it.command))
            .collect();
        for base in std::fs::read_dir(Path::new(&self.folders).parent().unwrap()).unwrap() {
            for entry in std::fs::read_dir(base.unwrap().path())
                .into_iter()
                .flatten()
            {
                let path = entry.unwrap().path().display().to_string();
                if path.starts_with(&self.folders) && path.contains(&run) {
                    left.push(path);
                }
            }
        }
        left
    }
}

impl Drop for Act {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

struct Process {
    pid: u32,
    state: char,
    parent: u32,
    group: u32,
    /// With its working directory, which for a backend is its cluster's.
    command: String,
}

fn processes() -> Vec<Process> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| process(&entry.path(), entry.file_name().to_str()?.parse().ok()?))
        .collect()
}

fn process(folder: &Path, pid: u32) -> Option<Process> {
    let stat = std::fs::read_to_string(folder.join("stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut words = rest.split(' ');
    let command = std::fs::read(folder.join("cmdline")).unwrap_or_default();
    let cwd = std::fs::read_link(folder.join("cwd")).unwrap_or_default();
    Some(Process {
        pid,
        state: words.next()?.chars().next()?,
        parent: words.next()?.parse().ok()?,
        group: words.next()?.parse().ok()?,
        command: format!("{} in {}", String::from_utf8_lossy(&command), cwd.display()),
    })
}
