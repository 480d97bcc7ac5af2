//! PostgreSQL for many tenants.

#[cfg_attr(not(test), expect(dead_code, reason = "wired in the next commit"))]
mod choice;
mod clock;
#[cfg_attr(not(test), expect(dead_code, reason = "wired in the next commit"))]
mod fallback;
#[cfg_attr(not(test), expect(dead_code, reason = "wired in the next commit"))]
mod lag;
#[cfg_attr(not(test), expect(dead_code, reason = "wired in the next commit"))]
mod layer;
mod lsn;
#[cfg_attr(not(test), expect(dead_code, reason = "wired in the next commit"))]
mod standing;
mod token;
#[cfg_attr(not(test), expect(dead_code, reason = "wired in the next commit"))]
mod token_keys;

pub use self::layer::{Carrier, ClusterLayer, ResponseFuture, Scope, WithScope};
pub use self::token::ReadToken;
pub use self::token_keys::{InvalidTokenKeys, TokenKeys};
