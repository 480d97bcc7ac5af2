use std::time::Duration;

use towerblock_testkit::Proxy;

use crate::Plan;
use crate::generator::{Load, Pace};
use crate::marketplace::{Instance, Outcome, Site};
use crate::mix::{Tenants, UNCACHED};
use crate::recording::Recording;
use crate::report::{LATENCY, Report, latency};

/// What a query keeps its connection for, at least.
const HOLD: Duration = Duration::from_millis(5);
const PAIRS: usize = 5;
const QUIET: usize = 50;

/// Fifty tenants at 20 requests/s each, and one at 7,800, all of the database's.
pub(crate) async fn run(plan: Plan) -> Outcome<()> {
    let site = Site::start().await?;
    let proxy = Proxy::start(site.postgres.primary().addr()).await?;
    let url = site.postgres.primary().url();
    let url = url.replacen(
        &site.postgres.primary().addr().to_string(),
        &proxy.addr().to_string(),
        1,
    );
    let alone = [("DATABASE_URL", &*url), ("DATABASE_READ_REPLICAS", "")];
    let server = site.instance(&alone).await?;
    // Once there, and once back.
    proxy.delay(HOLD / 2);

    let mut columns = vec!["pair", "the fifty"];
    columns.extend(LATENCY);
    columns.push("the noisy one, answers/s");
    let mut report = Report::new("noisy-neighbour", &columns, plan.writes);
    let mut ratios = Vec::new();
    for pair in 1..=PAIRS {
        let (alone, _) = both(&server, false, plan.time).await?;
        let (beside, noisy) = both(&server, true, plan.time).await?;
        for (when, seen, noisy) in [("alone", &alone, 0.0), ("beside it", &beside, noisy)] {
            let mut cells = vec![pair.to_string(), when.to_owned()];
            cells.extend(latency(&seen.whole()));
            cells.push(format!("{noisy:.0}"));
            report.row(&cells);
        }
        let p99 = |seen: &Recording| seen.whole().percentile(99.0);
        ratios.push(p99(&beside) / p99(&alone));
        if pair == 1 {
            report.plot("quiet", "fifty tenants beside a noisy one", &beside, &[])?;
        }
    }
    ratios.sort_by(f64::total_cmp);
    let median = ratios.get(PAIRS / 2).copied().unwrap_or(f64::NAN);
    println!("p99 beside it, of p99 alone, median of {PAIRS} pairs: {median:.2}");
    report.keep()
}

/// What the fifty saw, and how much the noisy one got.
async fn both(server: &Instance, noisy: bool, time: Duration) -> Outcome<(Recording, f64)> {
    let load = |connections, rate, first, count| Load {
        addresses: vec![server.address],
        connections,
        pace: Pace::Open(rate),
        tenants: Tenants::Alike { first, count },
        mix: UNCACHED,
    };
    let flood = load(800, 7_800.0, 1, 1);
    let flood = noisy.then(|| tokio::spawn(async move { flood.run(time).await }));
    let quiet = load(200, 1_000.0, 2, QUIET).run(time).await;
    let got = match flood {
        Some(flood) => flood.await?.rate(),
        None => 0.0,
    };
    Ok((quiet, got))
}
