use std::convert::Infallible;
use std::fs;
use std::future::ready;

use http::{Request, Response};
use tokio::runtime::Builder;
use tokio::time::{Duration, Instant, sleep};
use tower::{Layer as _, ServiceExt as _, service_fn};
use towerblock_core::{BoxError, TenantId};
use towerblock_metrics::{By, Exporter, TenantBoard, TenantBoardLayer};

const TENANTS: usize = 10_000;

/// A board with so many tenants: its memory, its page, a tick of it and a look at the worst.
pub(crate) fn table() -> Result<(), BoxError> {
    let before = resident()?;
    let board = TenantBoard::default();
    let page = Exporter::new().board(board.clone()).start()?;
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let (text, ticks) = runtime.block_on(async {
        ask(&board).await?;
        let mut ticks = Vec::new();
        for _ in 0..2 {
            sleep(Duration::from_secs(31)).await;
            ask(&board).await?;
            ticks.push(timed(|| board.tick()));
        }
        Ok::<_, BoxError>((page.render(), ticks))
    })?;
    let bytes = resident()?.saturating_sub(before);
    let renders = (0..21).map(|_| timed(|| drop(page.render()))).collect();
    let worst = (0..21)
        .map(|_| timed(|| drop(board.worst(By::Slowness, 10))))
        .collect();
    println!("| of {TENANTS} tenants, 100 with series | |");
    println!("|---|--:|");
    println!("| resident memory | {:.1} MB |", bytes as f64 / 1e6);
    println!(
        "| the page | {:.0} kB, {} lines |",
        text.len() as f64 / 1e3,
        text.lines().count()
    );
    println!("| a scrape | {:.2} ms |", crate::middle(renders));
    println!("| a tick, every 30 s | {:.2} ms |", crate::middle(ticks));
    println!("| the 10 slowest | {:.2} ms |", crate::middle(worst));
    Ok(())
}

/// Three requests of each, and more of some.
async fn ask(board: &TenantBoard) -> Result<(), BoxError> {
    let svc = TenantBoardLayer::new(board.clone()).layer(service_fn(|_: Request<()>| {
        ready(Ok::<_, Infallible>(Response::new(())))
    }));
    for nth in 0..TENANTS * 4 {
        let nth = if nth < TENANTS * 3 {
            nth % TENANTS
        } else {
            nth % 50
        };
        let mut req = Request::new(());
        req.extensions_mut()
            .insert(TenantId::new(format!("t{nth:05}"))?);
        svc.clone().oneshot(req).await?;
    }
    Ok(())
}

/// In milliseconds.
fn timed(work: impl FnOnce()) -> f64 {
    let since = Instant::now();
    work();
    since.elapsed().as_secs_f64() * 1e3
}

fn resident() -> Result<u64, BoxError> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 = line
        .and_then(|line| line.split_whitespace().next())
        .ok_or("no RSS")?
        .parse()?;
    Ok(kib * 1_024)
}
