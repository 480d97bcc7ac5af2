//! Which tenant is asking: named by the request, looked up in a registry, and put where
//! every layer and handler below finds it. A request that names none, or none that is
//! known, goes no further.
//!
//! ```
//! use std::convert::Infallible;
//!
//! use http::{Request, Response};
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//! use towerblock_core::{HasTenant, TenantId};
//! use towerblock_tenant::{Isolation, MemoryStore, Registry, Subdomain, Tenant, TenantLayer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let acme = Tenant::new(TenantId::new("acme")?, 1, Isolation::Schema);
//! let registry = Registry::new(MemoryStore::from_iter([acme]));
//! let mut svc = ServiceBuilder::new()
//!     .layer(TenantLayer::new(registry).resolver(Subdomain::of(["app.example.com"])?))
//!     .service(service_fn(|req: Request<String>| async move {
//!         let tenant = req.tenant().map_or("nobody", TenantId::as_str);
//!         Ok::<_, Infallible>(Response::new(tenant.to_owned()))
//!     }));
//!
//! let mut status = async |host| {
//!     let req = Request::builder().header("host", host).body(String::new())?;
//!     let response = svc.ready().await?.call(req).await?;
//!     Ok::<_, Box<dyn std::error::Error>>(response.status().as_u16())
//! };
//! assert_eq!(status("acme.app.example.com").await?, 200);
//! assert_eq!(status("nobody.app.example.com").await?, 404);
//! assert_eq!(status("acme.app.example.com.evil.org").await?, 404);
//! # Ok(())
//! # }
//! ```
//!
//! **Place it** outside all that needs a tenant, inside tracing and metrics. **It never
//! fails**: the inner service's errors pass unchanged, and a refusal is a response: 404 when
//! the tenant is missing, unknown, deleted or not this caller's (they look alike), 400 when
//! it is malformed, given twice, or two resolvers disagree, 403 when it is suspended or only
//! read, 503 when it is being moved or cannot be looked up.
//!
//! **Below it** the tenant stands in the request's extensions, as a [`TenantId`] and as an
//! `Arc<`[`Tenant`]`>`, and in a task-local, [`current`], that covers the handler and the
//! response body. The current `tracing` span gets it as `tenant`, if it has such a field.
//!
//! **It holds** a request, and the inner service that was made ready for it, only while its
//! tenant is looked up, which a tenant that was asked for lately is not; see [`Registry`] for
//! how long that takes. That needs a tokio runtime.
//!
//! **It does not** say who the user is, strip headers or prefixes, or follow work that is
//! spawned by anything but [`spawn`] and its neighbours.
//!
//! [`TenantId`]: towerblock_core::TenantId

mod authorize;
mod body;
mod catalogue;
mod context;
#[cfg(feature = "axum")]
mod current;
mod future;
mod gate;
mod layer;
mod registry;
mod resolve;
mod resolvers;
mod service;
mod tenant;

pub use self::authorize::{Authorize, Verdict};
pub use self::catalogue::METRICS;
pub use self::context::{InTenant, NoTenant, Scoped, carry, current, scope, spawn, spawn_blocking};
#[cfg(feature = "axum")]
pub use self::current::CurrentTenant;
#[cfg(feature = "postgres")]
pub use self::registry::PostgresStore;
pub use self::registry::{MemoryStore, Registry, TenantStore};
pub use self::resolve::{Claim, Named, Resolve, Trust};
pub use self::resolvers::{CustomDomain, GuardedHeader, InvalidDomain, PathPrefix, Subdomain};
#[cfg(feature = "jwt")]
pub use self::resolvers::{InvalidKey, JwtClaim, JwtKey, SignedHeader};
pub use self::tenant::{Isolation, Placement, Tenant, TenantState};
pub use self::{body::TenantBody, future::ResponseFuture, layer::TenantLayer, service::WithTenant};

// The front page shows code: it compiles, and it runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
