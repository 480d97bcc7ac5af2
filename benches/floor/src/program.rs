#![expect(clippy::print_stdout, reason = "who started the program waits for it")]

use std::io;

use axum::Router;
use tokio::net::TcpListener;

/// Serves what the first argument names, `bare` or `ordinary`, until it is killed.
///
/// # Errors
///
/// When there is neither, or no port is free.
pub async fn run() -> io::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("bare") => serve(crate::bare()).await,
        Some("ordinary") => serve(crate::ordinary(crate::bare())).await,
        _ => Err(io::Error::other("usage: floor bare|ordinary")),
    }
}

/// Serves `router` on a port of this machine that is free, and says which.
///
/// # Errors
///
/// When none is.
pub async fn serve(router: Router) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, router).await
}
