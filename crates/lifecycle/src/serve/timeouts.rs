use std::time::Duration;

/// How long connections may stay without asking for anything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "timeouts do nothing until a server gets them"]
pub struct Timeouts {
    pub(crate) first_request: Duration,
    pub(crate) idle: Duration,
}

impl Timeouts {
    /// How long a new connection may take until its first request has begun. Default: 10 s.
    pub const fn first_request(mut self, first_request: Duration) -> Self {
        self.first_request = first_request;
        self
    }

    /// How long a connection of HTTP/1.1 may be without a request, and how long the head of one may take;
    /// how often clients of HTTP/2 are asked whether they are still there. Longer than the proxy in front
    /// keeps connections that it may use again. Default: 75 s, for nginx keeps them for 60.
    pub const fn idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            first_request: Duration::from_secs(10),
            idle: Duration::from_secs(75),
        }
    }
}
