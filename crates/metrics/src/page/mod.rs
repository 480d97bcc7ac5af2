//! The page that Prometheus reads.

mod error;
mod exporter;
mod exposition;
mod process;
mod publish;
mod sources;
mod text;
mod upkeep;

pub use self::error::ExportError;
pub use self::exporter::Exporter;
pub use self::exposition::Exposition;
pub use self::process::Process;
pub use self::publish::publish;
pub use self::upkeep::Upkeep;
