//! What is measured, and the wire that it is measured over.
//!
//! ```
//! for subject in towerblock_benches::SUBJECTS {
//!     // Two requests over one connection, each answered with 200 and the same length.
//!     let bytes = subject.serve(2);
//!     assert!((1_000..2_000).contains(&bytes), "{}: {bytes}", subject.name);
//! }
//! ```

mod callgrind;
mod ours;
mod subjects;
mod wire;

pub use self::callgrind::Callgrind;
pub use self::ours::ours;
pub use self::subjects::{SUBJECTS, Subject};
pub use self::wire::Client;
