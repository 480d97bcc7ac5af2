use std::fmt::Write as _;
use std::time::Duration;

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use itoa::Buffer;

use crate::{Decision, RatePolicy};

/// Which fields tell a client of its limits.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Headers {
    /// None.
    Off,
    /// `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers-11.
    #[default]
    Draft11,
    /// Those, and `X-RateLimit-Limit`, `-Remaining` and `-Reset` (in seconds from now).
    Draft11AndLegacy,
}

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// The largest integer of a structured field (RFC 9651, 3.3.1).
const LARGEST: u64 = 999_999_999_999_999;

impl Headers {
    /// Says in these what was decided, in place of what stood there.
    pub(crate) fn write(self, decision: &Decision, headers: &mut HeaderMap) {
        let plan = decision.plan.as_ref();
        let (Some(policy), Some(all)) = (decision.policy(), plan.and_then(|p| p.header.as_ref()))
        else {
            return;
        };
        if self == Self::Off {
            return;
        }
        let remaining = decision.remaining().min(LARGEST);
        let reset = whole_secs(decision.reset());
        headers.insert(POLICY, all.clone());
        if let Some(value) = state_header(policy.name.as_str(), remaining, reset) {
            headers.insert(STATE, value);
        }
        if self == Self::Draft11AndLegacy {
            headers.insert(LIMIT, policy.rate.limit().into());
            headers.insert(REMAINING, decision.remaining().into());
            headers.insert(RESET, reset.into());
        }
    }
}

/// Of one allocation, and not by the formatter, which takes longer than all the rest. Names need no
/// escape.
fn state_header(name: &str, remaining: u64, reset: u64) -> Option<HeaderValue> {
    let (mut r, mut t) = (Buffer::new(), Buffer::new());
    let text = [
        "\"",
        name,
        "\";r=",
        r.format(remaining),
        ";t=",
        t.format(reset),
    ]
    .concat();
    HeaderValue::try_from(text).ok()
}

/// All policies that may refuse, written once: a plan has them ready.
pub(crate) fn policy_header(rates: &[RatePolicy]) -> Option<HeaderValue> {
    let mut text = String::new();
    for policy in rates.iter().filter(|policy| !policy.shadow) {
        let comma = if text.is_empty() { "" } else { ", " };
        let quota = policy.rate.limit().min(LARGEST);
        let name = policy.name.as_str();
        // Writing into a `String` cannot fail.
        let _ = write!(text, "{comma}\"{name}\";q={quota}");
        // A window is whole seconds, and a shorter one is not told.
        let window = policy.rate.window();
        if window >= Duration::from_secs(1) {
            let _ = write!(text, ";w={}", whole_secs(window));
        }
    }
    let some = !text.is_empty();
    some.then(|| HeaderValue::try_from(text).ok()).flatten()
}

/// Rounded up.
fn whole_secs(time: Duration) -> u64 {
    let started = u64::from(time.subsec_nanos() > 0);
    time.as_secs().saturating_add(started).min(LARGEST)
}
