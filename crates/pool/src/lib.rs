//! placeholder

mod aging;
mod connect;
mod engine;
mod error;
mod growth;
mod holder;
mod kept;
mod live;
mod pool;
mod pooled;
mod settings;
mod stats;

pub use self::aging::{Aging, Validation};
pub use self::error::PoolError;
pub use self::holder::Held;
pub use self::pool::Pool;
pub use self::pooled::Pooled;
pub use self::settings::Settings;
