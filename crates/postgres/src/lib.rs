//! PostgreSQL for many tenants.

mod budget;
#[cfg_attr(not(test), expect(dead_code, reason = "wired in the next commit"))]
mod statistics;

pub use self::budget::{Budget, BudgetError, Fleet};
pub use self::statistics::{
    Cause, LabelReport, Report, SlowQuery, Spread, Statistics, TenantLoad, Total, Window,
};
