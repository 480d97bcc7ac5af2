//! Servers in turns, so that what else the machine does meets all of them.

use std::sync::Arc;
use std::time::Duration;

use crate::hammer::{Done, Request, hammer};
use crate::marketplace::{Instance, Outcome};

/// One that is measured.
pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) server: Arc<Instance>,
    pub(crate) request: Request,
}

/// Asks each for that long, in so many rounds; the medians of each.
pub(crate) async fn contest(
    contenders: &[Contender],
    rounds: u32,
    time: Duration,
) -> Outcome<Vec<Done>> {
    let mut all = vec![Vec::new(); contenders.len()];
    for round in 1..=rounds {
        for (contender, done) in contenders.iter().zip(&mut all) {
            let seen = hammer(&contender.server, time, &contender.request).await;
            let seen = seen.map_err(|error| format!("{}: {error}", contender.name))?;
            println!(
                "{round} of {rounds}  {}  {:.0}/s  {:.2} us",
                contender.name, seen.rate, seen.micros
            );
            done.push(seen);
        }
    }
    let middle = |seen: &Vec<Done>| Done {
        rate: median(seen.iter().map(|done| done.rate)),
        micros: median(seen.iter().map(|done| done.micros)),
        asking: median(seen.iter().map(|done| done.asking)),
    };
    Ok(all.iter().map(middle).collect())
}

/// The middle one; not a number if there is none.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn one_that_is_far_off_moves_no_median() {
        assert!((median([3.0, 1.0, 900.0, 2.0, 4.0].into_iter()) - 3.0).abs() < 1e-9);
        assert!(median([].into_iter()).is_nan());
    }
}
