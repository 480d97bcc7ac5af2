//! PostgreSQL for many tenants.

mod budget;
mod doctor;
#[cfg_attr(not(test), expect(dead_code, reason = "wired in the next commit"))]
mod statistics;

pub use self::budget::{Budget, BudgetError, Fleet};
pub use self::doctor::{
    Examination, Finding, Severity, examine, sequential_scans, shares_backends,
};
pub use self::statistics::{
    Cause, LabelReport, Report, SlowQuery, Spread, Statistics, TenantLoad, Total, Window,
};
