use std::error::Error;
use std::io::{self, ErrorKind};
use std::iter::successors;

use towerblock_core::{BoxError, Rejected};

use crate::{Classify, Verdict};

/// An error that knows whose fault it is.
///
/// ```
/// use std::io::{Error, ErrorKind};
///
/// use towerblock_breaker::{Fault, Verdict};
///
/// assert_eq!(Error::from(ErrorKind::ConnectionRefused).verdict(), Verdict::Failure);
/// // It was asked for what is not there, and has answered.
/// assert_eq!(Error::from(ErrorKind::NotFound).verdict(), Verdict::Success);
/// ```
pub trait Fault {
    /// What the error tells of the dependency.
    fn verdict(&self) -> Verdict;
}

/// Takes an `Ok` for a success, and asks an `Err` itself.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Faults;

impl<T, E: Fault> Classify<T, E> for Faults {
    fn classify(&self, result: &Result<T, E>) -> Verdict {
        result.as_ref().err().map_or(Verdict::Success, E::verdict)
    }
}

impl Fault for io::Error {
    fn verdict(&self) -> Verdict {
        Verdict::failure_if(!matches!(
            self.kind(),
            ErrorKind::AlreadyExists
                | ErrorKind::DirectoryNotEmpty
                | ErrorKind::InvalidInput
                | ErrorKind::IsADirectory
                | ErrorKind::NotADirectory
                | ErrorKind::NotFound
                | ErrorKind::PermissionDenied
                | ErrorKind::Unsupported
        ))
    }
}

/// A refusal of ours, which the dependency has not seen, tells nothing of it.
impl Fault for Rejected {
    fn verdict(&self) -> Verdict {
        Verdict::Ignore
    }
}

/// By the first in its chain of sources that is a refusal or an error of I/O; a failure when
/// there is none.
impl Fault for BoxError {
    fn verdict(&self) -> Verdict {
        let outermost: &(dyn Error + 'static) = &**self;
        successors(Some(outermost), |error| (*error).source())
            .find_map(|error| {
                let refused = error.downcast_ref::<Rejected>().map(Fault::verdict);
                refused.or_else(|| error.downcast_ref::<io::Error>().map(Fault::verdict))
            })
            .unwrap_or(Verdict::Failure)
    }
}
