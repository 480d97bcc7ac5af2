use std::error::Error;

use axum_core::body::Body;
use axum_core::response::IntoResponse;
use http::Response;
use towerblock_core::ProblemBody;

use crate::answer::answer;

/// The error of an axum handler: `?` on any error, answered by the table that
/// [`RespondLayer`](crate::RespondLayer) uses.
///
/// ```
/// use axum::response::IntoResponse;
/// use http::StatusCode;
/// use towerblock_core::{ProblemBody, Reason, Rejected};
/// use towerblock_respond::Refused;
///
/// fn find(id: &str) -> Result<&'static str, Refused> {
///     if id == "busy" {
///         // A refusal keeps its own answer …
///         Err(Rejected::new("database", Reason::Unavailable))?;
///     }
///     // … any other error is a 500 that tells nothing …
///     let id: u64 = id.parse()?;
///     // … and what is the application's own it says itself.
///     let missing = || Refused::new(ProblemBody::about(StatusCode::NOT_FOUND, "no such plugin"));
///     if id == 7 { Ok("seven") } else { Err(missing()) }
/// }
///
/// let status = |id| find(id).into_response().status().as_u16();
/// assert_eq!([status("7"), status("8"), status("busy"), status("x")], [200, 404, 503, 500]);
/// ```
///
/// It is no [`Error`] itself: that is what lets `?` convert every error into it.
#[derive(Debug)]
// Boxed, for a `Result` should not be as large as its rarest case.
pub struct Refused(Box<Response<ProblemBody<Body>>>);

impl Refused {
    /// Refuses with this response.
    #[must_use]
    pub fn new(response: Response<ProblemBody<Body>>) -> Self {
        Self(Box::new(response))
    }
}

impl<E> From<E> for Refused
where
    E: Error + Send + Sync + 'static,
{
    fn from(error: E) -> Self {
        Self::new(answer(&error))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> axum_core::response::Response {
        self.0.map(Body::new)
    }
}
