use std::fs;
use std::path::PathBuf;

use tokio::sync::watch;

use super::{Report, status};
use crate::Error;

/// A server that was started, which may have ended since.
#[derive(Clone, Debug)]
pub(crate) struct Launched {
    pub(super) number: u64,
    pub(super) log: PathBuf,
    pub(super) command: String,
    pub(super) report: watch::Receiver<Report>,
}

impl Launched {
    /// Its process id; `None` before it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.report.borrow().pid
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.report.borrow().ended.is_some() || self.report.has_changed().is_err()
    }

    /// Its exit status, once it has one.
    pub(crate) async fn ended(&self) -> i32 {
        let ended = status(self.report.clone(), |report| report.ended).await;
        ended.unwrap_or(-1)
    }

    /// What it printed, when it has ended well.
    pub(crate) async fn succeeded(&self) -> Result<String, Error> {
        match self.ended().await {
            0 => Ok(self.log()),
            status => Err(self.error(&format!("failed with status {status}"))),
        }
    }

    pub(crate) fn log(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Says what is wrong with it, with its command and the end of its log.
    pub(crate) fn error(&self, what: &str) -> Error {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines.split_at(lines.len().saturating_sub(20)).1.join("\n");
        Error::new(format!("`{}` {what}", self.command)).with_log(tail)
    }
}
