//! The demo data: the same rows whichever store holds them.

use jiff::{SignedDuration, Timestamp};
use towerblock_core::TenantId;
use towerblock_tenant::{Isolation, Tenant};

use crate::store::{Package, Plugin};

/// Each of these has a schema of its own.
const NAMED: [(&str, u64, &str); 3] = [
    ("acme", 1, "enterprise"),
    ("globex", 2, "pro"),
    ("initech", 3, "free"),
];
/// `t00001` … share tables, on the plan `enterprise`.
const NUMBERED: u64 = 10_000;
/// Their keys start here.
const FIRST_KEY: u64 = 1_001;
/// Ids above are given to what clients create.
pub(crate) const FIRST_FREE_ID: i64 = 1_000_000_000;

/// All tenants of the demo.
pub(crate) fn tenants() -> impl Iterator<Item = Tenant> {
    let named = NAMED
        .into_iter()
        .map(|(name, key, plan)| (name.to_owned(), key, plan, Isolation::Schema));
    let numbered = (0..NUMBERED).map(|n| {
        let name = format!("t{:05}", n + 1);
        (name, FIRST_KEY + n, "enterprise", Isolation::RowLevel)
    });
    named
        .chain(numbered)
        .filter_map(|(name, key, plan, isolation)| {
            // Every name above is valid; one that is not would be missing, and seen at once.
            let mut tenant = Tenant::new(TenantId::new(name).ok()?, key, isolation);
            tenant.plan = plan.into();
            Some(tenant)
        })
}

/// Those that are not one of many.
pub(crate) fn named() -> impl Iterator<Item = TenantId> {
    tenants().take(NAMED.len()).map(|tenant| tenant.id)
}

/// The plugins of a tenant, oldest first.
pub(crate) fn plugins(tenant: &Tenant) -> impl Iterator<Item = Plugin> {
    let count = match (tenant.id.as_str(), tenant.placement.isolation) {
        ("acme" | "globex", _) => 200,
        (_, Isolation::RowLevel) => 20,
        _ => 0,
    };
    let key = i64::try_from(tenant.key).unwrap_or(i64::MAX);
    (0..count).map(move |n| {
        let created_at = day(n / 2);
        let subject = pick(n);
        Plugin {
            id: key * 1_000 + n,
            team_id: n % 5 + 1,
            name: format!("{subject}-{n:03}"),
            description: format!("Plugin {n} of this tenant: {subject} for everyday work."),
            version: format!("1.{}.{}", n / 10, n % 10),
            created_at,
            updated_at: created_at,
        }
    })
}

/// What all tenants share, oldest first.
pub(crate) fn packages() -> impl Iterator<Item = Package> {
    (0..100).map(|n| {
        let subject = pick(n);
        Package {
            id: n + 1,
            name: format!("{subject}-kit-{n:03}"),
            summary: format!("Everything that {subject} needs, in one package."),
            created_at: day(n / 2),
        }
    })
}

/// Two rows share each day, so that pages are cut between equal times as well.
fn day(n: i64) -> Timestamp {
    let start = Timestamp::constant(1_735_689_600, 0);
    // In range: a year after a start in 2025.
    start
        .saturating_add(SignedDuration::from_hours(24 * n))
        .unwrap_or(start)
}

fn pick(n: i64) -> &'static str {
    const SUBJECTS: [&str; 7] = [
        "billing", "search", "charts", "import", "chat", "backup", "forms",
    ];
    let index = usize::try_from(n).unwrap_or_default() % SUBJECTS.len();
    SUBJECTS.get(index).copied().unwrap_or_default()
}
