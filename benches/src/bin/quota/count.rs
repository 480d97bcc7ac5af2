use std::error::Error;

use towerblock_benches::Callgrind;
use towerblock_core::BoxError;

use crate::measure::Subject;
use crate::{layer, subjects};

/// What a process counts at `MORE` calls less what it counts at `FEW` is the cost of the calls
/// between; the keys are all known by then.
const FEW: usize = 20_000;
const MORE: usize = 40_000;

/// Instructions of one call of each, counted by callgrind.
pub(crate) fn table() -> Result<(), BoxError> {
    let callgrind = Callgrind::find().map_err(|error| error.to_string())?;
    println!("\n| a call | instructions |");
    println!("|---|--:|");
    for (place, subject) in all()?.iter().enumerate() {
        let [few, more] = [FEW, MORE].map(|calls| {
            let args = [place.to_string(), calls.to_string()];
            counted(&callgrind, &args).map_err(|error| error.to_string())
        });
        let each = more?.saturating_sub(few?) / (MORE - FEW) as u64;
        println!("| {} | {each} |", subject.name);
    }
    Ok(())
}

fn counted(callgrind: &Callgrind, args: &[String; 2]) -> Result<u64, Box<dyn Error>> {
    let [place, calls] = args;
    callgrind.instructions("quota::count::count", &[place, calls])
}

pub(crate) fn run(place: &str, calls: usize) -> Result<(), BoxError> {
    let place: usize = place.parse()?;
    let subjects = all()?;
    let subject = subjects.get(place).ok_or("no such subject")?;
    count(subject, calls);
    Ok(())
}

// Callgrind counts inside of it, by this name.
#[inline(never)]
fn count(subject: &Subject, calls: usize) {
    subject.run(calls, 0);
}

fn all() -> Result<Vec<Subject>, BoxError> {
    let mut subjects = subjects::few()?;
    subjects.extend(layer::services()?);
    Ok(subjects)
}
