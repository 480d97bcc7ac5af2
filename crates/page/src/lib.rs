//! Pages of a list, found by the key of the row where the last one ended: a page costs the
//! same at any depth, and no row is lost or shown twice, also with NULLs, ties, mixed
//! directions and rows that come and go in between.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::convert::Infallible;
//!
//! use http::{Request, Response};
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//! use towerblock_page::{KeyRing, Keyset, Page, PageLayer, PageRequest, Type, Unique};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut svc = ServiceBuilder::new()
//!     .layer(PageLayer::new(KeyRing::new([b"32 bytes that nobody else knows."])?))
//!     .service(service_fn(|req: Request<()>| async move {
//!         let newest = Keyset::new("names/1", [], Unique::desc("id", Type::INT8));
//!         let names = BTreeMap::from([((1_i64,), "ada"), ((2,), "bob"), ((3,), "cyd")]);
//!         let (parts, ()) = req.into_parts();
//!         let seek = PageRequest::read(&parts).and_then(|page| page.seek(&newest));
//!         let page = seek.and_then(|seek| seek.page_of_map(&names, |_, name| Some(*name)));
//!         Ok::<_, Infallible>(match page {
//!             Ok(page) => Response::new((page.items().to_vec(), page.next().map(str::to_owned))),
//!             Err(error) => error.response::<()>().map(|_| (vec![], None)),
//!         })
//!     }));
//!
//! let mut get = async |uri: String| {
//!     let response = svc.ready().await?.call(Request::get(uri).body(())?).await?;
//!     Ok::<_, Box<dyn std::error::Error>>((response.status().as_u16(), response.into_body()))
//! };
//! let (_, (names, next)) = get("/names?limit=2".to_owned()).await?;
//! assert_eq!(names, ["cyd", "bob"]);
//! let next = next.ok_or("there is more")?;
//! let (_, (names, end)) = get(format!("/names?limit=2&cursor={next}")).await?;
//! assert_eq!((names, end), (vec!["ada"], None));
//!
//! // A cursor is bound to its list: to the tenant, the address, the filter and the order.
//! assert_eq!(get(format!("/others?limit=2&cursor={next}")).await?.0, 400);
//! # Ok(())
//! # }
//! ```
//!
//! From PostgreSQL, in a handler of axum (feature `axum`):
//!
//! ```
//! # #[cfg(feature = "axum")] mod handler {
//! use std::sync::LazyLock;
//!
//! use tokio_postgres::Client;
//! use towerblock_page::{Column, Keyset, Page, PageError, PageRequest, Total, Type, Unique};
//!
//! static NEWEST: LazyLock<Keyset> = LazyLock::new(|| {
//!     let created_at = Column::desc("created_at", Type::TIMESTAMPTZ);
//!     Keyset::new("plugins/1", [created_at], Unique::desc("id", Type::INT8))
//! });
//!
//! async fn list(client: &Client, page: PageRequest) -> Result<Page<String>, PageError> {
//!     let of_team: i64 = 7;
//!     page.seek(&NEWEST)?
//!         .query("name", "plugins")
//!         .filter("team_id = $1", &[(&of_team, Type::INT8)])
//!         .total(Total::Capped(1_000))
//!         .fetch(client, |row| Ok(row.try_get(0)?))
//!         .await
//! }
//! # }
//! ```
//!
//! **Place it** around the whole router rather than a nested one, which cuts the path that
//! links are made of; inside the layer that names the tenant or around it. **It holds
//! nothing** but its settings. **It refuses nothing**: a bad parameter is answered where
//! [`PageRequest`] is read, a bad cursor where [`PageRequest::seek`] opens it.
//! **It does not** jump to a page by its number, keep a list as it was when the first page
//! was read, or check that the caller may read it.

mod cursor;
mod error;
mod key;
mod keys;
mod keyset;
mod layer;
mod link;
mod memory;
mod page;
mod position;
mod predicate;
mod query;
mod request;
mod rows;
mod scope;
mod seek;
mod service;
mod statement;
mod total;
mod value;

pub use tokio_postgres::types::Type;

pub use self::error::PageError;
pub use self::key::Key;
pub use self::keys::{InvalidKeys, KeyRing};
pub use self::keyset::{Column, Keyset, Unique};
pub use self::page::Page;
pub use self::position::Direction;
pub use self::query::Query;
pub use self::request::PageRequest;
pub use self::seek::Seek;
pub use self::statement::Statement;
pub use self::total::{Count, Total};
pub use self::{layer::PageLayer, service::Paged};

// The front page shows code: it compiles, and it runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
