mod api;
mod dashboard;
mod promtool;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

pub use self::api::Sample;
pub use self::dashboard::dashboard_queries;
pub use self::promtool::promtool;
use crate::process::Process;
use crate::programs::PROMETHEUS;
use crate::supervisor::{Supervisor, text};
use crate::{Error, port};

/// How long an answer may be awaited.
const PATIENCE: Duration = Duration::from_secs(30);

/// A Prometheus on a free port of the loopback address, that scrapes four times a second.
///
/// Dropping it kills it and removes its folder; so does the end of the process, however it ends.
#[derive(Debug)]
pub struct Prometheus {
    process: Process,
    port: u16,
}

impl Prometheus {
    /// One that scrapes nothing yet.
    #[must_use]
    pub fn builder() -> PrometheusBuilder {
        PrometheusBuilder::default()
    }

    /// The loopback address it listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        port::at(self.port)
    }

    /// The process id; `None` while it is down.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    /// What a query yields now: a series each, or a number without labels.
    ///
    /// # Errors
    ///
    /// When Prometheus does not answer, or does not understand the query.
    pub async fn query(&self, query: &str) -> Result<Vec<Sample>, Error> {
        api::query(self.addr(), query).await
    }

    /// Waits until a query yields what `is_so`, and returns it.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query), or when it is not so within 30 s, with what there is.
    pub async fn until(
        &self,
        query: &str,
        is_so: impl Fn(&[Sample]) -> bool,
    ) -> Result<Vec<Sample>, Error> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let samples = self.query(query).await?;
            if is_so(&samples) {
                return Ok(samples);
            }
            if Instant::now() > deadline {
                let what = format!("`{query}` is not so within {PATIENCE:?}: {samples:?}");
                return Err(Error::new(what));
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Those of these queries that yield nothing now, or no number, such as those of a
    /// [dashboard](dashboard_queries).
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    pub async fn unanswered(&self, queries: &[String]) -> Result<Vec<String>, Error> {
        let mut unanswered = Vec::new();
        for query in queries {
            let samples = self.query(query).await?;
            if samples.iter().all(|sample| sample.value.is_nan()) {
                unanswered.push(query.clone());
            }
        }
        Ok(unanswered)
    }
}

/// What a [`Prometheus`] is to scrape; [`start`](Self::start) makes it.
#[derive(Clone, Debug, Default)]
pub struct PrometheusBuilder {
    targets: Vec<(String, SocketAddr)>,
    rules: Option<String>,
}

impl PrometheusBuilder {
    /// Reads `/metrics` at this address; the series have this label `job`. Default: nothing.
    #[must_use]
    pub fn scrape(mut self, job: impl Into<String>, addr: SocketAddr) -> Self {
        self.targets.push((job.into(), addr));
        self
    }

    /// A file of rules, evaluated as often as it scrapes. Default: none.
    #[must_use]
    pub fn rules(mut self, yaml: impl Into<String>) -> Self {
        self.rules = Some(yaml.into());
        self
    }

    /// Starts it and returns when it answers; nothing needs to be scraped by then.
    ///
    /// # Errors
    ///
    /// When Prometheus [is not installed](Error::is_not_installed), or does not start.
    pub async fn start(self) -> Result<Prometheus, Error> {
        let program = PROMETHEUS.find()?;
        let supervisor = Arc::new(Supervisor::start().await?);
        port::starting(async |port| {
            let prometheus = self.server(&supervisor, &program, port)?;
            let is_ready = |log: String| log.contains("Server is ready to receive web requests");
            let process = &prometheus.process;
            process.start(|server| is_ready(server.log())).await?;
            Ok(prometheus)
        })
        .await
    }

    fn server(
        &self,
        supervisor: &Arc<Supervisor>,
        program: &Path,
        port: u16,
    ) -> Result<Prometheus, Error> {
        let dir = supervisor.dir();
        let (file, data) = (dir.join("prometheus.yml"), dir.join("data"));
        supervisor.make_dir(&data)?;
        supervisor.write(&file, &self.config())?;
        if let Some(rules) = &self.rules {
            supervisor.write(&dir.join("rules.yml"), rules)?;
        }
        let argv = vec![
            text(program)?,
            format!("--config.file={}", text(&file)?),
            format!("--storage.tsdb.path={}", text(&data)?),
            format!("--web.listen-address={}", port::at(port)),
        ];
        let process = Process::new(Arc::clone(supervisor), argv);
        Ok(Prometheus { process, port })
    }

    fn config(&self) -> String {
        let mut config = "global: {scrape_interval: 250ms, scrape_timeout: 250ms, \
                          evaluation_interval: 250ms}\n"
            .to_owned();
        if self.rules.is_some() {
            config.push_str("rule_files: [rules.yml]\n");
        }
        config.push_str("scrape_configs:\n");
        for (job, addr) in &self.targets {
            let _infallible = writeln!(
                config,
                "  - {{job_name: {job}, static_configs: [{{targets: [\"{addr}\"]}}]}}"
            );
        }
        config
    }
}
