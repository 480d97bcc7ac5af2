use std::io::Write as _;
use std::sync::Arc;

use rand::Rng as _;

use crate::Plan;
use crate::bars::Bar;
use crate::contest::{Contender, contest};
use crate::hammer::Request;
use crate::marketplace::{Instance, Outcome, build};
use crate::report::Report;

const ROUNDS: u32 = 5;
const SIZES: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// What keeps something of a tenant, as the program says it.
const PARTS: [&str; 7] = [
    "registry", "limits", "board", "shed", "circuit", "cache", "all",
];

/// Servers of so many tenants, in turns; each request is of one drawn at random.
pub(crate) async fn run(plan: Plan) -> Outcome<()> {
    build(&["-p", "towerblock-benches", "--bin=grown"])?;
    let mut contenders = Vec::new();
    for tenants in SIZES {
        let server = Instance::of("grown", &[&tenants.to_string()], [])?;
        contenders.push(Contender {
            name: tenants.to_string(),
            server: Arc::new(server),
            request: of_any(tenants),
        });
    }
    let seen = contest(&contenders, ROUNDS, plan.time).await?;

    let mut columns = vec![
        "tenants",
        "processor time of a request",
        "of the first",
        "requests/s",
        "memory",
    ];
    columns.extend(PARTS);
    let mut report = Report::new("growth", &columns, plan.writes);
    let first = seen.first().ok_or("no sizes")?;
    let mut bars = Vec::new();
    for (contender, done) in contenders.iter().zip(&seen) {
        let mut cells = vec![
            contender.name.clone(),
            format!("{:.1} us", done.micros),
            format!("{:.2} ×", done.micros / first.micros),
            format!("{:.0}", done.rate),
            format!("{:.0} MB", contender.server.memory()?),
        ];
        cells.extend(PARTS.map(|part| said(&contender.server.said, part).to_owned()));
        report.row(&cells);
        bars.push(Bar {
            name: format!("{} tenants", contender.name),
            value: done.micros,
            label: format!("{:.1} us", done.micros),
        });
    }
    report.bars("cost", "processor time of a request", &bars)?;
    report.keep()
}

fn of_any(tenants: u64) -> Request {
    Arc::new(move |rng, request| {
        let tenant = rng.random_range(0..tenants);
        // Nothing is ever wrong with writing to a vector.
        let _ = write!(
            request,
            "GET /api/v1/plugins HTTP/1.1\r\nhost: t{tenant:07}.localhost\r\n\r\n"
        );
    })
}

/// What the server said of a part: a line of its name and a number.
fn said<'a>(lines: &'a [String], part: &str) -> &'a str {
    let of_it = |line: &'a String| line.strip_prefix(part)?.strip_prefix(' ');
    lines.iter().find_map(of_it).unwrap_or("?")
}

#[cfg(test)]
mod tests {
    use super::said;

    #[test]
    fn a_part_is_found_by_its_whole_name() {
        let lines = ["cache-of-all 1", "cache 720"].map(str::to_owned);
        assert_eq!(said(&lines, "cache"), "720");
        assert_eq!(said(&lines, "board"), "?");
    }
}
