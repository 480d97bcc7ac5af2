//! What is wrong with a server before anybody is harmed by it. Nothing here changes it.

mod capacity;
mod examination;
mod finding;
mod plan;
mod policy;
mod pooler;
mod roles;
mod tables;

use tokio_postgres::{Client, Error};

pub use self::examination::Examination;
pub use self::finding::{Finding, Severity};
pub use self::plan::sequential_scans;
pub use self::pooler::shares_backends;

/// Looks for what would let one tenant see another's rows, for a pooler, and for connections
/// that the server does not have. What is worst comes first.
///
/// It reads the catalogue and changes nothing, on a standby too. The client must not be in a
/// transaction. A pooler that gives one client the same connection each time is seen only by
/// [`shares_backends`], which takes two.
///
/// ```no_run
/// use towerblock_postgres::{Examination, Severity, examine};
///
/// # async fn start(client: tokio_postgres::Client) -> Result<(), tokio_postgres::Error> {
/// let what = Examination::default()
///     .schema("shared")
///     .role("tenant");
/// for finding in examine(&client, &what).await? {
///     assert!(finding.severity() < Severity::Danger, "{finding}");
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// When the server cannot be asked.
pub async fn examine(client: &Client, what: &Examination) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    let roles = roles::examine(client, what.role.as_deref(), &mut findings).await?;
    for (schema, table) in &what.tables {
        let named = (schema.as_str(), table.as_deref());
        tables::examine(client, named, &roles, &mut findings).await?;
    }
    if let Some(fleet) = what.fleet {
        findings.extend(capacity::examine(client, fleet).await?);
    }
    if pooler::changes_backends(client).await? {
        findings.push(Finding::PooledTransactions);
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity()));
    Ok(findings)
}
