use std::sync::Arc;

use towerblock_testkit::{Postgres, Redis};

use crate::Plan;
use crate::bars::Bar;
use crate::contest::{Contender, contest};
use crate::hammer::{Done, Request};
use crate::marketplace::{Instance, Outcome, build};
use crate::report::Report;

const ROUNDS: u32 = 5;
/// Asked for of one tenant: what requests of one share, they meet at.
const REQUEST: &str = "GET /api/v1/plugins?limit=5 HTTP/1.1\r\nhost: t00001.localhost\r\n";
const GZIP: &str = "accept-encoding: gzip\r\n";

/// Who is measured: what stands in the table, the program, its argument. The first two are what
/// the others are compared with.
const SUBJECTS: &[(&str, &str, &str)] = &[
    ("bare axum", "floor", "bare"),
    ("axum + tower-http layers", "floor", "ordinary"),
    ("the same with mimalloc", "floor-mimalloc", "ordinary"),
    ("our stack", "ours", "stack"),
    ("our stack with mimalloc", "ours-mimalloc", "stack"),
    ("our server, a hit", "ours", "server"),
    (
        "our server, a hit, with mimalloc",
        "ours-mimalloc",
        "server",
    ),
    ("assembled", "assembled", "by-itself"),
    (
        "assembled, with mimalloc",
        "assembled-mimalloc",
        "by-itself",
    ),
    ("assembled with care", "assembled", "with-care"),
    (
        "assembled with care and mimalloc",
        "assembled-mimalloc",
        "with-care",
    ),
];
/// Who has nothing, who has what any service has, and the rest.
const FLOORS: [usize; 2] = [0, 1];

/// The same route, each server a process of its own, in turns.
pub(crate) async fn run(plan: Plan) -> Outcome<()> {
    build(&["-p", "towerblock-floor"])?;
    build(&["-p", "towerblock-assembled"])?;
    build(&[
        "-p",
        "towerblock-benches",
        "--bin=ours",
        "--bin=ours-mimalloc",
    ])?;
    let postgres = Postgres::builder().start().await?;
    let redis = Redis::builder().start().await?;
    let (database, redis) = (postgres.primary().url(), redis.url());

    let mut contenders = Vec::new();
    for (name, program, argument) in SUBJECTS {
        let database = match *program {
            "ours" | "ours-mimalloc" => "memory:",
            _ => &*database,
        };
        let environment = [
            ("DATABASE_URL", database),
            (
                "REDIS_URL",
                if database == "memory:" { "" } else { &*redis },
            ),
            // Nobody is refused for being too fast.
            ("RATE", "1000000"),
        ];
        let server = Arc::new(Instance::of(program, &[argument], environment)?);
        for more in ["", GZIP] {
            contenders.push(Contender {
                name: format!("{name}{}", if more.is_empty() { "" } else { ", gzip" }),
                server: Arc::clone(&server),
                request: fixed(format!("{REQUEST}{more}\r\n")),
            });
        }
    }
    let seen = contest(&contenders, ROUNDS, plan.time).await?;
    tell(&contenders, &seen, plan.writes)
}

fn fixed(text: String) -> Request {
    Arc::new(move |_, request| request.extend_from_slice(text.as_bytes()))
}

/// Those without compression first, then those with.
fn tell(contenders: &[Contender], seen: &[Done], writes: bool) -> Outcome<()> {
    let columns = [
        "64 connections",
        "requests/s",
        "of bare axum",
        "of tower-http layers",
        "processor time each",
        "of bare axum",
        "asking",
        "memory",
    ];
    let mut report = Report::new("overhead", &columns, writes);
    let mut bars = [Vec::new(), Vec::new()];
    for (gzip, bars) in bars.iter_mut().enumerate() {
        let all: Vec<_> = contenders.iter().zip(seen).skip(gzip).step_by(2).collect();
        let [bare, layered] = FLOORS.map(|floor| all.get(floor).map(|(_, done)| **done));
        let (bare, layered) = bare.zip(layered).ok_or("no floors")?;
        for (contender, done) in all {
            report.row(&[
                contender.name.clone(),
                format!("{:.0}", done.rate),
                format!("{:.2}", done.rate / bare.rate),
                format!("{:.2}", done.rate / layered.rate),
                format!("{:.1} us", done.micros),
                format!("{:.2} ×", done.micros / bare.micros),
                format!("{:.1} us", done.asking),
                format!("{:.0} MB", contender.server.memory()?),
            ]);
            bars.push(Bar {
                name: contender.name.clone(),
                value: done.rate / bare.rate,
                label: format!("{:.2}", done.rate / bare.rate),
            });
        }
    }
    let [plain, gzip] = bars;
    report.bars("plain", "requests/s, of bare axum", &plain)?;
    report.bars("gzip", "requests/s, of bare axum, gzip asked for", &gzip)?;
    report.keep()
}
