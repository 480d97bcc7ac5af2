use std::fmt::Write as _;
use std::process::Stdio;

use serde::{Deserialize, Serialize};

use crate::dashboards::names::{Part, parts};
use crate::failure::Failure;
use crate::workspace::Workspace;

/// What a scrape, a page with several sources and a histogram add to the labels of a metric.
const ADDED: &[&str] = &["instance", "job", "le", "source"];

/// Every metric of every crate.
#[derive(Debug, Deserialize, Serialize)]
#[serde(transparent)]
pub(crate) struct Catalogue(Vec<Entry>);

#[derive(Debug, Deserialize, Serialize)]
struct Entry {
    name: String,
    kind: String,
    unit: String,
    help: String,
    labels: Vec<String>,
    #[serde(rename = "crate")]
    of: String,
}

impl Catalogue {
    /// Asks the crates, by a program that has all of them in it: this one is quick to build, and
    /// stays so.
    pub(crate) fn ask(workspace: &Workspace) -> Result<Self, Failure> {
        let mut cargo = workspace.cargo();
        cargo.args(["run", "--quiet", "--package", "towerblock"]);
        cargo.args(["--all-features", "--example", "catalogue"]);
        let output = cargo.stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(Failure::new("the example `catalogue` failed"));
        }
        Self::parse(&String::from_utf8_lossy(&output.stdout))
    }

    pub(crate) fn parse(json: &str) -> Result<Self, Failure> {
        serde_json::from_str(json).map_err(|error| Failure::new(error.to_string()))
    }

    pub(crate) fn json(&self) -> Result<String, Failure> {
        let json = serde_json::to_string_pretty(self);
        json.map(|json| json + "\n")
            .map_err(|error| Failure::new(error.to_string()))
    }

    /// The catalogue as a page.
    pub(crate) fn page(&self) -> String {
        let mut page = "# Metrics\n\nMade by `cargo xtask dashboards` of what the crates say. \
                        `Exporter::stats_of` adds the label `source`, a scrape `job` and `instance`; a \
                        histogram has `_bucket` with `le`, `_sum` and `_count`.\n"
            .to_owned();
        let mut crates: Vec<_> = self.0.iter().map(|entry| &entry.of).collect();
        crates.sort();
        crates.dedup();
        for of in crates {
            let _infallible = write!(
                page,
                "\n## {of}\n\n| metric | kind | unit | labels | |\n|---|---|---|---|---|\n"
            );
            for entry in self.0.iter().filter(|entry| entry.of == *of) {
                let Entry {
                    name,
                    kind,
                    unit,
                    help,
                    ..
                } = entry;
                let labels = entry.labels.iter().map(|label| format!("`{label}`"));
                let labels = labels.collect::<Vec<_>>().join(", ");
                let _infallible =
                    writeln!(page, "| `{name}` | {kind} | {unit} | {labels} | {help} |");
            }
        }
        page
    }

    /// Of the names in the sources, those that no crate lists.
    pub(crate) fn unlisted(&self, described: Vec<String>) -> Vec<String> {
        // What the conventions of Prometheus put behind a name.
        let is_it = |name: &str, entry: &Entry| {
            let behind = entry.name.strip_prefix(name);
            let behind = behind.map(|behind| behind.trim_end_matches("_total"));
            matches!(behind, Some("" | "_bytes" | "_ratio" | "_seconds"))
        };
        let is_listed = |name: &String| self.0.iter().any(|entry| is_it(name, entry));
        let unlisted = described.into_iter().filter(|name| !is_listed(name));
        unlisted
            .map(|name| format!("{name} is described, and in no `METRICS`"))
            .collect()
    }

    /// What a query names that is neither described nor recorded, nor a label of what it names.
    pub(crate) fn complaints(&self, query: &str, recorded: &[&str]) -> Vec<String> {
        let (mut complaints, mut labels) = (Vec::new(), ADDED.to_vec());
        let parts = parts(query);
        for name in parts.iter().filter_map(Part::metric) {
            match self.entry(name) {
                Some(entry) => labels.extend(entry.labels.iter().map(String::as_str)),
                None if name == "up" => {}
                // It has kept what stands before the colon.
                None if recorded.contains(&name) => {
                    let kept = name.split(':').next().unwrap_or_default();
                    labels.extend(kept.split('_'));
                }
                None => complaints.push(format!("no metric {name}")),
            }
        }
        for label in parts.iter().filter_map(Part::label) {
            if !labels.contains(&label) {
                complaints.push(format!("no label {label}"));
            }
        }
        complaints
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        let is_it = |entry: &&Entry| {
            let rest = name.strip_prefix(&*entry.name);
            match entry.kind.as_str() {
                "histogram" => matches!(rest, Some("_bucket" | "_sum" | "_count")),
                _ => rest == Some(""),
            }
        };
        self.0.iter().find(is_it)
    }
}

#[cfg(test)]
mod tests {
    use super::Catalogue;

    const JSON: &str = r#"[
        {"name": "hits_total", "kind": "counter", "unit": "", "help": "Hits", "labels": ["of"], "crate": "a"},
        {"name": "wait_seconds", "kind": "histogram", "unit": "seconds", "help": "Waits", "labels": [], "crate": "b"}
    ]"#;

    #[test]
    fn what_is_not_described_is_complained_about() {
        let catalogue = Catalogue::parse(JSON).unwrap();
        let complaints = |query| catalogue.complaints(query, &["job_of:hits:rate5m"]);
        for good in [
            r#"sum by (job, of) (rate(hits_total{of="x"}[5m])) or up"#,
            "sum by (of) (job_of:hits:rate5m)",
            "histogram_quantile(0.9, sum by (le) (rate(wait_seconds_bucket[5m])))",
        ] {
            assert_eq!(complaints(good), [""; 0], "{good}");
        }
        for (bad, complaint) in [
            ("rate(hits[5m])", "no metric hits"),
            ("rate(wait_seconds[5m])", "no metric wait_seconds"),
            ("rate(hits_total_sum[5m])", "no metric hits_total_sum"),
            ("sum by (route) (hits_total)", "no label route"),
            (r#"hits_total{kind="x"}"#, "no label kind"),
        ] {
            assert_eq!(complaints(bad), [complaint]);
        }
    }

    #[test]
    fn what_stands_in_a_crate_and_in_no_list_is_complained_about() {
        let catalogue = Catalogue::parse(JSON).unwrap();
        let described = ["hits", "wait", "hit", "waits"].map(str::to_owned);
        let unlisted = catalogue.unlisted(described.into());
        assert_eq!(unlisted.len(), 2, "{unlisted:?}");
        assert!(unlisted[0].starts_with("hit is") && unlisted[1].starts_with("waits is"));
    }

    #[test]
    fn the_page_has_a_table_for_each_crate() {
        let page = Catalogue::parse(JSON).unwrap().page();
        assert!(page.contains("## a\n\n| metric |"), "{page}");
        assert!(
            page.contains("| `hits_total` | counter |  | `of` | Hits |"),
            "{page}"
        );
    }
}
