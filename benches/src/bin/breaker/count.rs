use std::error::Error;

use towerblock_benches::Callgrind;
use towerblock_core::BoxError;

use crate::subjects::{Subject, calls, refusals};

/// What a process counts at `MORE` calls less what it counts at `FEW` is the cost of the calls
/// between.
const FEW: usize = 1_000;
const MORE: usize = 11_000;

/// Instructions of one call of each, counted by callgrind.
pub(crate) fn table() -> Result<(), BoxError> {
    let callgrind = Callgrind::find().map_err(|error| error.to_string())?;
    println!("\n| a call | instructions |");
    println!("|---|--:|");
    let admitted = calls().len();
    for (place, subject) in subjects().iter().enumerate() {
        let [few, more] = [FEW, MORE].map(|calls| {
            let args = [place.to_string(), calls.to_string()];
            counted(&callgrind, &args).map_err(|error| error.to_string())
        });
        let each = more?.saturating_sub(few?) / (MORE - FEW) as u64;
        let refused = if place < admitted { "" } else { "refused: " };
        println!("| {refused}{} | {each} |", subject.name);
    }
    Ok(())
}

fn counted(callgrind: &Callgrind, args: &[String; 2]) -> Result<u64, Box<dyn Error>> {
    let [place, calls] = args;
    callgrind.instructions("breaker::count::count", &[place, calls])
}

pub(crate) fn run(place: usize, calls: usize) -> Result<(), BoxError> {
    let subjects = subjects();
    let subject = subjects.get(place).ok_or("no such subject")?;
    count(subject, calls);
    Ok(())
}

// Callgrind counts inside of it, by this name.
#[inline(never)]
fn count(subject: &Subject, calls: usize) {
    (subject.run)(calls);
}

fn subjects() -> Vec<Subject> {
    let mut subjects = calls();
    subjects.extend(refusals());
    subjects
}
