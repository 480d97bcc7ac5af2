use std::error::Error;
use std::process::Command;

use crate::{FEW, MORE};

/// The allocations of a request, and their bytes: counted by a binary of its own, for the
/// allocator that counts makes a copy of every reallocation.
pub(crate) fn each(place: usize) -> Result<(f64, f64), Box<dyn Error>> {
    let (few, more) = (count(place, FEW)?, count(place, MORE)?);
    let each = |few: u64, more: u64| more.saturating_sub(few) as f64 / (MORE - FEW) as f64;
    Ok((each(few.0, more.0), each(few.1, more.1)))
}

fn count(place: usize, requests: usize) -> Result<(u64, u64), Box<dyn Error>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "run",
            "--quiet",
            "--release",
            "--bin",
            "http_cache_allocations",
        ])
        .args([
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        ])
        .args(["--", &place.to_string(), &requests.to_string()])
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let counts = String::from_utf8(output.stdout)?;
    let (count, bytes) = counts.trim().split_once(' ').ok_or("two counts expected")?;
    Ok((count.parse()?, bytes.parse()?))
}
