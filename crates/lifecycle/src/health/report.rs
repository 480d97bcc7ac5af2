use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use http::request::Parts;
use http::{HeaderValue, Request, Response};
use serde_json::{Map, Value, json};
use tower_service::Service;
use towerblock_core::{Metric, Stats, Value as Number};

use super::probe::answer;
use super::watched::Watched;
use crate::Health;

type IsAllowed = Arc<dyn Fn(&Parts) -> bool + Send + Sync>;

/// Answers with `application/health+json`, in the form of draft-inadarei-api-health-check-06: `pass`, `warn`
/// while a degraded check fails, or `fail` with a 503 while the service is not ready.
///
/// Everyone gets the status. The instance, the version, each check and the numbers are for those
/// whom [`details_for`](Self::details_for) admits. Made by [`Health::report`]; clones share what
/// is known.
#[derive(Clone)]
#[must_use = "a report does nothing until it is routed"]
pub struct Report {
    health: Health,
    instance: Option<Arc<str>>,
    version: Option<Arc<str>>,
    stats: Vec<Arc<dyn Stats>>,
    is_allowed: Option<IsAllowed>,
}

impl Report {
    pub(super) const fn new(health: Health) -> Self {
        Self {
            health,
            instance: None,
            version: None,
            stats: Vec::new(),
            is_allowed: None,
        }
    }

    /// Which instance this is: `serviceId`. Default: none.
    pub fn instance(mut self, id: impl Into<Arc<str>>) -> Self {
        self.instance = Some(id.into());
        self
    }

    /// Which version runs: `version`. Default: none.
    pub fn version(mut self, version: impl Into<Arc<str>>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Shows the numbers of a crate beside the checks; it can be called for each. Default: those of
    /// the lifecycle.
    pub fn stats(mut self, stats: Arc<dyn Stats>) -> Self {
        self.stats.push(stats);
        self
    }

    /// Who may see the details, by the head of the request. Default: nobody.
    pub fn details_for(
        mut self,
        is_allowed: impl Fn(&Parts) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.is_allowed = Some(Arc::new(is_allowed));
        self
    }

    fn answer(&self, parts: &Parts) -> Response<String> {
        let is_ready = self.health.is_ready();
        let is_degraded = self.health.checks().any(|check| status(check) != "pass");
        let status = match (is_ready, is_degraded) {
            (false, _) => "fail",
            (true, true) => "warn",
            (true, false) => "pass",
        };
        let mut report = Map::new();
        report.insert("status".to_owned(), status.into());
        if self.is_allowed.as_ref().is_some_and(|is| is(parts)) {
            self.details(&mut report);
        }
        let kind = HeaderValue::from_static("application/health+json");
        answer(is_ready, kind, Value::Object(report).to_string())
    }

    fn details(&self, report: &mut Map<String, Value>) {
        if let Some(instance) = &self.instance {
            report.insert("serviceId".to_owned(), (**instance).into());
        }
        if let Some(version) = &self.version {
            report.insert("version".to_owned(), (**version).into());
        }
        let phase = self.health.phase().name();
        report.insert("output".to_owned(), phase.into());
        let mut checks = Map::new();
        let uptime = self.health.started().elapsed().as_secs();
        let uptime = json!([{ "observedValue": uptime, "observedUnit": "s" }]);
        checks.insert("uptime".to_owned(), uptime);
        for check in self.health.checks() {
            checks.insert(check.check.name.clone(), json!([shown(check)]));
        }
        let mut show = |metric: &Metric, label: &str, number| {
            let name = format!("{}:{label}", metric.name);
            let name = name.trim_end_matches(':').to_owned();
            let number = json!([{ "observedValue": plain(&number), "observedUnit": metric.unit }]);
            checks.insert(name, number);
        };
        self.health.lifecycle().read(&mut show);
        for stats in &self.stats {
            stats.read(&mut show);
        }
        report.insert("checks".to_owned(), checks.into());
    }
}

fn status(check: &Watched) -> &'static str {
    match (check.latest().verdict.passes(), check.check.is_critical) {
        (Some(true), _) => "pass",
        (_, true) => "fail",
        (_, false) => "warn",
    }
}

fn shown(check: &Watched) -> Value {
    let mut shown = Map::new();
    let mut show = |name: &str, value: Value| drop(shown.insert(name.to_owned(), value));
    show("status", status(check).into());
    let latest = check.latest();
    if let Some((at, took)) = latest.answered {
        show("observedValue", (took.as_micros() as f64 / 1_000.0).into());
        show("observedUnit", "ms".into());
        show("secondsAgo", at.elapsed().as_secs().into());
    }
    if let Some(output) = latest.output {
        show("output", output.into());
    }
    shown.into()
}

/// Of a distribution, how much was counted.
fn plain(number: &Number) -> Value {
    match number {
        Number::Count(count) => (*count).into(),
        Number::Level(level) => (*level).into(),
        Number::Buckets { counts, .. } => counts.iter().sum::<u64>().into(),
        _ => Value::Null,
    }
}

impl<B> Service<Request<B>> for Report {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        let (parts, _) = req.into_parts();
        ready(Ok(self.answer(&parts)))
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report")
            .field("health", &self.health)
            .field("instance", &self.instance)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
