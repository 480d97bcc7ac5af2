use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

const BEGIN: &str = "<!-- cost:begin -->";
const END: &str = "<!-- cost:end -->";

/// What a request to one subject costs.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Counted twice: how far they differ is how far to trust them.
    pub(crate) instructions: [f64; 2],
    pub(crate) allocations: f64,
    pub(crate) bytes: f64,
}

impl Row {
    fn mean(&self) -> f64 {
        self.instructions.iter().sum::<f64>() / 2.0
    }

    /// In percent of the mean.
    fn difference(&self) -> f64 {
        let [first, second] = self.instructions;
        (first - second).abs() / self.mean() * 100.0
    }
}

/// A table in Markdown; the first row is what the others are compared with.
pub(crate) fn render(rows: &[Row]) -> String {
    let mut table = String::from(
        "| per request | instructions | more than the first | two runs differ by | allocations | bytes allocated |\n\
         |---|--:|--:|--:|--:|--:|\n",
    );
    let Some(first) = rows.first() else {
        return table;
    };
    for row in rows {
        let written = writeln!(
            table,
            "| {} | {:.0} | {:+.0} | {:.2} % | {:.1} | {:.0} |",
            row.name,
            row.mean(),
            row.mean() - first.mean(),
            row.difference(),
            row.allocations,
            row.bytes,
        );
        debug_assert!(written.is_ok(), "a string takes all that is written");
    }
    table
}

/// What the figures were obtained with.
pub(crate) fn machine() -> Result<String, Box<dyn Error>> {
    let rustc = Command::new("rustc").arg("--version").output()?;
    let rustc = String::from_utf8(rustc.stdout)?;
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split_once(": "));
    let model = model.map_or(std::env::consts::ARCH, |(_, model)| model);
    Ok(format!("{}, {model}", rustc.trim()))
}

/// Replaces what stands between the markers of `page`.
pub(crate) fn write(page: &Path, table: &str) -> Result<(), Box<dyn Error>> {
    let text = fs::read_to_string(page)?;
    let text = replaced(&text, table).ok_or("the page has no markers")?;
    Ok(fs::write(page, text)?)
}

fn replaced(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{table}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::{Row, render, replaced};

    fn row(name: &'static str, instructions: [f64; 2]) -> Row {
        Row {
            name,
            instructions,
            allocations: 13.0,
            bytes: 2_048.4,
        }
    }

    #[test]
    fn rows_are_compared_with_the_first() {
        let table = render(&[row("a", [100.0, 100.0]), row("b", [198.0, 202.0])]);
        let rows: Vec<_> = table.lines().skip(2).collect();
        assert_eq!(
            rows,
            [
                "| a | 100 | +0 | 0.00 % | 13.0 | 2048 |",
                "| b | 200 | +100 | 2.00 % | 13.0 | 2048 |",
            ]
        );
    }

    #[test]
    fn only_what_stands_between_the_markers_is_replaced() {
        let page = "intro\n<!-- cost:begin -->\nold\n<!-- cost:end -->\nmore\n";
        let once = replaced(page, "new").unwrap();
        assert_eq!(once, page.replace("old", "new"));
        assert_eq!(replaced(&once, "new").unwrap(), once);
        assert_eq!(replaced("intro", "new"), None);
    }
}
