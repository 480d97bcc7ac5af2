use std::fmt;

/// Why a request was refused.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// A dependency is failing and is being left alone.
    CircuitOpen,
    /// One request asks for more than the limit ever allows; waiting does not help.
    CostAboveBurst,
    /// The server is shutting down and takes nothing new.
    Draining,
    /// A cursor was forged, cut, foreign or expired.
    InvalidCursor,
    /// A parameter of the request cannot be understood.
    InvalidParameter,
    /// The tenant is malformed, given twice, or two sources disagree.
    InvalidTenant,
    /// This tenant already holds its share; others are served.
    OverShare,
    /// The server as a whole has no room, whoever asks.
    Overloaded,
    /// The tenant has used up what its plan allows in this period.
    PeriodQuota,
    /// The tenant asks faster than its rate.
    RateLimited,
    /// The tenant holds all that its plan allows; waiting does not help.
    StockQuota,
    /// The tenant is on its way to another place and back shortly.
    TenantMoving,
    /// The tenant may be read, and the request would write.
    TenantReadOnly,
    /// The tenant is suspended.
    TenantSuspended,
    /// A dependency cannot be reached, so the question cannot be answered.
    Unavailable,
    /// The tenant is missing, unknown, deleted, or not this caller's.
    UnknownTenant,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CircuitOpen => "circuit open",
            Self::CostAboveBurst => "cost above the burst",
            Self::Draining => "draining",
            Self::InvalidCursor => "invalid cursor",
            Self::InvalidParameter => "invalid parameter",
            Self::InvalidTenant => "invalid tenant",
            Self::OverShare => "tenant over its share",
            Self::Overloaded => "server overloaded",
            Self::PeriodQuota => "period quota used up",
            Self::RateLimited => "rate limited",
            Self::StockQuota => "stock quota used up",
            Self::TenantMoving => "tenant moving",
            Self::TenantReadOnly => "tenant read-only",
            Self::TenantSuspended => "tenant suspended",
            Self::Unavailable => "dependency unavailable",
            Self::UnknownTenant => "unknown tenant",
        })
    }
}
