use std::time::{Duration, UNIX_EPOCH};

/// Seconds since 1970. Tokens go from one instance to another, so they tell the time of day.
#[expect(
    clippy::disallowed_types,
    reason = "the one place where the clock is read; all else is told the time"
)]
pub(crate) fn unix_seconds() -> u64 {
    let since = std::time::SystemTime::now().duration_since(UNIX_EPOCH);
    since.as_ref().map_or(0, Duration::as_secs)
}
