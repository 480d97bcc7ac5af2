use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, GenericClient, Row};

use super::statements;
use super::values::{Counted, Found, Value, bigint, failed, told, units};
use crate::claim::{Claim, Usage};
use crate::error::{Cause, QuotaError, checked};
use crate::ledger::KEPT;
use crate::quota::LARGEST;

/// So often a call is made again that was undone because of another one.
const TRIES: usize = 4;

pub(super) async fn usage(client: &impl GenericClient, claim: &Claim) -> Result<Usage, QuotaError> {
    let counted = Counted::of(claim);
    let row = client
        .query_typed_opt(statements::USAGE, &counted.row())
        .await;
    match row.map_err(failed)? {
        Some(row) => Ok(claim.usage(units(&row, 0)?, units(&row, 1)?, None)),
        None => Ok(claim.usage(0, 0, None)),
    }
}

pub(super) async fn consume(
    client: &impl GenericClient,
    claim: &Claim,
    key: Option<&str>,
) -> Result<Usage, QuotaError> {
    let counted = Counted::of(claim);
    let thresholds: (&(dyn ToSql + Sync), _) = (&counted.thresholds, Type::INT8_ARRAY);
    let mut values = counted.asked();
    values.push(thresholds);
    match key {
        None if claim.units > LARGEST => full(client, claim).await,
        None => {
            let row = client.query_typed_opt(statements::CONSUME, &values).await;
            match row.map_err(failed)? {
                Some(row) => told(claim, &row),
                None => full(client, claim).await,
            }
        }
        Some(key) => {
            let kept = KEPT.as_secs_f64();
            let key = checked(key)?;
            values.extend([(&key as _, Type::TEXT), (&kept as _, Type::FLOAT8)]);
            keyed(client, claim, key, statements::CONSUME_ONCE, &values).await
        }
    }
}

pub(super) async fn reserve(
    client: &impl GenericClient,
    claim: &Claim,
    key: &str,
    hold: Duration,
) -> Result<Usage, QuotaError> {
    let (counted, key) = (Counted::of(claim), checked(key)?);
    let hold = hold.as_secs_f64().min(LONGEST);
    let mut values = counted.asked();
    values.extend([(&key as _, Type::TEXT), (&hold as _, Type::FLOAT8)]);
    keyed(client, claim, key, statements::RESERVE, &values).await
}

pub(super) async fn commit(
    client: &impl GenericClient,
    claim: &Claim,
    key: &str,
    actual: u64,
) -> Result<Usage, QuotaError> {
    let (counted, kept) = (Counted::of(claim), KEPT.as_secs_f64());
    let actual = bigint(actual);
    let values: [Value<'_>; 5] = [
        (&counted.tenant, Type::TEXT),
        (&key, Type::TEXT),
        (&actual, Type::INT8),
        (&counted.thresholds, Type::INT8_ARRAY),
        (&kept, Type::FLOAT8),
    ];
    let row = undone_again(|| client.query_typed_opt(statements::COMMIT, &values)).await;
    if let Some(row) = row.map_err(failed)? {
        let mut usage = told(claim, &row)?;
        usage.late = row.try_get(4).map_err(failed)?;
        return Ok(usage);
    }
    match find(client, claim, key).await? {
        Some(found) if found.state == "settled" => Ok(usage(client, claim).await?.again()),
        _ => Err(Cause::UnknownKey(key.to_owned()).into()),
    }
}

pub(super) async fn release(
    client: &impl GenericClient,
    claim: &Claim,
    key: &str,
) -> Result<bool, QuotaError> {
    let (counted, kept) = (Counted::of(claim), KEPT.as_secs_f64());
    let values: [Value<'_>; 3] = [
        (&counted.tenant, Type::TEXT),
        (&key, Type::TEXT),
        (&kept, Type::FLOAT8),
    ];
    let row = undone_again(|| client.query_typed_opt(statements::RELEASE, &values)).await;
    Ok(row.map_err(failed)?.is_some())
}

pub(super) async fn give_back(
    client: &impl GenericClient,
    claim: &Claim,
) -> Result<Usage, QuotaError> {
    put(client, statements::GIVE_BACK, claim, claim.units).await
}

