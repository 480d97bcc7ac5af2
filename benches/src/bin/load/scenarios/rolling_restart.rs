use std::time::Duration;

use tokio::time::sleep;
use towerblock_testkit::Nginx;

use crate::Plan;
use crate::generator::{Load, Pace};
use crate::marketplace::{Outcome, Site};
use crate::mix::{MIXED, Tenants};
use crate::report::{LATENCY, Report, latency};

const ROUNDS: u32 = 3;

/// Each of two servers is replaced three times while both are asked.
pub(crate) async fn run(plan: Plan) -> Outcome<()> {
    let site = Site::start().await?;
    let mut servers = vec![site.instance(&[]).await?, site.instance(&[]).await?];
    let addresses: Vec<_> = servers.iter().map(|server| server.address).collect();
    let nginx = Nginx::start(&addresses).await?;
    let load = Load {
        addresses: vec![nginx.addr()],
        connections: 200,
        pace: Pace::Open(1_000.0),
        tenants: Tenants::Zipf,
        mix: MIXED,
    };
    load.run(Duration::from_secs(3)).await;

    // It ends when it has been told to, whatever the restarts took.
    let time = plan.time + Duration::from_secs(20) * ROUNDS;
    let running = tokio::spawn({
        let load = load.clone();
        async move { load.run(time).await }
    });
    let start = tokio::time::Instant::now();
    let mut marks = Vec::new();
    for _ in 0..ROUNDS {
        for name in ["first restarts", "second restarts"] {
            sleep(Duration::from_secs(1)).await;
            let old = servers.remove(0);
            let port = old.address.port().to_string();
            marks.push((start.elapsed(), name));
            old.end().await?;
            servers.push(site.instance(&[("PORT", &port)]).await?);
        }
    }
    println!("restarted within {:.1} s", start.elapsed().as_secs_f64());
    let seen = running.await?;

    let mut columns = vec!["restarts", "requests"];
    columns.extend(LATENCY);
    let mut report = Report::new("rolling-restart", &columns, plan.writes);
    let whole = seen.whole();
    let mut cells = vec![(2 * ROUNDS).to_string(), whole.all().to_string()];
    cells.extend(latency(&whole));
    report.row(&cells);
    let title = "two servers behind nginx, each replaced three times, 1,000 requests/s";
    report.plot("restarts", title, &seen, &marks)?;
    report.keep()
}
