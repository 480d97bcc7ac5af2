//! Where a request may name its tenant, one file for each place.

mod custom_domain;
mod header;
mod host;
#[cfg(feature = "jwt")]
mod jwt;
mod path;
#[cfg(feature = "jwt")]
mod signed_header;
mod subdomain;

pub use self::custom_domain::CustomDomain;
pub use self::header::GuardedHeader;
pub use self::host::InvalidDomain;
pub(crate) use self::host::lower_case;
#[cfg(feature = "jwt")]
pub use self::jwt::{InvalidKey, JwtClaim, JwtKey};
pub use self::path::PathPrefix;
#[cfg(feature = "jwt")]
pub use self::signed_header::SignedHeader;
pub use self::subdomain::Subdomain;
