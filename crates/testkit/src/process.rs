use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::Error;
use crate::supervisor::{Launched, Supervisor};

/// How long a server may take to start, and to stop when asked politely.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server in the care of a supervisor: up, down or frozen.
#[derive(Debug)]
pub(crate) struct Process {
    supervisor: Arc<Supervisor>,
    argv: Vec<String>,
    running: Mutex<Option<Launched>>,
    pid: watch::Sender<Option<u32>>,
}

impl Process {
    /// A server that is down.
    pub(crate) fn new(supervisor: Arc<Supervisor>, argv: Vec<String>) -> Self {
        Self {
            supervisor,
            argv,
            running: Mutex::new(None),
            pid: watch::Sender::new(None),
        }
    }

    /// The process id while the server is up.
    pub(crate) fn pid(&self) -> Option<u32> {
        *self.pid.borrow()
    }

    /// Starts the server, unless it is up, and waits until it is ready. One that does not get
    /// ready is killed.
    pub(crate) async fn start(&self, is_ready: impl Fn(&Launched) -> bool) -> Result<(), Error> {
        let mut running = self.running.lock().await;
        if running.as_ref().is_some_and(|server| !server.has_ended()) {
            return Ok(());
        }
        // Cancel safety: in its place before the first await, so that whoever comes next finds it.
        let server = running.insert(self.supervisor.launch(&self.argv)?).clone();
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.pid.send_replace(server.pid());
            if server.pid().is_some() && is_ready(&server) {
                return Ok(());
            }
            if server.has_ended() {
                *running = None;
                self.pid.send_replace(None);
                return Err(server.error("ended before it was ready"));
            }
            if Instant::now() > deadline {
                self.supervisor.on(&server, "slay").await?;
                return Err(server.error("did not get ready"));
            }
            sleep(Duration::from_millis(3)).await;
        }
    }

    /// Asks the server to end by a signal, and waits until it has; it is killed when it does not.
    pub(crate) async fn stop(&self, signal: &str) -> Result<(), Error> {
        let mut running = self.running.lock().await;
        let Some(server) = running.as_ref() else {
            return Ok(());
        };
        self.supervisor.on(server, "thaw").await?;
        self.supervisor
            .on(server, &format!("notify {signal}"))
            .await?;
        let stopped = timeout(PATIENCE, server.ended()).await;
        if stopped.is_err() {
            self.supervisor.on(server, "slay").await?;
        }
        let result = stopped.map(drop).map_err(|_elapsed| {
            server.error(&format!("was killed, for it did not end on SIG{signal}"))
        });
        *running = None;
        self.pid.send_replace(None);
        result
    }

    /// Ends the server and all its children by SIGKILL.
    pub(crate) async fn kill(&self) -> Result<(), Error> {
        let mut running = self.running.lock().await;
        if let Some(server) = running.as_ref() {
            self.supervisor.on(server, "slay").await?;
            server.ended().await;
        }
        *running = None;
        self.pid.send_replace(None);
        Ok(())
    }

    /// Freezes the server and all its children by SIGSTOP.
    pub(crate) async fn pause(&self) -> Result<(), Error> {
        self.on_running("freeze").await
    }

    /// Ends a [`pause`](Self::pause) by SIGCONT.
    pub(crate) async fn resume(&self) -> Result<(), Error> {
        self.on_running("thaw").await
    }

    async fn on_running(&self, what: &str) -> Result<(), Error> {
        match self.running.lock().await.as_ref() {
            Some(server) => self.supervisor.on(server, what).await,
            None => Err(Error::new(format!(
                "`{}` is down, so `{what}` means nothing",
                self.argv.join(" ")
            ))),
        }
    }
}
