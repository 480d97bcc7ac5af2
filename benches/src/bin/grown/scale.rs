use std::fs;

use towerblock_core::BoxError;

/// Weighs, by resident memory, what was filled since it was last read.
pub(crate) struct Scale {
    tenants: u64,
    last: u64,
    told: u64,
}

impl Scale {
    pub(crate) fn new(tenants: u64) -> Result<Self, BoxError> {
        Ok(Self {
            tenants,
            last: resident()?,
            told: 0,
        })
    }

    /// Says what each tenant takes in `part`, but for so many bytes that are not its own.
    pub(crate) fn tell(&mut self, part: &str, beside: usize) -> Result<(), BoxError> {
        let before = self.last;
        self.skip()?;
        let each = self.last.saturating_sub(before) / self.tenants;
        self.told += each;
        println!("{part} {}", each.saturating_sub(beside as u64));
        Ok(())
    }

    /// What was filled is nobody's.
    pub(crate) fn skip(&mut self) -> Result<(), BoxError> {
        self.last = resident()?;
        Ok(())
    }

    /// Says what it is in all, with what was not their own.
    pub(crate) fn sum(&self) {
        println!("all {}", self.told);
    }
}

fn resident() -> Result<u64, BoxError> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib: u64 = kib.ok_or("no VmRSS")?.trim().parse()?;
    Ok(kib * 1_024)
}
