use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::{Failure, run};

/// What the tests start, and the packages that hold it.
#[derive(Debug)]
struct Server {
    binaries: &'static [&'static str],
    debian: &'static str,
    homebrew: &'static str,
}

const SERVERS: &[Server] = &[
    Server {
        binaries: &["initdb", "postgres"],
        debian: "postgresql",
        homebrew: "postgresql",
    },
    Server {
        binaries: &["redis-server"],
        debian: "redis-server",
        homebrew: "redis",
    },
    Server {
        binaries: &["pgbouncer"],
        debian: "pgbouncer",
        homebrew: "pgbouncer",
    },
    Server {
        binaries: &["nginx"],
        debian: "nginx",
        homebrew: "nginx",
    },
    Server {
        binaries: &["prometheus", "promtool"],
        debian: "prometheus",
        homebrew: "prometheus",
    },
];

/// Installs the packages named as arguments.
///
/// Debian starts a service as soon as it is installed, unless this policy forbids it: our
/// tests start their own, and a port taken by a stranger is the last thing they need.
const INSTALL: &str = r#"
set -eu
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
apt-get update
apt-get install --yes --no-install-recommends "$@"
"#;

/// Returns when every server is there, installed if need be and allowed.
///
/// # Errors
///
/// With the one line to run, where we may not install.
pub(crate) fn provide() -> Result<(), Failure> {
    let absent = missing(&folders());
    if absent.is_empty() {
        return Ok(());
    }
    let Some(mut install) = installer() else {
        return Err(Failure::new(advice(&absent)));
    };
    println!("installing {}", names(&absent, |server| server.debian));
    run(install.args(absent.iter().map(|server| server.debian)))?;
    let absent = missing(&folders());
    if absent.is_empty() {
        return Ok(());
    }
    Err(Failure::new(advice(&absent)))
}

/// Where this program is.
pub(crate) fn find(binary: &str) -> Option<PathBuf> {
    let mut places = folders().into_iter().map(|folder| folder.join(binary));
    places.find(|program| program.is_file())
}

/// A server counts as there when one folder holds all its binaries.
fn missing(folders: &[PathBuf]) -> Vec<&'static Server> {
    let holds = |folder: &PathBuf, server: &Server| {
        let there = |binary: &&str| folder.join(binary).is_file();
        server.binaries.iter().all(there)
    };
    SERVERS
        .iter()
        .filter(|server| !folders.iter().any(|folder| holds(folder, server)))
        .collect()
}

/// Where the binaries may be: `PATH`, what Debian keeps out of a user's `PATH`, Homebrew.
fn folders() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = env::split_paths(&path).collect();
    folders.extend(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    folders.extend(versions(Path::new("/usr/lib/postgresql"), ""));
    for brew in ["/opt/homebrew", "/usr/local", "/home/linuxbrew/.linuxbrew"] {
        folders.push(Path::new(brew).join("bin"));
        folders.extend(versions(&Path::new(brew).join("opt"), "postgresql"));
    }
    folders
}

/// The `bin` of each folder in `parent` whose name starts with `prefix`.
fn versions(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path().join("bin"))
        .collect()
}

/// The command that takes package names, if there is one that asks nobody.
fn installer() -> Option<Command> {
    if !Path::new("/usr/bin/apt-get").is_file() {
        return None;
    }
    let mut command = if is_root() {
        Command::new("sh")
    } else if succeeds(Command::new("sudo").args(["-n", "true"])) {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "sh"]);
        sudo
    } else {
        return None;
    };
    command.args(["-c", INSTALL, "install"]);
    Some(command)
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// The one line to run.
fn advice(absent: &[&Server]) -> String {
    let debian = names(absent, |server| server.debian);
    let line = if cfg!(target_os = "macos") {
        format!("brew install {}", names(absent, |server| server.homebrew))
    } else {
        format!("sudo apt-get update && sudo apt-get install --yes {debian}")
    };
    format!("the tests start servers that are not installed: {debian}; run\n\n  {line}\n")
}

fn names(servers: &[&Server], name: impl Fn(&Server) -> &'static str) -> String {
    let names: Vec<_> = servers.iter().map(|server| name(server)).collect();
    names.join(" ")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::{advice, missing, versions};

    #[test]
    fn a_server_is_missing_until_one_folder_holds_all_of_it() {
        let root = std::env::temp_dir().join(format!("xtask-servers-{}", std::process::id()));
        let folders: Vec<PathBuf> = ["15", "16"]
            .map(|version| root.join(version).join("bin"))
            .into();
        for folder in &folders {
            fs::create_dir_all(folder).unwrap();
        }
        let absent = || -> Vec<_> {
            missing(&folders)
                .into_iter()
                .map(|server| server.debian)
                .collect()
        };
        assert_eq!(
            absent(),
            [
                "postgresql",
                "redis-server",
                "pgbouncer",
                "nginx",
                "prometheus"
            ]
        );

        fs::write(folders[0].join("initdb"), "").unwrap();
        fs::write(folders[1].join("postgres"), "").unwrap();
        fs::write(folders[1].join("redis-server"), "").unwrap();
        assert_eq!(absent(), ["postgresql", "pgbouncer", "nginx", "prometheus"]);

        fs::write(folders[1].join("initdb"), "").unwrap();
        assert_eq!(absent(), ["pgbouncer", "nginx", "prometheus"]);

        let mut found = versions(&root, "1");
        found.sort();
        assert_eq!(found, folders);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn the_advice_is_one_line_that_names_every_package() {
        let advice = advice(&missing(&[]));
        let line = advice.lines().find(|line| line.starts_with("  ")).unwrap();
        for package in ["postgresql", "redis", "pgbouncer", "nginx", "prometheus"] {
            assert!(line.contains(package), "{line}");
        }
    }
}
