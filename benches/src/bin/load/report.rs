//! A table, shown and kept.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::bars::{self, Bar};
use crate::marketplace::Outcome;
use crate::plot::{Mark, draw};
use crate::recording::{Recording, Tally};

/// What one scenario has to say.
#[derive(Debug)]
pub(crate) struct Report {
    name: &'static str,
    table: String,
    plots: Vec<String>,
    writes: bool,
}

impl Report {
    /// With these columns. It is kept in `docs/` if it `writes`.
    pub(crate) fn new(name: &'static str, columns: &[&str], writes: bool) -> Self {
        let line = "--:|".repeat(columns.len().saturating_sub(1));
        let table = format!("| {} |\n|---|{line}\n", columns.join(" | "));
        println!("{}", columns.join("  "));
        Self {
            name,
            table,
            plots: Vec::new(),
            writes,
        }
    }

    pub(crate) fn row(&mut self, cells: &[String]) {
        println!("{}", cells.join("  "));
        // A string takes all that is written.
        let _ = writeln!(self.table, "| {} |", cells.join(" | "));
    }

    /// Draws a run as `docs/load/NAME-WHAT.svg`.
    pub(crate) fn plot(
        &mut self,
        what: &str,
        title: &str,
        recording: &Recording,
        marks: &[Mark],
    ) -> Outcome<()> {
        if !self.writes {
            return Ok(());
        }
        let path = self.image(what, title)?;
        draw(&path, title, recording, marks)
    }

    /// Draws a number of each as `docs/load/NAME-WHAT.svg`.
    pub(crate) fn bars(&mut self, what: &str, title: &str, bars: &[Bar]) -> Outcome<()> {
        if !self.writes {
            return Ok(());
        }
        let path = self.image(what, title)?;
        bars::draw(&path, title, bars)
    }

    /// Makes room for an image, which the page shows.
    fn image(&mut self, what: &str, title: &str) -> Outcome<PathBuf> {
        let file = format!("load/{}-{what}.svg", self.name);
        fs::create_dir_all(docs().join("load"))?;
        self.plots.push(format!("![{title}]({file})"));
        Ok(docs().join(file))
    }

    /// Puts the table and the plots between the markers of `docs/performance.md`.
    pub(crate) fn keep(self) -> Outcome<()> {
        if !self.writes {
            return Ok(());
        }
        let page = docs().join("performance.md");
        let text = fs::read_to_string(&page)?;
        let mut block = self.table;
        for plot in self.plots {
            let _ = writeln!(block, "\n{plot}");
        }
        let text = replaced(&text, self.name, &block)
            .ok_or_else(|| format!("no markers of {} in docs/performance.md", self.name))?;
        Ok(fs::write(page, text)?)
    }
}

/// The columns that most tables have.
pub(crate) const LATENCY: [&str; 6] = ["p50", "p95", "p99", "p99.9", "refused", "failed"];

/// Their cells.
pub(crate) fn latency(tally: &Tally) -> Vec<String> {
    let ms = |percent| format!("{:.1} ms", tally.percentile(percent));
    vec![
        ms(50.0),
        ms(95.0),
        ms(99.0),
        ms(99.9),
        tally.refused.to_string(),
        tally.failed.to_string(),
    ]
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

fn replaced(text: &str, name: &str, block: &str) -> Option<String> {
    let (begin, end) = (
        format!("<!-- load {name}:begin -->"),
        format!("<!-- load {name}:end -->"),
    );
    let (before, rest) = text.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{block}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::replaced;

    #[test]
    fn only_the_block_of_that_name_is_replaced() {
        let page = "a\n<!-- load x:begin -->\nold\n<!-- load x:end -->\nb";
        let new = "a\n<!-- load x:begin -->\nnew\n<!-- load x:end -->\nb";
        assert_eq!(replaced(page, "x", "new\n").as_deref(), Some(new));
        assert_eq!(replaced(page, "y", "new\n"), None);
    }
}
