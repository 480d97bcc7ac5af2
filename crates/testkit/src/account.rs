use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::{env, fs};

use nix::unistd::{Gid, Uid, User};

use crate::Error;

/// Whom the servers run as: the caller, or an unprivileged user when that is root, as
/// which PostgreSQL and PgBouncer refuse to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    uid: u32,
    /// Set when the caller is root, and must become this user.
    dropped: Option<(u32, u32)>,
}

impl Account {
    pub(crate) fn current() -> Result<Self, Error> {
        let own = Uid::effective();
        if !own.is_root() {
            return Ok(Self {
                uid: own.as_raw(),
                dropped: None,
            });
        }
        let (uid, gid) = unprivileged().ok_or_else(|| {
            Error::new("servers do not run as root, and there is neither a user `postgres` nor a user `nobody`")
        })?;
        Ok(Self {
            uid: uid.as_raw(),
            dropped: Some((uid.as_raw(), gid.as_raw())),
        })
    }

    /// User and group to become, if any.
    pub(crate) fn dropped(self) -> Option<(u32, u32)> {
        self.dropped
    }

    /// The folder that holds the template and what runs: `testkit-$uid` below the system's
    /// folder for temporary files.
    pub(crate) fn base(self) -> PathBuf {
        let temp = env::temp_dir();
        let temp = if self.dropped.is_none() || is_open(&temp) {
            temp
        } else {
            // Root's own folder for temporary files may be closed to others.
            PathBuf::from("/tmp")
        };
        temp.join(format!("testkit-{}", self.uid))
    }
}

fn unprivileged() -> Option<(Uid, Gid)> {
    ["postgres", "nobody"].iter().find_map(|name| {
        let user = User::from_name(name).ok()??;
        Some((user.uid, user.gid))
    })
}

/// Whether other users may go through all of `path`.
fn is_open(path: &Path) -> bool {
    path.ancestors()
        .all(|part| fs::metadata(part).is_ok_and(|data| data.permissions().mode() & 0o001 != 0))
}
