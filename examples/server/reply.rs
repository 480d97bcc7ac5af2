//! How handlers answer, and how they read a body.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use http::StatusCode;
use http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::time::timeout;
use towerblock_core::{ProblemBody, Reason, Rejected, Value as Number};
use towerblock_respond::Refused;

/// For a body of [`BODY_LIMIT`](crate::stack::BODY_LIMIT) bytes.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// 400 with what was wrong.
pub(crate) fn invalid(detail: &str) -> Refused {
    let detail: String = detail.chars().take(200).collect();
    Refused::new(Rejected::new("parameter", Reason::InvalidParameter).response_with(&detail))
}

/// 404 for a thing of the application's own.
pub(crate) fn missing(detail: &str) -> Refused {
    Refused::new(ProblemBody::about(StatusCode::NOT_FOUND, detail))
}

/// A number of some statistics, where it is a single one.
pub(crate) fn number(value: &Number) -> Value {
    match value {
        Number::Count(count) => (*count).into(),
        Number::Level(level) => (*level).into(),
        _ => Value::Null,
    }
}

/// The number in a path such as `/plugins/{id}`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Id(pub(crate) i64);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let Path(id): Path<i64> = Path::from_request_parts(parts, state)
            .await
            .map_err(|_| invalid("the id in the path: expected a whole number"))?;
        Ok(Self(id))
    }
}

/// A JSON body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Sent<T> {
    type Rejection = Refused;

    async fn from_request(req: Request, state: &S) -> Result<Self, Refused> {
        // An object, and no list that happens to fit: serde takes both for a struct.
        let read = timeout(
            BODY_TIMEOUT,
            Json::<Map<String, Value>>::from_request(req, state),
        );
        let Ok(read) = read.await else {
            let status = StatusCode::REQUEST_TIMEOUT;
            return Err(Refused::new(ProblemBody::about(
                status,
                "the body took too long",
            )));
        };
        match read {
            Ok(Json(object)) => match T::deserialize(Value::Object(object)) {
                Ok(value) => Ok(Self(value)),
                Err(error) => Err(invalid(&format!("the JSON body: {error}"))),
            },
            Err(JsonRejection::MissingJsonContentType(_)) => Err(Refused::new(ProblemBody::about(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "expected Content-Type: application/json",
            ))),
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                let limit = crate::stack::BODY_LIMIT;
                let detail = format!("the body is larger than {limit} bytes");
                let status = StatusCode::PAYLOAD_TOO_LARGE;
                Err(Refused::new(ProblemBody::about(status, &detail)))
            }
            Err(rejection) => Err(invalid(&rejection.body_text())),
        }
    }
}
