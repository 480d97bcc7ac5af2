use std::convert::Infallible;
use std::future::ready;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::{Request, Response};
use proptest::prelude::*;
use tokio::runtime::Builder;
use tokio::time::advance;
use tower::{Layer, ServiceExt, service_fn};
use towerblock_core::{Stats as _, Value};
use towerblock_metrics::{Exposure, TenantBoard, TenantBoardLayer};

use crate::{from, n, tenant};

/// What the page has: all, the sum of the tenants', the retired.
fn told(board: &TenantBoard) -> (u64, u64, u64) {
    let (mut all, mut sum, mut retired) = (0, 0, 0);
    board.read(&mut |metric, _, value| {
        if let Value::Count(count) = value {
            match metric.name {
                "tenant_board_requests" => all = count,
                "tenant_requests" => sum += count,
                "tenant_board_retired_requests" => retired = count,
                _ => {}
            }
        }
    });
    (all, sum, retired)
}

/// One request, which is answered at once.
fn ask(board: &TenantBoard, req: Request<String>) {
    let layer = TenantBoardLayer::new(board.clone());
    let svc = layer.layer(service_fn(|_: Request<String>| {
        ready(Ok::<_, Infallible>(Response::new(String::new())))
    }));
    svc.oneshot(req).now_or_never().unwrap().unwrap();
}

#[derive(Clone, Debug)]
enum Step {
    /// Of this tenant; of none.
    Ask(Option<u8>),
    Tick,
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0_u8..90).prop_map(|tenant| Step::Ask(Some(tenant))),
        1 => Just(Step::Ask(None)),
        2 => Just(Step::Tick),
        1 => (0_u16..400).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn all_that_is_asked_is_told_at_every_scrape(steps in proptest::collection::vec(step(), 1..300)) {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let outcome: Result<(), TestCaseError> = runtime.unwrap().block_on(async {
            // Less room than there are tenants: some are forgotten.
            let exposure = Exposure::top(n(3)).track(n(64)).pin([tenant("t7")]);
            let board = TenantBoard::new(exposure);
            let mut asked = 0;
            for step in steps {
                match step {
                    Step::Ask(who) => {
                        asked += 1;
                        let named = |who: u8| from(&format!("t{who}"));
                        ask(&board, who.map_or_else(Request::default, named));
                    }
                    Step::Tick => {
                        advance(Duration::from_secs(30)).await;
                        board.tick();
                    }
                    Step::Wait(secs) => advance(Duration::from_secs(secs.into())).await,
                }
                let (all, sum, retired) = told(&board);
                prop_assert_eq!(all, asked);
                prop_assert_eq!(sum + retired, asked);
            }
            Ok(())
        });
        outcome?;
    }
}

#[test]
fn all_that_threads_ask_is_told_whatever_series_begin_and_end_meanwhile() {
    const EACH: u64 = 20_000;
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let board = {
        let _inside = runtime.enter();
        TenantBoard::new(Exposure::top(n(4)).track(n(64)))
    };
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let asking: Vec<_> = [7, 11]
            .into_iter()
            .map(|prime| {
                let board = &board;
                scope.spawn(move || {
                    // Time stands still there, too.
                    let mut builder = Builder::new_current_thread();
                    let runtime = builder.enable_time().start_paused(true).build().unwrap();
                    let _inside = runtime.enter();
                    for nth in 0..EACH {
                        ask(board, from(&format!("t{}", nth * prime % (40 + nth / 100))));
                    }
                })
            })
            .collect();
        let over = &over;
        let board = &board;
        let scrapes = scope.spawn(move || {
            let mut last = 0;
            runtime.block_on(async {
                while !over.load(Ordering::Acquire) {
                    let (all, sum, retired) = told(board);
                    assert_eq!(all, sum + retired);
                    assert!(all >= last, "{all} after {last}");
                    last = all;
                    advance(Duration::from_secs(40)).await;
                    board.tick();
                }
            });
        });
        for thread in asking {
            thread.join().unwrap();
        }
        over.store(true, Ordering::Release);
        scrapes.join().unwrap();
    });
    assert_eq!(told(&board).0, 2 * EACH);
}
