use std::error::Error as _;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use tokio::sync::oneshot;
use tower_service::Service;
use towerblock_core::{ProblemBody, Rejected};

use super::answer::{Answer, CACHE_STATUS, Reader};
use super::body::CachedBody;
use super::conditions::has_it;
use super::loader::{Cell, loader};
use super::route::{Answered, Route};
use super::status::Forward;
use super::target::{Target, VariantKey};
use crate::Error;
use crate::hit::{Freshness, Hit};
use crate::key::{KeyBuf, Place};

/// Waits for an answer that is not in memory: one that this request brings about, or another. If
/// that is not for storing, the route is asked for this request alone.
///
/// Cancel safety: the load is a task of its own, whoever else waits for it.
pub(super) async fn fetch<S, B, R>(
    route: Arc<Route>,
    service: S,
    req: Request<B>,
    mut target: Target,
) -> Result<Answered<R>, S::Error>
where
    S: Service<Request<B>, Response = Response<R>> + Send + 'static,
    S::Future: Send,
    S::Error: Send + 'static,
    B: Send + 'static,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Send,
{
    let (method, headers) = (req.method().clone(), req.headers().clone());
    let reader = Reader {
        method: &method,
        headers: &headers,
    };
    let cell = Cell::new(service, req);
    loop {
        let why = target.why;
        let (tell, mut told) = oneshot::channel();
        let loader = loader(Arc::clone(&route), cell.clone(), target.known.take(), tell);
        let (tenant, place) = (Arc::clone(&target.tenant), target.place.clone());
        let store = Arc::clone(&route.store);
        let found = store.load(tenant, place, loader, target.stale.take()).await;
        let error = match found {
            Ok(Some(hit)) if !may_serve(&hit) => None,
            Ok(Some(hit)) if hit.selection.matches(&headers) => {
                return Ok(route.fetched(&hit, reader, why));
            }
            // Another's variant, whose request came first.
            Ok(Some(hit)) => match variant(&target, &hit, &headers) {
                Some(variant) => {
                    target = variant;
                    continue;
                }
                None => None,
            },
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if let Ok(handed) = told.try_recv() {
            let status = route.label.unstored(why);
            return Ok(route.passed(for_reader(handed?, reader), status));
        }
        return match error {
            Some(Error::Load(_)) | None => pass(&route, &cell, why).await,
            Some(error) => Ok(route.refused(&error)),
        };
    }
}

/// What another instance has once loaded may be stale, and say that it is not to be served so.
fn may_serve(hit: &Hit<Answer>) -> bool {
    hit.freshness() == Freshness::Fresh || !hit.must_revalidate
}

/// Where the variant for these headers is, of the answer that was found.
fn variant(target: &Target, first: &Answer, headers: &HeaderMap) -> Option<Target> {
    if target.variant_of.is_some() {
        return None;
    }
    let uri = Arc::clone(&target.place.key);
    let key = VariantKey {
        uri: &uri,
        generation: first.generation,
        selection: &first.selection,
        headers,
    };
    if key.is_too_long() {
        return None;
    }
    let key = KeyBuf::of(&key).bytes().into();
    Some(Target {
        tenant: Arc::clone(&target.tenant),
        place: Place {
            key,
            ..target.place.clone()
        },
        variant_of: Some(uri),
        stale: None,
        known: None,
        why: Forward::VaryMiss,
    })
}

/// Asks the route, for this request alone.
async fn pass<S, B, R>(
    route: &Route,
    cell: &Cell<S, B>,
    why: Forward,
) -> Result<Answered<R>, S::Error>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
{
    let Some((mut service, req)) = cell.take() else {
        // It was asked, and its answer came to nothing.
        return Ok(ProblemBody::internal_error());
    };
    let response = service.call(req).await?.map(CachedBody::passed);
    Ok(route.passed(response, route.label.unstored(why)))
}

/// The route was asked for all of it; this reader may want less.
fn for_reader<R: Body>(
    mut response: Response<CachedBody<R>>,
    reader: Reader<'_>,
) -> Response<CachedBody<R>> {
    let ok = response.status() == StatusCode::OK;
    if ok && has_it(reader.headers, response.headers()) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().remove(CONTENT_LENGTH);
        return response.map(|_| CachedBody::stored(Bytes::new()));
    }
    if *reader.method == Method::HEAD {
        return response.map(|_| CachedBody::stored(Bytes::new()));
    }
    response
}

impl Route {
    /// An answer of the route's, as it is.
    pub(super) fn passed<R: Body>(
        &self,
        mut response: Response<CachedBody<R>>,
        status: HeaderValue,
    ) -> Answered<R> {
        let headers = response.headers_mut();
        headers.remove(&self.policy.tags_in);
        headers.append(CACHE_STATUS, status);
        // What was not stored is not for others to keep either, whatever the policy lets them.
        if self.policy.cache_control.is_some() && !headers.contains_key(CACHE_CONTROL) {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        }
        response.map(ProblemBody::new)
    }

    fn refused<R: Body>(&self, error: &Error) -> Answered<R> {
        let source = error.source().and_then(|it| it.downcast_ref::<Rejected>());
        let mut response = match source {
            Some(rejected) => rejected.response(),
            None => ProblemBody::internal_error(),
        };
        let status = self.label.none("refused");
        response.headers_mut().insert(CACHE_STATUS, status);
        response
    }
}
