//! The example server as processes of its own, and what it stands on.

use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use towerblock_testkit::{Postgres, Redis};

use crate::processor;

pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The same on all instances.
const SECRET: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

/// What instances share.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) postgres: Postgres,
    pub(crate) redis: Redis,
}

impl Site {
    pub(crate) async fn start() -> Outcome<Self> {
        let postgres = Postgres::builder()
            .standbys(1)
            .setting("max_connections", "300")
            .start();
        let (postgres, redis) = (postgres.await?, Redis::builder().start().await?);
        Ok(Self { postgres, redis })
    }

    /// An instance that stands on them; `more` is added to its environment, or replaces it.
    pub(crate) async fn instance(&self, more: &[(&str, &str)]) -> Outcome<Instance> {
        let (primary, redis) = (self.postgres.primary().url(), self.redis.url());
        let replicas: Vec<_> = self
            .postgres
            .standbys()
            .iter()
            .map(towerblock_testkit::Server::url)
            .collect();
        let replicas = replicas.join(",");
        let mut environment = vec![
            ("DATABASE_URL", &*primary),
            ("DATABASE_READ_REPLICAS", &*replicas),
            ("REDIS_URL", &*redis),
        ];
        environment.extend(more);
        Instance::start(&environment).await
    }
}

/// One process; it is killed when dropped.
#[derive(Debug)]
pub(crate) struct Instance {
    process: Child,
    /// Line by line, before it listened.
    pub(crate) said: Vec<String>,
    pub(crate) address: SocketAddr,
}

impl Instance {
    /// The example server; returns when it is ready.
    pub(crate) async fn start(environment: &[(&str, &str)]) -> Outcome<Self> {
        let environment = [("RUST_LOG", "error"), ("SECRET_KEYS", SECRET)]
            .into_iter()
            .chain(environment.iter().copied());
        let instance = Self::of("examples/server", &[], environment)?;
        for _ in 0..600 {
            if get(instance.address, "/readyz")
                .await
                .is_ok_and(|(status, _)| status == 200)
            {
                return Ok(instance);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(format!("{} is not ready within 30 s", instance.address).into())
    }

    /// Any program that was built beside this one and says where it listens.
    pub(crate) fn of<'a>(
        program: &str,
        arguments: &[&str],
        environment: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Outcome<Self> {
        let own = std::env::current_exe()?;
        let folder = own.parent().ok_or("no folder")?;
        let mut command = Command::new(folder.join(program));
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).env("PORT", "0");
        command.args(arguments);
        for (name, value) in environment {
            // Nothing stands for what is not set.
            match value {
                "" => command.env_remove(name),
                value => command.env(name, value),
            };
        }
        let mut process = command.stdout(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(process.stdout.take().ok_or("no output")?).lines();
        let mut said = Vec::new();
        let address = loop {
            let line = lines.next().ok_or("a server ended at its start")??;
            if let Some(address) = line.strip_prefix("listening on http://") {
                break address.parse()?;
            }
            said.push(line);
        };
        // It says little more, and a pipe holds it all.
        std::thread::spawn(move || lines.count());
        Ok(Self {
            process,
            said,
            address,
        })
    }

    /// The processor time that it took so far.
    pub(crate) fn cpu(&self) -> Outcome<Duration> {
        processor::time(self.process.id())
    }

    /// Resident, in MB.
    pub(crate) fn memory(&self) -> Outcome<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: f64 = line
            .and_then(|line| line.trim().strip_suffix(" kB"))
            .ok_or("no VmRSS")?
            .parse()?;
        Ok(kib / 1_024.0)
    }

    /// The sum of all series of that name, at `/metrics`.
    pub(crate) async fn metric(&self, name: &str) -> Outcome<f64> {
        let (_, page) = get(self.address, "/metrics").await?;
        let of_it = |line: &&str| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
        };
        let value = |line: &str| line.rsplit(' ').next()?.parse::<f64>().ok();
        Ok(page.lines().filter(of_it).filter_map(value).sum())
    }

    /// Sends SIGTERM, and returns when it has ended.
    pub(crate) async fn end(mut self) -> Outcome<()> {
        let pid = self.process.id().to_string();
        Command::new("kill").arg(pid).status()?;
        while self.process.try_wait()?.is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Builds what `cargo build` is told so, optimised as this program is. Each call is a build of
/// its own: what one package asks of others is no part of another.
pub(crate) fn build(what: &[&str]) -> Outcome<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--release"])
        .args(what)
        .args([
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"),
        ])
        .status()?;
    if built.success() {
        return Ok(());
    }
    Err(format!("{} does not build", what.join(" ")).into())
}

/// A request of an operator on this machine.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Outcome<(u16, String)> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or("an answer without an end")?;
    let status = head.split(' ').nth(1).ok_or("an answer without a status")?;
    Ok((status.parse()?, body.to_owned()))
}
