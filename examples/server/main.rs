//! `cargo run --release --example server`: a small multi-tenant plugin marketplace.

#![expect(clippy::print_stderr, clippy::print_stdout, reason = "it is a program")]

use std::process::ExitCode;

use marketplace::Config;

/// Alone worth as much as several layers, where threads meet in the allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let config = Config::read(std::env::args_os()).unwrap_or_else(|(text, code)| {
        if code == 0 {
            println!("{text}");
        } else {
            eprintln!("{text}");
        }
        std::process::exit(code)
    });
    tracing_subscriber::fmt()
        .with_env_filter(&config.rust_log)
        .with_writer(std::io::stderr)
        .init();
    match marketplace::run(config).await {
        Ok(ending) => ending.exit_code(),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
