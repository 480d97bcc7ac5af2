//! What a circuit costs and when it opens, beside other breakers: calls that succeed, refusals,
//! keys, and the moment at which it is probed.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a command line speaks, and a measurement that went wrong must not print a figure"
)]

mod behaviour;
mod count;
mod measure;
mod subjects;

use towerblock_core::BoxError;

use crate::behaviour::{flood, in_a_full_window, opens_after, storm};
use crate::measure::{compare, medians};
use crate::subjects::{ALONE, PEER, calls, keys, refusals};

fn main() -> Result<(), BoxError> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [subject, calls] = args.as_slice() {
        // What callgrind runs.
        return count::run(subject.parse()?, calls.parse()?);
    }
    compare("a call that succeeds", &calls(), PEER);
    let [ours, peer] = in_a_full_window();
    println!(
        "\nIn a window of 10 s that holds 40,000: ours {ours:.0} ns, tower-resilience {peer:.0} ns"
    );
    // tower-resilience wants a timer where two threads meet here.
    let alone = medians(&refusals(), 1);
    println!("\n| a call that is refused | one thread |");
    println!("|---|--:|");
    for (subject, nanos) in refusals().iter().zip(alone) {
        println!("| {} | {nanos:.1} ns |", subject.name);
    }
    count::table()?;
    compare("a healthy key", &keys()?, ALONE);

    println!(
        "\n| after so many successes | failures until it opens: ours | tower-resilience | recloser |"
    );
    println!("|---|--:|--:|--:|");
    for successes in [0, 100, 10_000, 100_000] {
        let [ours, peer, recloser] = opens_after(successes);
        println!("| {successes} | {ours} | {peer} | {recloser} |");
    }

    println!("\n| 10,000 calls that hang, when it may be probed by 5 | admitted |");
    println!("|---|--:|");
    for (name, admitted) in storm() {
        println!("| {name} | {admitted} |");
    }
    flood();
    Ok(())
}
