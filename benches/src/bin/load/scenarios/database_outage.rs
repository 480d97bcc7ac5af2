use crate::Plan;
use crate::generator::{Load, Pace};
use crate::marketplace::{Instance, Outcome, Site};
use crate::mix::{Mix, Tenants, UNCACHED};
use crate::question::Kind;
use crate::report::{LATENCY, Report, latency};
use crate::scenarios::outage::{Seen, under};

const WRITES: Mix = &[(Kind::Write, 1)];

/// Reads that no cache answers, and writes, apart: they fare differently.
pub(crate) async fn run(plan: Plan) -> Outcome<()> {
    let mut columns = vec!["gone", "requests", "when"];
    columns.extend(LATENCY);
    let mut report = Report::new("database-outage", &columns, plan.writes);
    for mix in [UNCACHED, WRITES] {
        let what = if mix == UNCACHED { "reads" } else { "writes" };
        for gone in ["standby", "primary", "both"] {
            // Anew for each: a cluster whose primary died is another one.
            let site = Site::start().await?;
            let server = site.instance(&[]).await?;
            let seen = outage(&site, &server, gone, mix).await?;
            for (when, tally) in [
                ("before", seen.before()),
                ("while", seen.during()),
                ("after", seen.after()),
            ] {
                let mut cells = vec![gone.to_owned(), what.to_owned(), when.to_owned()];
                cells.extend(latency(&tally));
                report.row(&cells);
            }
            let title = format!("{gone} killed, {what}, 500 requests/s");
            let file = format!("{gone}-{what}");
            report.plot(&file, &title, &seen.recording, &seen.marks("killed"))?;
        }
    }
    report.keep()
}

async fn outage(site: &Site, server: &Instance, gone: &str, mix: Mix) -> Outcome<Seen> {
    let load = Load {
        addresses: vec![server.address],
        connections: 200,
        pace: Pace::Open(500.0),
        tenants: Tenants::Zipf,
        mix,
    };
    load.run(std::time::Duration::from_secs(3)).await;
    let mut servers = Vec::new();
    if gone != "standby" {
        servers.push(site.postgres.primary());
    }
    if gone != "primary" {
        servers.extend(site.postgres.standbys());
    }
    let breaks = async || {
        for server in &servers {
            server.kill().await?;
        }
        Ok(())
    };
    let mends = async || {
        for server in &servers {
            server.start().await?;
        }
        Ok(())
    };
    under(&load, breaks, mends).await
}
