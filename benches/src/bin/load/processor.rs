//! The processor time that a process took, of which other work on the machine takes little away.

use std::time::Duration;

use crate::marketplace::Outcome;

/// What the kernel counts in, whatever it ticks at.
const TICK: Duration = Duration::from_millis(10);

/// Of all its threads, for itself and in the kernel.
pub(crate) fn time(process: u32) -> Outcome<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let ticks = ticks(&stat).ok_or("a stat of another form")?;
    Ok(TICK * ticks)
}

/// That this process took.
pub(crate) fn own() -> Outcome<Duration> {
    time(std::process::id())
}

/// The 14th and the 15th field; the second is a name that may hold anything.
fn ticks(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(11);
    let own: u32 = fields.next()?.parse().ok()?;
    let kernel: u32 = fields.next()?.parse().ok()?;
    own.checked_add(kernel)
}

#[cfg(test)]
mod tests {
    use super::ticks;

    #[test]
    fn a_name_with_blanks_and_brackets_moves_no_field() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 100 0 0 0 250 17 3 4 20 0 8 0 99";
        assert_eq!(ticks(stat), Some(267));
        assert_eq!(ticks("7 (a) S 1"), None);
    }
}
