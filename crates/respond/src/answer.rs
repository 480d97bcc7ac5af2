//! The one place where errors become responses.

use std::error::Error;
use std::iter::successors;

use http::Response;
use towerblock_core::{ProblemBody, Rejected};

/// A [`Rejected`] anywhere in the chain of sources is answered as it asks; the
/// outermost wins.
pub(crate) fn answer<B>(error: &(dyn Error + 'static)) -> Response<ProblemBody<B>> {
    let rejected = successors(Some(error), |e| (*e).source()).find_map(|e| e.downcast_ref());
    rejected.map_or_else(
        || {
            // The client is told nothing of it, so this is its only trace.
            tracing::error!(error, "answered 500");
            ProblemBody::internal_error()
        },
        Rejected::response,
    )
}
