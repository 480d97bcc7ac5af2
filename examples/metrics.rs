//! `cargo run --example metrics`: what the page says of requests, of a client that went away, of tenants
//! that get a series and lose it, and of a flood of made-up names.

#![expect(clippy::print_stdout, reason = "it is a program")]

use std::num::NonZeroUsize;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Path;
use axum::routing::get;
use http::{Request, StatusCode};
use tokio::time::{pause, sleep, timeout};
use tower::{ServiceBuilder, ServiceExt};
use towerblock_core::{BoxError, Reason, Rejected, TenantId};
use towerblock_metrics::{
    By, Exporter, Exposition, Exposure, HttpMetricsLayer, Process, TenantBoard, TenantBoardLayer,
};
use towerblock_respond::Refused;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    // Half a minute passes at once.
    pause();
    let three = NonZeroUsize::new(3).ok_or("none")?;
    let board = TenantBoard::new(Exposure::top(three).pin([TenantId::new("acme")?]));
    let page = Exporter::new()
        .board(board.clone())
        .stats(Process)
        .install()?;
    let _upkeep = page.upkeep();
    let app = Router::new().route("/{what}", get(work)).layer(
        ServiceBuilder::new()
            // Outside everything that refuses: every outcome is counted.
            .layer(HttpMetricsLayer::matched_path())
            // Below what names the tenant: this program does so itself.
            .layer(TenantBoardLayer::new(board.clone())),
    );
    outcomes(&app, &page).await?;
    series(&app, &page, &board).await?;
    flood(&app, &page).await
}

/// Answers, refuses, fails or takes its time, as it is asked to.
async fn work(Path(what): Path<String>) -> Result<String, Refused> {
    match &*what {
        "slow" => sleep(Duration::from_secs(2)).await,
        "refused" => return Err(Rejected::new("quota", Reason::RateLimited).into()),
        "broken" => return Err(std::io::Error::other("it failed").into()),
        _ => {}
    }
    Ok(format!("{what}, done"))
}

async fn outcomes(app: &Router, page: &Exposition) -> Result<(), BoxError> {
    println!("what became of five requests:");
    for path in ["/plugin", "/refused", "/broken", "/a/path/of/no/route"] {
        ask(app, "acme", path).await?;
    }
    // A client that waits for a second.
    let gone = timeout(Duration::from_secs(1), ask(app, "acme", "/slow")).await;
    assert!(gone.is_err());
    let text = page.render();
    show(
        &text,
        &[
            "http_requests_total{",
            "http_request_failures",
            "http_requests_in",
        ],
    );
    assert!(text.contains(r#"route="__unmatched__",status="404"} 1"#));
    assert!(text.contains(r#"status="499"} 1"#));
    assert!(text.contains(r#"http_requests_in_flight{method="GET"} 0"#));
    Ok(())
}

async fn series(app: &Router, page: &Exposition, board: &TenantBoard) -> Result<(), BoxError> {
    println!("\nthree places, one for who asks most, fails most and takes most time:");
    let everyone = async || {
        for nth in 0..40 {
            ask(app, &format!("t{nth:02}"), "/plugin").await?;
        }
        for _ in 0..9 {
            ask(app, "busy", "/plugin").await?;
        }
        ask(app, "broken", "/broken").await?;
        ask(app, "slow", "/slow").await
    };
    everyone().await?;
    sleep(Duration::from_secs(36)).await;
    // A series begins at 0.
    everyone().await?;
    let text = page.render();
    show(&text, &["tenant_requests_total", "tenant_board_requests"]);
    for (tenant, requests) in [("busy", 9), ("broken", 1), ("slow", 1), ("acme", 5)] {
        let line = format!("tenant_requests_total{{tenant=\"{tenant}\"}} {requests}");
        assert!(text.contains(&line), "{line}");
    }
    for by in [By::Requests, By::Errors, By::BusyTime, By::Refusals] {
        for worst in board.worst(by, 1) {
            let name = worst.tenant.as_str();
            println!(
                "  {by:?}: {name}, of {} requests {} failed",
                worst.requests, worst.errors
            );
        }
    }
    Ok(())
}

async fn flood(app: &Router, page: &Exposition) -> Result<(), BoxError> {
    let lines = page.render().lines().count();
    println!("\nthe page has {lines} lines; 20,000 tenants, paths and methods are made up:");
    for nth in 0..20_000 {
        let mut req = Request::builder()
            .method(&*format!("M{nth}"))
            .uri(format!("/{nth}/{nth}"))
            .body(Body::empty())?;
        req.extensions_mut()
            .insert(TenantId::new(format!("m{nth}"))?);
        app.clone().oneshot(req).await?;
    }
    let after = page.render().lines().count();
    println!("  now it has {after}");
    // One method, one route and one status more.
    assert!(after < lines + 60);
    Ok(())
}

fn show(text: &str, names: &[&str]) {
    for line in text.lines() {
        if names.iter().any(|name| line.starts_with(name)) {
            println!("  {line}");
        }
    }
}

async fn ask(app: &Router, tenant: &str, path: &str) -> Result<StatusCode, BoxError> {
    let mut req = Request::get(path).body(Body::empty())?;
    req.extensions_mut().insert(TenantId::new(tenant)?);
    let response = app.clone().oneshot(req).await?;
    let status = response.status();
    to_bytes(response.into_body(), 1_024).await?;
    Ok(status)
}
