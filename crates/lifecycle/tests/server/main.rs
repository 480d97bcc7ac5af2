//! A real process, real signals, real connections. The process is this test binary, run again for
//! one test with `SCENE` set.

#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up should panic"
)]

mod connections;
mod drain;
mod endings;

mod process;
mod rolling;
mod scene;
mod serving;
