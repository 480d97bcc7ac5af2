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
//! use towerblock_tenant::{Isolation, Registry, Subdomain, Tenant, TenantLayer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let acme = Tenant::new(TenantId::new("acme")?, 1, Isolation::Schema);
//! let registry = Registry::from_iter([acme]);
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
//! **Place it** outside all that needs a tenant, inside tracing and metrics. **It holds
//! nothing**; the tenant stands in the request's extensions, as a [`TenantId`] and as an
//! `Arc<`[`Tenant`]`>`. **It never fails**: the inner service's errors pass unchanged, and
//! a refusal is a response: 404 when the tenant is missing or unknown (the two look
//! alike), 400 when it is malformed, given twice, or two resolvers disagree. **It does
//! not check** that the caller may act for the tenant.
//!
//! [`TenantId`]: towerblock_core::TenantId

#[cfg(feature = "axum")]
mod current;
mod future;
mod header;
mod layer;
mod registry;
mod resolve;
mod service;
mod subdomain;
mod tenant;

#[cfg(feature = "axum")]
pub use self::current::CurrentTenant;
pub use self::header::GuardedHeader;
pub use self::registry::Registry;
pub use self::resolve::{Named, Resolve};
pub use self::subdomain::{InvalidDomain, Subdomain};
pub use self::tenant::{Isolation, Tenant};
pub use self::{future::ResponseFuture, layer::TenantLayer, service::WithTenant};
