use std::sync::{Arc, OnceLock};

use http::StatusCode;
use metrics::{Counter, Gauge, Histogram, Label, Unit};

use crate::facade::{Described, Facade};
use crate::first_come::FirstCome;

/// A route answers with a few; what is beyond is `other`.
const STATUSES: usize = 32;

const REQUESTS: &str = "http_requests_total";
const FAILURES: &str = "http_request_failures_total";
const IN_FLIGHT: &str = "http_requests_in_flight";
const TO_HEAD: &str = "http_request_duration_seconds";
const TO_END: &str = "http_exchange_duration_seconds";
const RECEIVED: &str = "http_request_body_bytes_total";
const SENT: &str = "http_response_body_bytes_total";

#[rustfmt::skip]
static DESCRIBED: [Described; 7] = [
    Described::Counter(REQUESTS, Unit::Count, "Requests by status; 499: the client went away first"),
    Described::Counter(FAILURES, Unit::Count, "Requests that did not end well, by failure"),
    Described::Gauge(IN_FLIGHT, Unit::Count, "Requests whose response has not ended"),
    Described::Histogram(TO_HEAD, Unit::Seconds, "Until the head of the response, or until it failed"),
    Described::Histogram(TO_END, Unit::Seconds, "Until the body of the response has ended, or failed"),
    Described::Counter(RECEIVED, Unit::Bytes, "Bodies of requests whose length is known"),
    Described::Counter(SENT, Unit::Bytes, "Bodies of responses"),
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
        facade.describe(|recorder| DESCRIBED.iter().for_each(|of| of.tell(recorder)));
        let labels = || labels(method, route);
        Self {
            facade: facade.clone(),
            method,
            route: Arc::clone(route),
            in_flight: facade.gauge(IN_FLIGHT, vec![Label::from_static_parts("method", method)]),
            to_head: facade.histogram(TO_HEAD, labels()),
            to_end: facade.histogram(TO_END, labels()),
            received: facade.counter(RECEIVED, labels()),
            sent: facade.counter(SENT, labels()),
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
            || (status, self.with(REQUESTS, "status", status.to_string())),
        );
        match counted {
            Some((_, counter)) => counter.increment(1),
            None => self.count_beyond(),
        }
    }

    #[cold]
    fn count_beyond(&self) {
        let make = || self.with(REQUESTS, "status", "other".to_owned());
        self.beyond.get_or_init(make).increment(1);
    }

    #[cold]
    pub(crate) fn fail(&self, failure: Failure) {
        let place = failure as usize;
        let known = self.failed.get(place).zip(FAILURE_LABELS.get(place));
        if let Some((counter, label)) = known {
            let make = || self.with(FAILURES, "failure", (*label).to_owned());
            counter.get_or_init(make).increment(1);
        }
    }

    fn with(&self, name: &'static str, label: &'static str, value: String) -> Counter {
        let mut labels = labels(self.method, &self.route);
        labels.push(Label::new(label, value));
        self.facade.counter(name, labels)
    }
}

fn labels(method: &'static str, route: &Arc<str>) -> Vec<Label> {
    let method = Label::from_static_parts("method", method);
    vec![method, Label::new("route", Arc::clone(route))]
}
