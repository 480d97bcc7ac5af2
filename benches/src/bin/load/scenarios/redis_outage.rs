use towerblock_testkit::{Direction, Proxy};

use crate::Plan;
use crate::generator::{Load, Pace};
use crate::marketplace::{Outcome, Site};
use crate::mix::{MIXED, Tenants};
use crate::report::{LATENCY, Report, latency};
use crate::scenarios::outage::{Seen, under};

pub(crate) async fn run(plan: Plan) -> Outcome<()> {
    let site = Site::start().await?;
    let proxy = Proxy::start(site.redis.addr()).await?;
    let url = format!("redis://{}", proxy.addr());
    let server = site.instance(&[("REDIS_URL", &url)]).await?;
    let load = Load {
        addresses: vec![server.address],
        connections: 500,
        pace: Pace::Open(2_000.0),
        tenants: Tenants::Zipf,
        mix: MIXED,
    };
    load.run(plan.time).await;

    let mut columns = vec!["Redis", "when"];
    columns.extend(LATENCY);
    let mut report = Report::new("redis-outage", &columns, plan.writes);
    let redis = &site.redis;
    let killed = under(
        &load,
        async || Ok(redis.kill().await?),
        async || Ok(redis.start().await?),
    );
    tell(&mut report, "killed", &killed.await?)?;
    let stopped = under(
        &load,
        async || Ok(redis.pause().await?),
        async || Ok(redis.resume().await?),
    );
    tell(&mut report, "stopped", &stopped.await?)?;
    let cut = async || {
        proxy.drop_bytes(Direction::ToClient);
        proxy.drop_bytes(Direction::ToServer);
        Ok(())
    };
    let heal = async || {
        proxy.heal().await;
        Ok(())
    };
    tell(&mut report, "cut off", &under(&load, cut, heal).await?)?;
    report.keep()
}

fn tell(report: &mut Report, fault: &'static str, seen: &Seen) -> Outcome<()> {
    for (when, tally) in [
        ("before", seen.before()),
        ("while", seen.during()),
        ("after", seen.after()),
    ] {
        let mut cells = vec![fault.to_owned(), when.to_owned()];
        cells.extend(latency(&tally));
        report.row(&cells);
    }
    let title = format!("Redis {fault}, 2,000 requests/s");
    let file = fault.replace(' ', "-");
    report.plot(&file, &title, &seen.recording, &seen.marks(fault))
}
