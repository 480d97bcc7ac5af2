use std::env;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

pub(crate) const SCENE: &str = "LIFECYCLE_SCENE";

/// The server as a process; it is killed when dropped.
pub(crate) struct Server {
    child: Child,
    output: Option<BufReader<ChildStdout>>,
    pub(crate) address: SocketAddr,
}

/// How the process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) said: String,
    pub(crate) at: Instant,
}

impl Server {
    /// With so many milliseconds for drain, grace and close, and words for what else it does.
    pub(crate) fn start(scene: &str) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "scene::act", "--nocapture"])
            .env(SCENE, scene)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut lines = output.by_ref().lines().map_while(Result::ok);
        let address = lines.find_map(|line| line.strip_prefix("listening ")?.parse().ok());
        Self {
            child,
            output: Some(output),
            address: address.unwrap(),
        }
    }

    pub(crate) fn signal(&self, name: &str) -> Instant {
        let pid = self.child.id().to_string();
        let kill = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(kill.unwrap().success());
        Instant::now()
    }

    pub(crate) async fn ended(mut self) -> Ended {
        let mut output = self.output.take().unwrap();
        let ended = tokio::task::spawn_blocking(move || {
            let mut said = String::new();
            // Its output ends with it.
            output.read_to_string(&mut said).unwrap();
            let code = self.child.wait().unwrap().code();
            let at = Instant::now();
            Ended { code, said, at }
        });
        let patience = Duration::from_secs(20);
        timeout(patience, ended).await.unwrap().unwrap()
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::connect(self.address).await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A connection that speaks HTTP/1.1, as far as it goes.
pub(crate) struct Client {
    stream: TcpStream,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        Ok(Self { stream })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// The answer, as far as it comes at once, to a GET whose answer is short.
    pub(crate) async fn get(&mut self, path: &str) -> std::io::Result<String> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n");
        self.stream.write_all(request.as_bytes()).await?;
        self.answer().await
    }

    /// Up to the end of a body with a stated length.
    pub(crate) async fn answer(&mut self) -> std::io::Result<String> {
        let mut answer = String::new();
        loop {
            if let Some((head, body)) = answer.split_once("\r\n\r\n") {
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "));
                let length = length.map_or(0, |length| length.parse().unwrap());
                if body.len() >= length {
                    return Ok(answer);
                }
            }
            let more = self.some().await?;
            if more.is_empty() {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            answer.push_str(&more);
        }
    }

    /// What comes next; nothing at the end.
    pub(crate) async fn some(&mut self) -> std::io::Result<String> {
        let mut buf = [0; 4_096];
        let read = self.stream.read(&mut buf).await?;
        Ok(String::from_utf8_lossy(buf.get(..read).unwrap()).into_owned())
    }

    /// Reads to the end, which may be a reset; when that was.
    pub(crate) async fn end(&mut self) -> Instant {
        while self.some().await.is_ok_and(|some| !some.is_empty()) {}
        Instant::now()
    }
}
