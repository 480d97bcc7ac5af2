use std::error::Error;
use std::process::Command;

use towerblock_benches::Subject;

/// The allocations of `subject` answering `requests`, and their bytes.
///
/// Counted by a binary of its own: the counting allocator makes a copy of every
/// reallocation, and belongs in no count of instructions.
pub(crate) fn count(subject: Subject, requests: u32) -> Result<(u64, u64), Box<dyn Error>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["run", "--quiet", "--release", "--bin", "allocations"])
        .args([
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        ])
        .args(["--", subject.name, &requests.to_string()])
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let counts = String::from_utf8(output.stdout)?;
    let (count, bytes) = counts.trim().split_once(' ').ok_or("two counts expected")?;
    Ok((count.parse()?, bytes.parse()?))
}
