use std::sync::{Arc, OnceLock};

use http::StatusCode;
use metrics::{Counter, Gauge, Histogram, Label};
use towerblock_core::Metric;

use crate::facade::Facade;
use crate::first_come::FirstCome;
use crate::name_of;

/// A route answers with a few; what is beyond is `other`.
const STATUSES: usize = 32;

type Described = (Metric, &'static [&'static str]);

const METHOD: &[&str] = &["method"];
const ROUTE: &[&str] = &["method", "route"];

static REQUESTS: Described = (
    Metric::counter(
        "http_requests",
        "requests",
        "Requests by status; 499: the client went away first",
    ),
    &["method", "route", "status"],
);
static FAILURES: Described = (
    Metric::counter(
        "http_request_failures",
        "requests",
        "Requests that did not end well, by failure",
    ),
    &["method", "route", "failure"],
);
static IN_FLIGHT: Described = (
    Metric::gauge(
        "http_requests_in_flight",
        "requests",
        "Requests whose response has not ended",
    ),
    METHOD,
);
static TO_HEAD: Described = (
    Metric::histogram(
        "http_request_duration",
        "seconds",
        "Until the head of the response, or until it failed",
    ),
    ROUTE,
);
static TO_END: Described = (
    Metric::histogram(
        "http_exchange_duration",
        "seconds",
        "Until the body of the response has ended, or failed",
    ),
    ROUTE,
);
static RECEIVED: Described = (
    Metric::counter(
        "http_request_body",
        "bytes",
        "Bodies of requests whose length is known",
    ),
    ROUTE,
);
static SENT: Described = (
    Metric::counter("http_response_body", "bytes", "Bodies of responses"),
    ROUTE,
);

pub(crate) static METRICS: [Described; 7] = [
    REQUESTS, FAILURES, IN_FLIGHT, TO_HEAD, TO_END, RECEIVED, SENT,
];

/// How a request may fail; a response of any status is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Failure {
    Disconnect,
    Error,
    BodyError,
    Panic,
}

const FAILURE_LABELS: [&str; 4] = ["disconnect", "error", "body_error", "panic"];

/// The handles of one method on one route.
#[derive(Debug)]
pub(crate) struct Series {
    facade: Facade,
    method: &'static str,
    route: Arc<str>,
    pub(crate) in_flight: Gauge,
    pub(crate) to_head: Histogram,
    pub(crate) to_end: Histogram,
    pub(crate) received: Counter,
    pub(crate) sent: Counter,
    answered: FirstCome<(u16, Counter)>,
    beyond: OnceLock<Counter>,
    failed: [OnceLock<Counter>; 4],
}

impl Series {
    pub(crate) fn new(facade: &Facade, method: &'static str, route: &Arc<str>) -> Self {
        METRICS
            .iter()
            .for_each(|(metric, _)| facade.describe(metric));
        let labels = || labels(method, route);
        Self {
            facade: facade.clone(),
            method,
            route: Arc::clone(route),
            in_flight: facade.gauge(
                name_of(&IN_FLIGHT.0),
                vec![Label::from_static_parts("method", method)],
            ),
            to_head: facade.histogram(name_of(&TO_HEAD.0), labels()),
            to_end: facade.histogram(name_of(&TO_END.0), labels()),
            received: facade.counter(name_of(&RECEIVED.0), labels()),
            sent: facade.counter(name_of(&SENT.0), labels()),
            answered: FirstCome::new(STATUSES),
            beyond: OnceLock::new(),
            failed: Default::default(),
        }
    }

    /// Counts a request by the status that its client got, or would have got.
    #[inline]
    pub(crate) fn count(&self, status: StatusCode) {
        let status = status.as_u16();
        let counted = self.answered.find(
            u64::from(status),
            |(of, _)| *of == status,
            || (status, self.with(&REQUESTS, "status", status.to_string())),
        );
        match counted {
            Some((_, counter)) => counter.increment(1),
            None => self.count_beyond(),
        }
    }

    #[cold]
    fn count_beyond(&self) {
        let make = || self.with(&REQUESTS, "status", "other".to_owned());
        self.beyond.get_or_init(make).increment(1);
    }

    #[cold]
    pub(crate) fn fail(&self, failure: Failure) {
        let place = failure as usize;
        let known = self.failed.get(place).zip(FAILURE_LABELS.get(place));
        if let Some((counter, label)) = known {
            let make = || self.with(&FAILURES, "failure", (*label).to_owned());
            counter.get_or_init(make).increment(1);
        }
    }

    fn with(&self, of: &Described, label: &'static str, value: String) -> Counter {
        let mut labels = labels(self.method, &self.route);
        labels.push(Label::new(label, value));
        self.facade.counter(name_of(&of.0), labels)
    }
}

fn labels(method: &'static str, route: &Arc<str>) -> Vec<Label> {
    let method = Label::from_static_parts("method", method);
    vec![method, Label::new("route", Arc::clone(route))]
}
