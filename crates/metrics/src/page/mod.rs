//! The page that Prometheus reads.

mod error;
mod exporter;
mod exposition;
pub(crate) mod process;
mod publish;
mod sources;
pub(crate) mod text;
mod upkeep;

pub use self::error::ExportError;
pub use self::exporter::Exporter;
pub use self::exposition::Exposition;
pub use self::process::Process;
pub use self::publish::publish;
pub use self::text::name_of;
pub use self::upkeep::Upkeep;
