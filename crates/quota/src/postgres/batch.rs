use std::collections::HashMap;

use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Row};

use super::statements;
use super::values::{Counted, Value, failed, units};
use crate::claim::{Claim, Usage};
use crate::error::QuotaError;

/// Which count it is: tenant, resource and the first second.
type Of = (String, String, i64);

/// A count after all of it.
struct Sum {
    used: u64,
    reserved: u64,
    /// How many thresholds were told before.
    told: usize,
}

pub(super) async fn count(
    client: &impl GenericClient,
    claims: &[Claim],
) -> Result<Vec<Usage>, QuotaError> {
    let counted: Vec<_> = claims.iter().map(Counted::of).collect();
    let tenants: Vec<_> = counted.iter().map(|one| one.tenant).collect();
    let resources: Vec<_> = counted.iter().map(|one| one.resource).collect();
    let starts: Vec<_> = counted.iter().map(|one| one.start).collect();
    let all: Vec<_> = counted.iter().map(|one| one.units).collect();
    let values: [Value<'_>; 4] = [
        (&tenants, Type::TEXT_ARRAY),
        (&resources, Type::TEXT_ARRAY),
        (&starts, Type::FLOAT8_ARRAY),
        (&all, Type::INT8_ARRAY),
    ];
    let rows = client.query_typed(statements::COUNT, &values).await;
    let rows = rows.map_err(failed)?;
    let sums: Result<HashMap<Of, Sum>, _> = rows.iter().map(sum).collect();
    let mut sums = sums?;
    let mut usages = Vec::with_capacity(claims.len());
    for (claim, counted) in claims.iter().zip(&counted) {
        let (tenant, resource) = (counted.tenant.to_owned(), counted.resource.to_owned());
        let Some(sum) = sums.get_mut(&(tenant, resource, counted.seconds)) else {
            // Each claim has a row.
            usages.push(claim.usage(0, 0, None));
            continue;
        };
        let reached = counted.reached(sum.used);
        let mut told = None;
        if reached > sum.told {
            sum.told = reached;
            told = tell(client, counted, reached).await?;
        }
        usages.push(claim.usage(sum.used, sum.reserved, told));
    }
    Ok(usages)
}

/// Rarely more than a few: each is told once in a period.
async fn tell(
    client: &impl GenericClient,
    counted: &Counted<'_>,
    reached: usize,
) -> Result<Option<usize>, QuotaError> {
    let most = i32::try_from(reached).unwrap_or_default();
    let mut values = counted.row().to_vec();
    values.push((&most, Type::INT4));
    let row = client.query_typed_opt(statements::TELL, &values).await;
    Ok(row.map_err(failed)?.map(|_| reached))
}

fn sum(row: &Row) -> Result<(Of, Sum), QuotaError> {
    let of = |row: &Row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
    let told: i32 = row.try_get(5).map_err(failed)?;
    let sum = Sum {
        used: units(row, 3)?,
        reserved: units(row, 4)?,
        told: usize::try_from(told).unwrap_or_default(),
    };
    Ok((of(row).map_err(failed)?, sum))
}
