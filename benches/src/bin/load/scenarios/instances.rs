use std::time::Duration;

use towerblock_testkit::Nginx;

use crate::Plan;
use crate::generator::{Load, Pace};
use crate::marketplace::{Instance, Outcome, Site};
use crate::mix::{MIXED, Tenants};
use crate::report::{LATENCY, Report, latency};
use crate::scenarios::documented::hits;

/// Three servers, whose connections to the database are counted there.
pub(crate) async fn run(plan: Plan) -> Outcome<()> {
    let site = Site::start().await?;
    let mut servers = Vec::new();
    for _ in 0..3 {
        servers.push(site.instance(&[]).await?);
    }
    let addresses: Vec<_> = servers.iter().map(|server| server.address).collect();
    let nginx = Nginx::start(&addresses).await?;
    let load = Load {
        addresses: vec![nginx.addr()],
        connections: 500,
        pace: Pace::Open(3_000.0),
        tenants: Tenants::Zipf,
        mix: MIXED,
    };
    load.run(Duration::from_secs(5)).await;
    let seen = load.run(plan.time).await;

    let mut columns = vec!["servers", "answers/s"];
    columns.extend(LATENCY);
    columns.extend(["cache hits", "connections to the primary", "to the standby"]);
    let mut report = Report::new("instances", &columns, plan.writes);
    let mut cells = vec!["3".to_owned(), format!("{:.0}", seen.rate())];
    cells.extend(latency(&seen.whole()));
    cells.push(format!("{:.1} %", 100.0 * hit_ratio(&servers).await?));
    let standby = site.postgres.standbys().first().ok_or("no standby")?;
    for server in [site.postgres.primary(), standby] {
        let clients = "select count(*) from pg_stat_activity where backend_type = 'client backend'";
        let count = server.sql(clients).await?.unwrap_or_default();
        cells.push(count.trim().to_owned());
    }
    report.row(&cells);
    let title = "three servers behind nginx, 3,000 requests/s";
    report.plot("mix", title, &seen, &[])?;
    report.keep()
}

async fn hit_ratio(servers: &[Instance]) -> Outcome<f64> {
    let (mut all_hits, mut all_misses) = (0.0, 0.0);
    for server in servers {
        let [hits, misses] = hits(server).await?;
        all_hits += hits;
        all_misses += misses;
    }
    Ok(all_hits / (all_hits + all_misses).max(1.0))
}
