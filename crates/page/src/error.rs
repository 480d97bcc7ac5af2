use std::error::Error;
use std::iter::successors;

use http::Response;
use towerblock_core::{BoxError, ProblemBody, Reason, Rejected};

use crate::cursor::LONGEST;

/// A page could not be made.
///
/// What the client did wrong has a [`Rejected`] as its source, so `Refused` of
/// `towerblock-respond` answers it with 400, and any other with 500.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct PageError(Box<Kind>);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Kind {
    #[error("the cursor is not valid here")]
    Cursor(#[source] Rejected),
    #[error("{detail}")]
    Parameter {
        detail: String,
        #[source]
        rejected: Rejected,
    },
    #[error("no PageLayer stands around the route of {path}")]
    NoLayer { path: String },
    #[error("statement failed")]
    Database(#[source] tokio_postgres::Error),
    #[error("a row could not be read")]
    Row(#[source] BoxError),
    #[error("the rows are not those of the statement for the keyset {keyset}")]
    Foreign { keyset: String },
    #[error("column {column} of the keyset {keyset} is declared {declared}, and is {actual}")]
    Type {
        keyset: String,
        column: String,
        declared: String,
        actual: String,
    },
    #[error(
        "column {column} of the keyset {keyset} is NULL, and is declared neither nulls_first nor nulls_last"
    )]
    Null { keyset: String, column: String },
    #[error("the parts of a page came out of order")]
    Disorder,
    #[error("a row's key in the keyset {keyset} makes a cursor of more than {LONGEST} characters")]
    Long { keyset: String },
    #[error("a key does not fit the keyset {keyset}")]
    Key {
        keyset: String,
        #[source]
        why: BoxError,
    },
    #[error("the keyset {keyset} does not sort as a map does, all columns in one direction")]
    Unlike { keyset: String },
}

impl PageError {
    pub(crate) fn cursor() -> Self {
        Kind::Cursor(Rejected::new("page", Reason::InvalidCursor)).into()
    }

    pub(crate) fn parameter(detail: String) -> Self {
        let rejected = Rejected::new("page", Reason::InvalidParameter);
        Kind::Parameter { detail, rejected }.into()
    }

    /// The refusal, when it is the client's doing.
    #[must_use]
    pub fn rejected(&self) -> Option<&Rejected> {
        let first: &(dyn Error + 'static) = self;
        successors(Some(first), |error| (*error).source()).find_map(|error| error.downcast_ref())
    }

    /// The answer: 400 that says what is wrong with a parameter, and nothing of what is
    /// wrong with a cursor; or 500, which is logged.
    #[must_use]
    pub fn response<B>(&self) -> Response<ProblemBody<B>> {
        match &*self.0 {
            Kind::Cursor(rejected) => rejected.response(),
            Kind::Parameter { detail, rejected } => rejected.response_with(detail),
            kind => {
                let error: &(dyn Error + 'static) = kind;
                tracing::error!(error, "answered 500");
                ProblemBody::internal_error()
            }
        }
    }
}

impl From<Kind> for PageError {
    fn from(kind: Kind) -> Self {
        Self(Box::new(kind))
    }
}

#[cfg(feature = "axum")]
impl axum_core::response::IntoResponse for PageError {
    fn into_response(self) -> axum_core::response::Response {
        let response = self.response::<axum_core::body::Body>();
        response.map(axum_core::body::Body::new)
    }
}
