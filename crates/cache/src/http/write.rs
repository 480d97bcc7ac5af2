use std::sync::Arc;

use http::Response;
use http_body::Body;

use super::body::CachedBody;
use super::route::{Answered, Route};
use super::status::Forward;
use crate::key::Place;

/// What may have been changed. Unless it is known not to have been, it is forgotten, also when
/// the client has left.
#[derive(Debug)]
pub(super) struct Written {
    route: Arc<Route>,
    place: Option<Place>,
}

/// Passes on what may change something, and forgets what is stored of its URI
/// (RFC 9111, section 4.4).
pub(super) async fn write<F, R, E>(
    route: Arc<Route>,
    inner: F,
    mut written: Written,
) -> Result<Answered<R>, E>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
{
    // Cancel safety: dropped here, `written` forgets.
    let response = inner.await?;
    if response.status().is_client_error() {
        written.place = None;
    }
    written.forget().await;
    let status = route.label.passed(Forward::Method);
    Ok(route.passed(response.map(CachedBody::passed), status))
}

impl Written {
    pub(super) const fn new(route: Arc<Route>, place: Place) -> Self {
        let place = Some(place);
        Self { route, place }
    }

    async fn forget(&mut self) {
        if let Some(place) = self.place.take() {
            let store = &self.route.store;
            store.hub.counters.of_key.add();
            let forget = store.spot(&place).forget();
            // Cancel safety: it is forgotten here at the first poll, and elsewhere by a task.
            let _reached = store.hub.forget(forget).await;
        }
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let Some(place) = self.place.take() else {
            return;
        };
        let store = &self.route.store;
        store.hub.counters.of_key.add();
        let forget = store.spot(&place).forget();
        store.hub.apply(&forget);
        let hub = Arc::clone(&store.hub);
        store.hub.spawn(async move {
            let _reached = hub.forget(forget).await;
        });
    }
}
