use towerblock_benches::Callgrind;
use towerblock_core::BoxError;
use towerblock_metrics::Exposition;

use crate::subjects::Subject;

/// What a process counts at `MORE` calls less what it counts at `FEW` is the cost of the calls
/// between. Both are after others, which make the series.
const FEW: usize = 1_000;
const MORE: usize = 11_000;

pub(crate) fn instructions(subjects: usize) -> Result<Vec<u64>, BoxError> {
    let callgrind = Callgrind::find().map_err(|error| error.to_string())?;
    let counted = |place: usize, calls: usize| {
        let args = [place.to_string(), calls.to_string()];
        let args = args.each_ref().map(String::as_str);
        let counted = callgrind.instructions("metrics::count::count", &args);
        counted.map_err(|error| BoxError::from(error.to_string()))
    };
    let each = |place| {
        let between = counted(place, MORE)?.saturating_sub(counted(place, FEW)?);
        Ok(between / (MORE - FEW) as u64)
    };
    (0..subjects).map(each).collect()
}

pub(crate) fn run(
    subjects: &[Subject],
    page: &Exposition,
    place: usize,
    calls: usize,
) -> Result<(), BoxError> {
    let subject = subjects.get(place).ok_or("no such subject")?;
    (subject.run)(1_000);
    let _counted = page.render();
    count(subject, calls);
    Ok(())
}

// Callgrind counts inside of it, by this name.
#[inline(never)]
fn count(subject: &Subject, calls: usize) {
    (subject.run)(calls);
}
