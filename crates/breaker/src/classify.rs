use crate::Verdict;

/// Says what an outcome tells of the dependency.
///
/// Any `Fn(&Result<T, E>) -> Verdict` is one. A closure names the type of its argument, or the
/// compiler cannot tell that it takes *any* reference:
///
/// ```
/// use towerblock_breaker::{Classify, Verdict};
///
/// let server_errors = |result: &Result<u16, std::io::Error>| {
///     Verdict::failure_if(!matches!(result, Ok(..500)))
/// };
/// assert_eq!(server_errors.classify(&Ok(503)), Verdict::Failure);
/// assert_eq!(server_errors.classify(&Ok(404)), Verdict::Success);
/// ```
///
/// A panic in it counts as a failure of the call.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not classify `Result<{T}, {E}>`",
    label = "not a rule for these outcomes",
    note = "a closure must name its argument's type: `|result: &Result<_, _>| Verdict::failure_if(result.is_err())`",
    note = "`Faults` needs an error that is a `Fault`, `Responses` an `http::Response`"
)]
pub trait Classify<T, E> {
    /// What `result` tells.
    fn classify(&self, result: &Result<T, E>) -> Verdict;
}

/// Takes every `Err` for a failure and nothing else. The default.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Errors;

impl<T, E> Classify<T, E> for Errors {
    fn classify(&self, result: &Result<T, E>) -> Verdict {
        Verdict::failure_if(result.is_err())
    }
}

impl<F, T, E> Classify<T, E> for F
where
    F: Fn(&Result<T, E>) -> Verdict,
{
    fn classify(&self, result: &Result<T, E>) -> Verdict {
        self(result)
    }
}