pub(super) async fn correct(
    client: &impl GenericClient,
    claim: &Claim,
    used: u64,
) -> Result<Usage, QuotaError> {
    put(client, statements::CORRECT, claim, used).await
}

pub(super) async fn sweep(client: &impl GenericClient, most: u32) -> Result<u64, QuotaError> {
    let (most, kept) = (i64::from(most), KEPT.as_secs_f64());
    let values: [Value<'_>; 2] = [(&most, Type::INT8), (&kept, Type::FLOAT8)];
    let row = undone_again(|| client.query_typed_opt(statements::SWEEP, &values)).await;
    let expired = match row.map_err(failed)? {
        Some(row) => units(&row, 0)?,
        None => 0,
    };
    let [most, _] = values;
    let forgotten = client.query_typed(statements::FORGET, &[most]).await;
    forgotten.map_err(failed)?;
    Ok(expired)
}

/// Counts or reserves by a statement that does so once for a key.
async fn keyed(
    client: &impl GenericClient,
    claim: &Claim,
    key: &str,
    statement: &str,
    values: &[Value<'_>],
) -> Result<Usage, QuotaError> {
    if claim.units <= LARGEST {
        let row = undone_again(|| client.query_typed_opt(statement, values)).await;
        if let Some(row) = row.map_err(failed)? {
            return told(claim, &row);
        }
    }
    let counted = Counted::of(claim);
    match find(client, claim, key).await? {
        None => full(client, claim).await,
        Some(found) if found.is_for(&counted) => Ok(usage(client, claim).await?.again()),
        Some(_) => Err(Cause::KeyReused(key.to_owned()).into()),
    }
}

async fn put(
    client: &impl GenericClient,
    statement: &str,
    claim: &Claim,
    number: u64,
) -> Result<Usage, QuotaError> {
    let (counted, number) = (Counted::of(claim), bigint(number));
    let [half, ..] = claim.quota.thresholds();
    // In a period nothing is told twice.
    let anew = match claim.quota.is_monthly() {
        true => i64::MIN,
        false => bigint(half),
    };
    let mut values = counted.row().to_vec();
    values.extend([(&number as _, Type::INT8), (&anew as _, Type::INT8)]);
    let row = client.query_typed_opt(statement, &values).await;
    match row.map_err(failed)? {
        Some(row) => told(claim, &row),
        None => Ok(claim.usage(0, 0, None)),
    }
}

async fn full(client: &impl GenericClient, claim: &Claim) -> Result<Usage, QuotaError> {
    Err(QuotaError::exceeded(claim, usage(client, claim).await?))
}

async fn find(
    client: &impl GenericClient,
    claim: &Claim,
    key: &str,
) -> Result<Option<Found>, QuotaError> {
    let tenant = claim.tenant.as_str();
    let values: [Value<'_>; 2] = [(&tenant, Type::TEXT), (&key, Type::TEXT)];
    let row = client.query_typed_opt(statements::FIND, &values).await;
    let found = |row: Row| {
        Ok(Found {
            resource: row.try_get(0)?,
            start: row.try_get(1)?,
            units: row.try_get(2)?,
            state: row.try_get(3)?,
        })
    };
    row.and_then(|row| row.map(found).transpose())
        .map_err(failed)
}

/// A hundred years, in seconds.
const LONGEST: f64 = 3.2e9;

/// The statement of somebody else with that key came first, or both waited for each other: nothing was done, and
/// what it does then is another thing.
async fn undone_again<A>(run: impl Fn() -> A) -> Result<Option<Row>, Error>
where
    A: Future<Output = Result<Option<Row>, Error>>,
{
    let mut tries = 1;
    loop {
        let result = run().await;
        let again = result.as_ref().is_err_and(is_undone) && tries < TRIES;
        if !again {
            return result;
        }
        tries += 1;
    }
}

fn is_undone(error: &Error) -> bool {
    let undone = [
        SqlState::UNIQUE_VIOLATION,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::T_R_SERIALIZATION_FAILURE,
    ];
    error.code().is_some_and(|code| undone.contains(code))
}
