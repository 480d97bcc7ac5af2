use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::Plan;
use crate::generator::{Load, Pace};
use crate::marketplace::{Instance, Outcome, Site};
use crate::mix::{MIXED, Mix, READS, Tenants, UNCACHED};
use crate::question::Pages;
use crate::report::{LATENCY, Report, latency};
use crate::warm::warm;

const USERS: usize = 10_000;
/// As many as keep two cores busy.
const CLOSED: usize = 64;
const BEFORE: Duration = Duration::from_secs(2);
/// Until what a tenant's limits lease is sized by what is asked.
const USUAL: Duration = Duration::from_secs(20);

struct Row {
    what: &'static str,
    mix: Mix,
    users: usize,
    pace: Pace,
}

const ROWS: &[Row] = &[
    Row {
        what: "hits, 20,000/s",
        mix: READS,
        users: USERS,
        pace: Pace::Open(20_000.0),
    },
    Row {
        what: "hits, 40,000/s",
        mix: READS,
        users: USERS,
        pace: Pace::Open(40_000.0),
    },
    Row {
        what: "hits, closed loop",
        mix: READS,
        users: CLOSED,
        pace: Pace::Closed,
    },
    Row {
        what: "mix, 20,000/s",
        mix: MIXED,
        users: USERS,
        pace: Pace::Open(20_000.0),
    },
    Row {
        what: "mix, 5,000/s",
        mix: MIXED,
        users: USERS,
        pace: Pace::Open(5_000.0),
    },
    Row {
        what: "no cache, closed loop",
        mix: UNCACHED,
        users: CLOSED,
        pace: Pace::Closed,
    },
];

pub(crate) async fn run(plan: Plan) -> Outcome<()> {
    let site = Site::start().await?;
    let server = site.instance(&[]).await?;
    let mut columns = vec!["load", "connections", "answers/s"];
    columns.extend(LATENCY);
    columns.extend(["cache hits", "memory"]);
    let mut report = Report::new("documented", &columns, plan.writes);
    let pages = Arc::new(Pages::new());
    for row in ROWS {
        if row.mix != UNCACHED {
            warm(server.address, &pages).await?;
            row.as_usual(server.address).run_with(&pages, USUAL).await;
        }
        let load = row.load(server.address);
        // What a change of load costs is no part of it.
        load.run_with(&pages, BEFORE).await;
        let before = hits(&server).await?;
        let seen = load.run_with(&pages, plan.time).await;
        let after = hits(&server).await?;
        let mut cells = vec![
            row.what.to_owned(),
            row.users.to_string(),
            format!("{:.0}", seen.rate()),
        ];
        cells.extend(latency(&seen.whole()));
        let ratio = match row.mix {
            UNCACHED => "none".to_owned(),
            _ => format!("{:.1} %", 100.0 * ratio(before, after)),
        };
        cells.extend([ratio, format!("{:.0} MB", server.memory()?)]);
        report.row(&cells);
        let what: String = row
            .what
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect();
        report.plot(&what, row.what, &seen, &[])?;
    }
    report.keep()
}

impl Row {
    fn load(&self, address: SocketAddr) -> Load {
        Load {
            addresses: vec![address],
            connections: self.users,
            pace: self.pace,
            tenants: Tenants::Zipf,
            mix: self.mix,
        }
    }

    /// The same requests, and no more of them than are answered.
    fn as_usual(&self, address: SocketAddr) -> Load {
        Load {
            connections: CLOSED,
            pace: Pace::Closed,
            ..self.load(address)
        }
    }
}

fn ratio(before: [f64; 2], after: [f64; 2]) -> f64 {
    let ([hits, misses], [hits_now, misses_now]) = (before, after);
    let (hits, misses) = (hits_now - hits, misses_now - misses);
    hits / (hits + misses).max(1.0)
}

/// Reads that were answered by a cache, and those that were not.
pub(crate) async fn hits(server: &Instance) -> Outcome<[f64; 2]> {
    let hits = server.metric("cache_hits_total").await?;
    Ok([hits, server.metric("cache_misses_total").await?])
}
