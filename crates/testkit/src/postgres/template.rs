use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use super::USER;
use crate::Error;
use crate::error::Context;
use crate::supervisor::{Supervisor, text};

/// Raised when the template is made in another way.
const REVISION: u32 = 2;

/// Runs after `initdb`, for a database of the superuser's name. A standby does not start with
/// less than what was last written here, so that is the least there is.
const CREATE: &str = "echo \"create database $3\" | \"$1\" --single -D \"$2\" -c fsync=off \
    -c max_connections=4 -c max_wal_senders=0 -c max_worker_processes=0 \
    -c max_locks_per_transaction=10 template1";

/// A data directory that no server has run on, made once per version and machine.
pub(crate) async fn template(supervisor: &Supervisor, initdb: &Path) -> Result<PathBuf, Error> {
    let initdb_text = text(initdb)?;
    let version = supervisor
        .run(&[initdb_text.clone(), "--version".to_owned()])
        .await?;
    let template = supervisor
        .account()
        .base()
        .join(key(&version, &initdb_text));
    if template.is_dir() {
        return Ok(template);
    }
    // Made where the supervisor cleans up, and moved when complete: whoever finds it finds all
    // of it. Of two processes that make it at once, the second keeps the first one's.
    let draft = supervisor.dir().join("template");
    let draft_text = text(&draft)?;
    let options = [
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C",
        "--no-sync",
        "--username",
        USER,
        "-D",
        &draft_text,
    ];
    let mut argv = vec![initdb_text];
    argv.extend(options.map(str::to_owned));
    supervisor.run(&argv).await?;
    let postgres = text(&initdb.with_file_name("postgres"))?;
    let create = ["/bin/sh", "-c", CREATE, "sh", &postgres, &draft_text, USER];
    supervisor.run(&create.map(str::to_owned)).await?;
    match fs::rename(&draft, &template) {
        Err(_) if template.is_dir() => Ok(template),
        moved => moved
            .map(|()| template)
            .context(|| format!("cannot move {}", draft.display())),
    }
}

/// `15.14-9f86d081884c7d65`, from `initdb (PostgreSQL) 15.14 (Debian …)`.
fn key(version: &str, initdb: &str) -> String {
    let number = version
        .split_whitespace()
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))
        .unwrap_or("unknown");
    let mut hasher = DefaultHasher::new();
    (REVISION, version, initdb).hash(&mut hasher);
    format!("{number}-{:016x}", hasher.finish())
}
