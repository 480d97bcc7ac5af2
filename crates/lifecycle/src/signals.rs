use std::io;
use std::sync::Weak;

use crate::Lifecycle;
use crate::lifecycle::Shared;

/// Listens from now on; the future tells of each signal, until the lifecycle is gone.
#[cfg(unix)]
pub(crate) fn stop(shared: Weak<Shared>) -> io::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        loop {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            let Some(shared) = shared.upgrade() else {
                return;
            };
            tracing::info!(signal = name, "asked to stop");
            Lifecycle { shared }.stop();
        }
    })
}

/// Ctrl-C is all there is.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "as on Unix, where it may fail")]
pub(crate) fn stop(shared: Weak<Shared>) -> io::Result<impl Future<Output = ()> + Send> {
    Ok(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            let Some(shared) = shared.upgrade() else {
                return;
            };
            tracing::info!(signal = "Ctrl-C", "asked to stop");
            Lifecycle { shared }.stop();
        }
    })
}
