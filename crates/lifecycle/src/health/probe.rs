use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Request, Response, StatusCode};
use tower_service::Service;

use crate::{Health, Phase};

/// Answers a probe from what is known already: 200 or 503, and a word in plain text.
///
/// It goes where nothing can refuse it: outside of authentication, limits and shedding. Made by
/// [`Health::livez`], [`readyz`](Health::readyz) and [`startupz`](Health::startupz); clones share what is
/// known.
#[derive(Clone, Debug)]
#[must_use = "a probe does nothing until it is routed"]
pub struct Probe {
    health: Health,
    asks: Asks,
}

#[derive(Clone, Copy, Debug)]
enum Asks {
    Live,
    Ready,
    Started,
}

impl Probe {
    pub(super) const fn live(health: Health) -> Self {
        let asks = Asks::Live;
        Self { health, asks }
    }

    pub(super) const fn ready(health: Health) -> Self {
        let asks = Asks::Ready;
        Self { health, asks }
    }

    pub(super) const fn started(health: Health) -> Self {
        let asks = Asks::Started;
        Self { health, asks }
    }

    fn answer(&self) -> Response<String> {
        let phase = self.health.phase();
        let (is_well, word) = match self.asks {
            Asks::Live => (true, "ok"),
            Asks::Started if phase == Phase::Starting => (false, phase.name()),
            Asks::Started => (true, "started"),
            Asks::Ready if phase != Phase::Ready => (false, phase.name()),
            Asks::Ready if self.health.is_ready() => (true, "ready"),
            Asks::Ready => (false, "not ready"),
        };
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        answer(is_well, text, format!("{word}\n"))
    }
}

/// For nobody to keep.
pub(super) fn answer(is_well: bool, kind: HeaderValue, body: String) -> Response<String> {
    let mut response = Response::new(body);
    if !is_well {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl<B> Service<Request<B>> for Probe {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        ready(Ok(self.answer()))
    }
}
