use std::time::Duration;

use towerblock_testkit::Proxy;

use crate::Plan;
use crate::contest::median;
use crate::generator::{Load, Pace};
use crate::marketplace::{Instance, Outcome, Site, build};
use crate::mix::{Tenants, UNCACHED};
use crate::recording::Recording;
use crate::report::{LATENCY, Report, latency};

/// What a query keeps its connection for, at least.
const HOLD: Duration = Duration::from_millis(5);
const PAIRS: usize = 5;
const QUIET: usize = 50;
/// Of the latencies that a row has.
const PERCENTS: [f64; 4] = [50.0, 95.0, 99.0, 99.9];

/// Fifty tenants at 20 requests/s each, and one at 7,800, all of the database's: of our server, and
/// of what one would assemble at its best.
pub(crate) async fn run(plan: Plan) -> Outcome<()> {
    build(&["-p", "towerblock-assembled"])?;
    let site = Site::start().await?;
    let proxy = Proxy::start(site.postgres.primary().addr()).await?;
    let url = site.postgres.primary().url();
    let url = url.replacen(
        &site.postgres.primary().addr().to_string(),
        &proxy.addr().to_string(),
        1,
    );
    let alone = [("DATABASE_URL", &*url), ("DATABASE_READ_REPLICAS", "")];
    let ours = site.instance(&alone).await?;
    let redis = site.redis.url();
    let sources = [("DATABASE_URL", &*url), ("REDIS_URL", &*redis)];
    let assembled = Instance::of("assembled-mimalloc", &["with-care"], sources)?;
    let servers = [("ours", ours), ("assembled", assembled)];
    // Once there, and once back.
    proxy.delay(HOLD / 2);

    let mut columns = vec!["server", "pair", "the fifty"];
    columns.extend(LATENCY);
    columns.push("the noisy one, answers/s");
    let mut report = Report::new("noisy-neighbour", &columns, plan.writes);
    let mut pairs = [Vec::new(), Vec::new()];
    for pair in 1..=PAIRS {
        for ((name, server), pairs) in servers.iter().zip(&mut pairs) {
            let (alone, _) = both(server, false, plan.time).await?;
            let (beside, noisy) = both(server, true, plan.time).await?;
            for (when, seen, noisy) in [("alone", &alone, 0.0), ("beside it", &beside, noisy)] {
                let mut cells = vec![(*name).to_owned(), pair.to_string(), when.to_owned()];
                cells.extend(latency(&seen.whole()));
                cells.push(format!("{noisy:.0}"));
                report.row(&cells);
            }
            if pair == 1 {
                let title = format!("fifty tenants beside a noisy one, {name}");
                report.plot(&format!("quiet-{name}"), &title, &beside, &[])?;
            }
            pairs.push(Pair::of(&alone, &beside, noisy));
        }
    }
    for ((name, _), pairs) in servers.iter().zip(&pairs) {
        report.row(&medians(name, pairs));
    }
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

/// What the fifty saw beside the noisy one, of what they saw alone.
struct Pair {
    ratios: [f64; PERCENTS.len()],
    /// In percent of their requests.
    refused: f64,
    failed: f64,
    noisy: f64,
}

impl Pair {
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    fn of(alone: &Recording, beside: &Recording, noisy: f64) -> Self {
        let (alone, beside) = (alone.whole(), beside.whole());
        let percent = |count| 100.0 * count as f64 / beside.all().max(1) as f64;
        Self {
            ratios: PERCENTS.map(|percent| beside.percentile(percent) / alone.percentile(percent)),
            refused: percent(beside.refused),
            failed: percent(beside.failed),
            noisy,
        }
    }
}

/// The row that says it all.
fn medians(name: &str, pairs: &[Pair]) -> Vec<String> {
    let of = |value: &dyn Fn(&Pair) -> f64| median(pairs.iter().map(value));
    let mut cells = vec![
        format!("**{name}**"),
        "median".to_owned(),
        "beside it, of alone".to_owned(),
    ];
    for place in 0..PERCENTS.len() {
        let ratio = of(&|pair| pair.ratios.get(place).copied().unwrap_or(f64::NAN));
        cells.push(format!("{ratio:.2} ×"));
    }
    cells.push(format!("{:.1} %", of(&|pair| pair.refused)));
    cells.push(format!("{:.1} %", of(&|pair| pair.failed)));
    cells.push(format!("{:.0}", of(&|pair| pair.noisy)));
    cells
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Pair, medians};
    use crate::recording::{Ending, Recording};

    #[test]
    fn a_row_has_the_median_of_ratios_and_not_the_ratio_of_medians() {
        let seen = |ms| {
            let mut recording = Recording::default();
            let took = Duration::from_millis(ms);
            recording.add(Duration::ZERO, took, Ending::Done);
            recording.add(Duration::ZERO, took, Ending::Refused);
            recording
        };
        // 4, 1 and 2 times as long.
        let pairs = [(10, 40), (100, 100), (20, 40)];
        let pairs = pairs.map(|(alone, beside)| Pair::of(&seen(alone), &seen(beside), 7.0));
        let row = medians("ours", &pairs);
        assert_eq!(
            row[3..],
            [
                "2.00 ×", "2.00 ×", "2.00 ×", "2.00 ×", "50.0 %", "0.0 %", "7"
            ]
        );
    }
}
