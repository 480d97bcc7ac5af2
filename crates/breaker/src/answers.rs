use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, Response, StatusCode};

use crate::{Classify, Verdict};

/// Judges responses of HTTP by their status: 429 and 503 are an
/// overload, other 5xx a failure; all others are successes, for whoever answers 404 works. Every
/// `Err` is a failure.
///
/// Of `Retry-After` it knows seconds, not dates.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Responses;

impl<B, E> Classify<Response<B>, E> for Responses {
    fn classify(&self, result: &Result<Response<B>, E>) -> Verdict {
        let Ok(response) = result else {
            return Verdict::Failure;
        };
        let retry_after = retry_after(response.headers());
        match response.status() {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                Verdict::Overload { retry_after }
            }
            status => Verdict::failure_if(status.is_server_error()),
        }
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    Some(Duration::from_secs(seconds.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Response;

    use super::Responses;
    use crate::{Classify, Verdict};

    fn verdict(status: u16, retry_after: Option<&str>) -> Verdict {
        let mut response = Response::builder().status(status);
        if let Some(wait) = retry_after {
            response = response.header("retry-after", wait);
        }
        Responses.classify(&Ok::<_, ()>(response.body(()).unwrap()))
    }

    #[test]
    fn whoever_answers_404_works_and_whoever_answers_500_does_not() {
        for status in [200, 204, 301, 400, 404, 409] {
            assert_eq!(verdict(status, None), Verdict::Success, "{status}");
        }
        for status in [500, 502, 504] {
            assert_eq!(verdict(status, Some("9")), Verdict::Failure, "{status}");
        }
        let error = Err::<Response<()>, ()>(());
        assert_eq!(Responses.classify(&error), Verdict::Failure);
    }

    #[test]
    fn a_retry_after_is_honoured_when_it_is_in_seconds() {
        let seconds = |retry_after: Option<u64>| Verdict::Overload {
            retry_after: retry_after.map(Duration::from_secs),
        };
        for status in [429, 503] {
            assert_eq!(verdict(status, Some(" 7 ")), seconds(Some(7)));
            assert_eq!(
                verdict(status, Some("99999999999")),
                seconds(Some(99_999_999_999))
            );
            for unknown in ["Wed, 21 Oct 2026 07:28:00 GMT", "-1", "", "1.5"] {
                assert_eq!(verdict(status, Some(unknown)), seconds(None));
            }
            assert_eq!(verdict(status, None), seconds(None));
        }
    }
}
