mod carrier;
mod future;
mod scope;
mod service;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tower_layer::Layer;

pub use self::{carrier::Carrier, future::ResponseFuture, scope::Scope, service::WithScope};
use crate::clock::unix_seconds;
use crate::{ReadToken, TokenKeys};

/// Lets clients read what they wrote: wraps services in a [`WithScope`].
///
/// Each request gets a [`Scope`] in its extensions, with a deadline, and with the token that
/// its client sent: reads that are given the scope see what the client wrote before. When a
/// request wrote, its response carries the token of that to the client. Where a token was
/// forged, altered or has expired, the request goes on without one: its reads may be as old as
/// a replica may lag.
///
/// Clones of the layer, and all services it makes, share its settings.
///
/// ```
/// use std::convert::Infallible;
/// use std::time::Duration;
///
/// use http::{Request, Response};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
/// use towerblock_postgres::{ClusterLayer, Scope, TokenKeys};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let keys = TokenKeys::new([b"thirty-two random bytes or more.."])?;
/// let mut svc = ServiceBuilder::new()
///     .layer(ClusterLayer::new(keys).time_limit(Duration::from_secs(2)))
///     .service(service_fn(|req: Request<()>| async move {
///         let scope: Option<&Scope> = req.extensions().get();
///         Ok::<_, Infallible>(Response::new(scope.map(Scope::deadline)))
///     }));
///
/// let forged = Request::builder().header("cookie", "tb-read=forged").body(())?;
/// let response = svc.ready().await?.call(forged).await?;
/// assert!(response.body().is_some());
/// // Nothing was written, so there is nothing to remember.
/// assert!(!response.headers().contains_key("set-cookie"));
/// # Ok(())
/// # }
/// ```
///
/// **Place it** inside what authenticates, outside the handlers. **It does not** end requests
/// at their deadline, order two requests of one client that run at the same time (of their
/// tokens the client keeps the one that comes last), or see what is written after the response
/// has begun.
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct ClusterLayer {
    settings: Arc<Settings>,
}

#[derive(Clone, Debug)]
struct Settings {
    keys: TokenKeys,
    carrier: Carrier,
    time_limit: Duration,
}

impl ClusterLayer {
    /// Seals and opens tokens with `keys`: those of the cluster that is read and written.
    pub fn new(keys: TokenKeys) -> Self {
        let settings = Settings {
            keys,
            carrier: Carrier::cookie(),
            time_limit: Duration::from_secs(5),
        };
        Self {
            settings: Arc::new(settings),
        }
    }

    /// Where clients keep the token. Default: [`Carrier::cookie`].
    pub fn carrier(mut self, carrier: Carrier) -> Self {
        Arc::make_mut(&mut self.settings).carrier = carrier;
        self
    }

    /// How long after its arrival the queries of a request are to be done; at most a day.
    /// Default: 5 seconds.
    pub fn time_limit(mut self, time_limit: Duration) -> Self {
        Arc::make_mut(&mut self.settings).time_limit = time_limit;
        self
    }
}

impl Settings {
    fn read(&self, headers: &HeaderMap) -> Option<ReadToken> {
        self.carrier.read(headers, &self.keys, unix_seconds)
    }

    fn write(&self, headers: &mut HeaderMap, token: &ReadToken, now: u64) {
        self.carrier.write(headers, &self.keys, token, now);
    }
}

impl<S> Layer<S> for ClusterLayer {
    type Service = WithScope<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WithScope::new(inner, Arc::clone(&self.settings))
    }
}

#[cfg(test)]
mod tests;
