use std::time::Duration;

use crate::failure::{Failure, none_of};
use crate::suite::Suite;
use crate::workspace::Workspace;
use crate::{arrows, cargo, dashboards, deploy, examples, lines, outside, pages, tree};

/// What CI checks. What takes no time comes first, so that it is heard of first.
const STEPS: &[Step] = &[
    Step("format", cargo::format),
    Step("arrows", |workspace| none_of(arrows::undrawn(workspace))),
    Step("one TLS provider", |workspace| {
        none_of(tree::tls(workspace))
    }),
    Step("stated Rust version", |workspace| {
        none_of(tree::msrv(workspace))
    }),
    Step("fred is named once", |workspace| {
        none_of(tree::fred(workspace))
    }),
    Step("lengths", |workspace| none_of(lines::too_long(workspace)?)),
    Step("links of pages", |workspace| {
        none_of(pages::broken(workspace)?)
    }),
    Step("lints", cargo::lints),
    Step("lints of all features", cargo::lints_of_all_features),
    Step("tests", |workspace| Suite::default().run(workspace)),
    // The tests have seen to it that there is an nginx.
    Step("deployment files", deploy::nginx),
    Step("dashboards are current", dashboards::check),
    Step("rules", dashboards::promtool),
    Step("docs", cargo::docs),
    Step("examples", examples::run_all),
    Step("a service outside", outside::service),
    Step("each feature alone", cargo::features),
    Step("bans, licences, sources", cargo::deny),
    Step("manifest keys", cargo::manifests),
];

struct Step(&'static str, fn(&Workspace) -> Result<(), Failure>);

/// Runs every step, up to the first that fails.
#[expect(
    clippy::disallowed_types,
    reason = "how long a step takes is real time; there is no runtime here"
)]
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let mut took = Vec::new();
    for Step(name, check) in STEPS {
        println!("\n==> {name}");
        let start = std::time::Instant::now();
        let outcome = check(workspace);
        took.push((*name, start.elapsed()));
        if let Err(failure) = outcome {
            summarize(&took);
            return Err(failure.of(name));
        }
    }
    summarize(&took);
    println!("all {} steps passed", STEPS.len());
    Ok(())
}

fn summarize(took: &[(&str, Duration)]) {
    println!();
    for (name, time) in took {
        println!("{:>7.1} s  {name}", time.as_secs_f64());
    }
    let total: Duration = took.iter().map(|(_, time)| time).sum();
    println!("{:>7.1} s  in all", total.as_secs_f64());
}
