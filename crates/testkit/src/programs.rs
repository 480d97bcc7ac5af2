use std::path::PathBuf;
use std::{env, fs};

use crate::Error;

/// A program that has to be installed, and where it may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    /// The package that has it, by its name in Debian and in Homebrew.
    pub(crate) package: &'static str,
}

pub(crate) const INITDB: Program = Program {
    name: "initdb",
    package: "postgresql",
};
pub(crate) const REDIS: Program = Program {
    name: "redis-server",
    package: "redis",
};
pub(crate) const PGBOUNCER: Program = Program {
    name: "pgbouncer",
    package: "pgbouncer",
};
pub(crate) const NGINX: Program = Program {
    name: "nginx",
    package: "nginx",
};
pub(crate) const PROMETHEUS: Program = Program {
    name: "prometheus",
    package: "prometheus",
};
pub(crate) const PROMTOOL: Program = Program {
    name: "promtool",
    package: "prometheus",
};

impl Program {
    /// Its path, by the name it was found under, which some programs go by.
    pub(crate) fn find(self) -> Result<PathBuf, Error> {
        let in_path = env::var_os("PATH").unwrap_or_default();
        let found = env::split_paths(&in_path)
            .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
            .chain(self.folders())
            .map(|folder| folder.join(self.name))
            .find(|path| path.is_file());
        found.ok_or_else(|| {
            Error::missing(format!(
                "`{}` not found in PATH, /usr/lib/postgresql/*/bin or Homebrew; \
                 on Debian: apt-get install {package}; on macOS: brew install {package}",
                self.name,
                package = self.package,
            ))
        })
    }

    /// Where packagers put it, the newest version first.
    fn folders(self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for parent in ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"] {
            for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                if parent.ends_with("postgresql") || name.starts_with(self.package) {
                    found.push((version(&name), entry.path().join("bin")));
                }
            }
        }
        found.sort();
        found.into_iter().rev().map(|(_, path)| path).collect()
    }
}

/// The number in `15` and in `postgresql@15`; what has none is Homebrew's newest.
fn version(name: &str) -> u32 {
    let digits: String = name.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(u32::MAX)
}
