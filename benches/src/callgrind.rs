use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Valgrind, and a folder for what it writes.
#[derive(Debug)]
pub struct Callgrind {
    version: String,
    folder: PathBuf,
}

impl Callgrind {
    /// Looks for it on the `PATH`.
    ///
    /// # Errors
    ///
    /// That there is none, and how to get it.
    pub fn find() -> Result<Self, Box<dyn Error>> {
        let version = Command::new("valgrind").arg("--version").output();
        let Ok(version) = version else {
            return Err(
                "instructions are counted by valgrind; install the package `valgrind` \
                        (Debian: apt-get install valgrind)"
                    .into(),
            );
        };
        let folder = std::env::temp_dir().join(format!("towerblock-cost-{}", std::process::id()));
        fs::create_dir(&folder)?;
        let version = String::from_utf8(version.stdout)?.trim().to_owned();
        Ok(Self { version, folder })
    }

    /// As it calls itself.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The instructions of this program, run with these arguments, inside of the function of
    /// that name.
    ///
    /// # Errors
    ///
    /// What valgrind said.
    pub fn instructions(&self, function: &str, args: &[&str]) -> Result<u64, Box<dyn Error>> {
        let out = self.folder.join("callgrind.out");
        let status = Command::new("valgrind")
            .args(["--quiet", "--tool=callgrind"])
            // Not what happens before: clocks are calibrated until they agree.
            .arg(format!("--toggle-collect={function}"))
            .arg(format!("--callgrind-out-file={}", out.display()))
            .arg(std::env::current_exe()?)
            .args(args)
            .stdin(Stdio::null())
            .status()?;
        if !status.success() {
            return Err(format!("valgrind failed ({status})").into());
        }
        summary(&fs::read_to_string(&out)?)
    }
}

impl Drop for Callgrind {
    fn drop(&mut self) {
        // Best effort: it is in the folder for temporary files.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The sum over all threads.
fn summary(profile: &str) -> Result<u64, Box<dyn Error>> {
    let line = profile
        .lines()
        .find_map(|line| line.strip_prefix("totals: "));
    Ok(line.ok_or("callgrind wrote no totals")?.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::summary;

    #[test]
    fn the_total_is_read_from_the_profile() {
        let profile = "version: 1\nevents: Ir\nfn=(1) main\n1 7\n\ntotals: 123456\n";
        assert_eq!(summary(profile).unwrap(), 123_456);
        assert!(summary("version: 1\n").is_err());
    }
}
