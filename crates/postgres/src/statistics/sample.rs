use std::time::Duration;

use towerblock_core::TenantId;

/// One statement, or one transaction, as it went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample<'a> {
    pub(crate) label: &'static str,
    pub(crate) tenant: Option<&'a TenantId>,
    /// Until there was room for it.
    pub(crate) wait: Duration,
    /// Spent on opening a connection; zero when one was open.
    pub(crate) connect: Duration,
    /// From sending it until the last row.
    pub(crate) execute: Duration,
    /// How long it had a connection to itself.
    pub(crate) hold: Duration,
    pub(crate) rows: u64,
    pub(crate) outcome: Outcome,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    Ok,
    Error,
    /// Whoever asked left before the answer.
    Cancelled,
    /// It got no connection: only its wait means anything.
    Refused,
}
