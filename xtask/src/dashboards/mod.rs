//! What operators look at, made of the descriptions that the crates give of their metrics.

mod alerts;
mod boards;
mod catalogue;
mod grafana;
mod names;
mod promtool;
mod records;
mod rules;

use std::fs;
use std::path::{Path, PathBuf};

use crate::dashboards::catalogue::Catalogue;
use crate::failure::{Failure, none_of};
use crate::workspace::Workspace;

pub(crate) use self::promtool::check as promtool;

/// Where the files are, below the root.
const FOLDER: &str = "docs/observability";
/// What is written here by hand.
const BY_HAND: &[&str] = &["README.md", "prometheus.yml"];

/// A file that is made, by its path below [`FOLDER`].
type Made = (PathBuf, String);

/// Writes all files anew. It complains about those that are made no longer, and leaves their
/// removal to whoever knows what they are.
pub(crate) fn write(workspace: &Workspace) -> Result<(), Failure> {
    let folder = workspace.root().join(FOLDER);
    let made = make(workspace)?;
    for (file, text) in &made {
        let file = folder.join(file);
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(file, text)?;
    }
    println!("{} files in {FOLDER}", made.len());
    none_of(strangers(&folder, &made)?)
}

/// Complains about each file that [`write`](write()) would change, or does not know.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    let folder = workspace.root().join(FOLDER);
    let made = make(workspace)?;
    let is_stale = |(file, text): &&Made| {
        let found = fs::read_to_string(folder.join(file));
        found.map_or(true, |found| found != *text)
    };
    let stale = made.iter().filter(is_stale).map(|(file, _)| {
        let file = file.display();
        format!("{FOLDER}/{file} is not what `cargo xtask dashboards` makes")
    });
    none_of(stale.chain(strangers(&folder, &made)?))
}

fn make(workspace: &Workspace) -> Result<Vec<Made>, Failure> {
    let catalogue = Catalogue::ask(workspace)?;
    let crates = workspace.root().join("crates");
    let unlisted = catalogue.unlisted(names::described(&crates)?);
    none_of(complaints(&catalogue).into_iter().chain(unlisted))?;
    let mut made = vec![
        (PathBuf::from("metrics.json"), catalogue.json()?),
        (PathBuf::from("metrics.md"), catalogue.page()),
        (PathBuf::from("rules.yml"), rules::file()),
        (PathBuf::from("rules.test.yml"), rules::tests()),
    ];
    for board in boards::all() {
        let file = Path::new("dashboards").join(format!("{}.json", board.uid));
        made.push((file, grafana::json(&board)?));
    }
    Ok(made)
}

/// What queries name that is not there.
fn complaints(catalogue: &Catalogue) -> Vec<String> {
    let records = records::all();
    let recorded: Vec<_> = records.iter().map(|record| record.name).collect();
    let boards = boards::all();
    let panels = boards.iter().flat_map(|board| &board.panels);
    let of_panels = panels.flat_map(|panel| panel.queries.iter().map(|(query, _)| query.as_str()));
    let of_alerts = alerts::all().iter().map(|alert| alert.expr);
    let of_records = records.iter().map(|record| record.expr);
    let queries = of_panels.chain(of_alerts).chain(of_records);
    queries
        .flat_map(|query| catalogue.complaints(query, &recorded))
        .collect()
}

/// Complains about files that nobody makes, neither we nor a hand.
fn strangers(folder: &Path, made: &[Made]) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for below in ["", "dashboards"] {
        let Ok(entries) = fs::read_dir(folder.join(below)) else {
            continue;
        };
        for entry in entries {
            let file = Path::new(below).join(entry?.file_name());
            let known = made.iter().any(|(made, _)| *made == file);
            let by_hand = BY_HAND.iter().any(|name| Path::new(name) == file);
            if !known && !by_hand && folder.join(&file).is_file() {
                let file = file.display();
                found.push(format!("{FOLDER}/{file} is made by nobody: remove it"));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::catalogue::Catalogue;
    use super::names::described;
    use super::{FOLDER, alerts, boards, complaints};

    fn root() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
    }

    fn catalogue() -> Catalogue {
        let file = root().join(FOLDER).join("metrics.json");
        Catalogue::parse(&fs::read_to_string(file).unwrap()).unwrap()
    }

    #[test]
    fn every_query_names_metrics_and_labels_that_there_are() {
        assert_eq!(complaints(&catalogue()), [""; 0]);
    }

    #[test]
    fn the_catalogue_has_every_metric_that_a_crate_describes() {
        let names = described(&root().join("crates")).unwrap();
        assert!(names.len() > 100, "{} names", names.len());
        assert_eq!(catalogue().unlisted(names), [""; 0]);
    }

    #[test]
    fn every_alert_is_tried_where_it_fires_and_where_it_does_not() {
        let names: Vec<_> = alerts::all().iter().map(|alert| alert.name).collect();
        for (place, name) in names.iter().enumerate() {
            assert!(!names[..place].contains(name), "{name} is there twice");
        }
        for alert in alerts::all() {
            assert!(
                !alert.fires.is_empty() && !alert.rests.is_empty(),
                "{}",
                alert.name
            );
        }
    }

    #[test]
    fn boards_have_names_of_their_own_and_no_panel_is_without_a_query() {
        let boards = boards::all();
        for (place, board) in boards.iter().enumerate() {
            let before = &boards[..place];
            assert!(
                before.iter().all(|other| other.uid != board.uid),
                "{}",
                board.uid
            );
            assert!(board.panels.iter().all(|panel| !panel.queries.is_empty()));
        }
    }
}
