//! How an answer is loaded: the route is asked, in a task, for whoever waits.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    AGE, AUTHORIZATION, COOKIE, ETAG, FORWARDED, HOST, HeaderName, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, PROXY_AUTHORIZATION, RANGE,
};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body::Body;
use tokio::sync::oneshot;
use tower_service::Service;
use towerblock_core::{BoxError, Degraded, TenantId};

use super::answer::{Answer, CACHE_STATUS};
use super::body::CachedBody;
use super::gather::{Gathered, gather};
use super::policy::HttpPolicy;
use super::route::Route;
use super::storing::{Terms, confirmed};
use super::target::Target;
use crate::Loaded;
use crate::entry::Entry;
use crate::leader::Loader;

/// A request and the service that is ready for it: whoever asks first takes them.
#[derive(Debug)]
pub(super) struct Cell<S, B>(Arc<Mutex<Option<Ready<S, B>>>>);

type Ready<S, B> = (S, Request<B>);

/// What is not for storing is given to whoever the request was from.
pub(super) type Handed<R, E> = Result<Response<CachedBody<R>>, E>;

/// The route did not answer with anything that may be stored, or that proves that there is
/// nothing.
#[derive(Debug, thiserror::Error)]
#[error("the route failed")]
struct Failed;

impl<S, B> Cell<S, B> {
    pub(super) fn new(service: S, req: Request<B>) -> Self {
        Self(Arc::new(Mutex::new(Some((service, req)))))
    }

    pub(super) fn take(&self) -> Option<Ready<S, B>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<S, B> Clone for Cell<S, B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Loads an answer that nobody waits for.
pub(super) fn refresh<S, B, R>(route: &Arc<Route>, cell: Cell<S, B>, target: Target)
where
    S: Service<Request<B>, Response = Response<R>> + Send + 'static,
    S::Future: Send,
    S::Error: Send + 'static,
    B: Send + 'static,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Send,
{
    let Some(known) = target.known else {
        return;
    };
    let (tell, _nobody) = oneshot::channel();
    let loader = loader(Arc::clone(route), cell, Some(Arc::clone(&known)), tell);
    route
        .store
        .refresh(target.tenant, target.place, loader, &known);
}

pub(super) fn loader<S, B, R>(
    route: Arc<Route>,
    cell: Cell<S, B>,
    known: Option<Arc<Entry<Answer>>>,
    tell: oneshot::Sender<Handed<R, S::Error>>,
) -> Loader<Answer>
where
    S: Service<Request<B>, Response = Response<R>> + Send + 'static,
    S::Future: Send,
    S::Error: Send + 'static,
    B: Send + 'static,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Send,
{
    Box::pin(async move {
        let (mut service, req) = cell.take().ok_or(Failed)?;
        let known = known.as_ref().map(|entry| &entry.value);
        let (asked, req) = prepared(&route.policy, req, known);
        let handed = match service.call(req).await {
            Ok(response) => match load(&route, response, &asked, known).await {
                Ok(answer) => return Ok(loaded(answer)),
                Err(response) => Ok(response),
            },
            Err(error) => Err(error),
        };
        let failed = handed.as_ref().map_or(true, is_failure);
        // Nobody may wait for it.
        let _ = tell.send(handed);
        if failed {
            Err(BoxError::from(Failed))
        } else {
            Ok(Loaded::absent())
        }
    })
}

/// Says nothing of what there is: what is known stays.
fn is_failure<R>(response: &Response<R>) -> bool {
    let status = response.status();
    status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
        )
        || response.extensions().get::<Degraded>().is_some()
}

fn loaded(answer: Answer) -> Loaded<Answer> {
    let tags = answer.tags.clone();
    let loaded = Loaded::new(answer);
    tags.into_iter().fold(loaded, Loaded::tag)
}

/// An answer to be stored, or what is to be passed on instead.
async fn load<R>(
    route: &Route,
    response: Response<R>,
    asked: &HeaderMap,
    known: Option<&Answer>,
) -> Result<Answer, Response<CachedBody<R>>>
where
    R: Body<Data = Bytes>,
{
    let policy = &route.policy;
    let (mut head, body) = response.into_parts();
    if let Some(known) = known.filter(|_| head.status == StatusCode::NOT_MODIFIED) {
        if let Some(answer) = confirmed(policy, known, &head.headers, asked) {
            return Ok(answer);
        }
        // To a client that did not ask whether it was modified.
        head.status = known.status;
        head.headers.extend(known.headers.clone());
        head.headers.remove(AGE);
        head.headers.remove(CACHE_STATUS);
        let body = CachedBody::stored(known.body.clone());
        return Err(Response::from_parts(head, body));
    }
    // What was made up for something that is away is not kept for longer than that.
    let degraded = head.extensions.get::<Degraded>().is_some();
    let terms = Terms::of(policy, head.status, &head.headers, asked);
    let Some(terms) = terms.filter(|_| !degraded) else {
        return Err(Response::from_parts(head, CachedBody::passed(body)));
    };
    match gather(body, policy.max_body, patience(policy)).await {
        Gathered::Whole(bytes) => {
            let answer = terms.with(bytes.clone());
            answer.ok_or_else(|| Response::from_parts(head, CachedBody::stored(bytes)))
        }
        Gathered::Passed(body) => Err(Response::from_parts(head, body)),
    }
}

/// While somebody waits still.
fn patience(policy: &HttpPolicy) -> Duration {
    policy.lifetimes.timeouts.hard / 2
}

/// As the route is asked: for the whole answer, and without what no key has; and the headers that
/// the client sent.
fn prepared<B>(
    policy: &HttpPolicy,
    req: Request<B>,
    known: Option<&Answer>,
) -> (HeaderMap, Request<B>) {
    let (mut head, body) = req.into_parts();
    let asked = head.headers.clone();
    head.method = Method::GET;
    let headers = &mut head.headers;
    for name in [RANGE, IF_RANGE, IF_NONE_MATCH, IF_MODIFIED_SINCE] {
        headers.remove(name);
    }
    for name in ELSEWHERE {
        headers.remove(name);
    }
    if policy.same_for_all_users {
        for name in [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION] {
            headers.remove(name);
        }
    }
    if policy.shared {
        head.extensions.remove::<TenantId>();
    }
    if !policy.per_authority {
        headers.remove(HOST);
        let path = head.uri.path_and_query().cloned();
        head.uri = path.map_or_else(Uri::default, Uri::from);
    }
    if let Some(known) = known {
        let validators = [(ETAG, IF_NONE_MATCH), (LAST_MODIFIED, IF_MODIFIED_SINCE)];
        for (has, asks) in validators {
            if let Some(value) = known.headers.get(has) {
                headers.insert(asks, value.clone());
            }
        }
    }
    (asked, Request::from_parts(head, body))
}

/// Which host was asked for, in other words.
const ELSEWHERE: [HeaderName; 6] = [
    FORWARDED,
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-server"),
];
