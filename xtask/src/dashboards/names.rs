use std::fs;
use std::path::Path;

use crate::failure::Failure;
use crate::lines::{before_tests, sources};

/// Words of PromQL that stand where a metric might.
const WORDS: &[&str] = &[
    "and",
    "bool",
    "by",
    "group_left",
    "group_right",
    "ignoring",
    "inf",
    "nan",
    "offset",
    "on",
    "or",
    "unless",
    "without",
];
/// Those with labels in brackets behind them.
const OF_LABELS: &[&str] = &[
    "by",
    "group_left",
    "group_right",
    "ignoring",
    "on",
    "without",
];

/// A name in a query.
#[derive(Debug, PartialEq)]
pub(crate) enum Part<'q> {
    Metric(&'q str),
    Label(&'q str),
}

impl<'q> Part<'q> {
    pub(crate) const fn metric(&self) -> Option<&'q str> {
        match self {
            Self::Metric(name) => Some(name),
            Self::Label(_) => None,
        }
    }

    pub(crate) const fn label(&self) -> Option<&'q str> {
        match self {
            Self::Label(name) => Some(name),
            Self::Metric(_) => None,
        }
    }
}

/// The names of metrics and labels in a query, without those of functions.
pub(crate) fn parts(query: &str) -> Vec<Part<'_>> {
    let (mut parts, mut rest) = (Vec::new(), query);
    let (mut in_braces, mut in_labels, mut before) = (false, false, "");
    while let Some(next) = rest.chars().next() {
        let len = match next {
            // Of strings there are none with quotes in them.
            '"' => rest[1..].find('"').map_or(rest.len(), |end| end + 2),
            '[' => rest.find(']').map_or(rest.len(), |end| end + 1),
            '0'..='9' => {
                let is_number = |c: char| c.is_ascii_alphanumeric() || c == '.';
                rest.find(|c| !is_number(c)).unwrap_or(rest.len())
            }
            c if is_name(c) => rest.find(|c| !is_name(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let (token, behind) = rest.split_at(len);
        match next {
            '{' => in_braces = true,
            '}' => in_braces = false,
            '(' if OF_LABELS.contains(&before) => in_labels = true,
            ')' => in_labels = false,
            c if !is_name(c) || c.is_ascii_digit() => {}
            _ if in_braces || in_labels => parts.push(Part::Label(token)),
            _ if WORDS.contains(&token) || behind.trim_start().starts_with('(') => {}
            // `sum by (job) (…)`
            _ if OF_LABELS
                .iter()
                .any(|word| behind.trim_start().starts_with(&format!("{word} ("))) => {}
            _ => parts.push(Part::Metric(token)),
        }
        if !token.trim().is_empty() {
            before = token;
        }
        rest = behind;
    }
    parts
}

const fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | ':')
}

/// The names that stand where a metric is described, in all sources below `crates`.
pub(crate) fn described(crates: &Path) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    for package in fs::read_dir(crates)? {
        let package = package?;
        // Core describes nothing, but shows how it is done.
        if package.file_name() == "core" {
            continue;
        }
        for file in sources(&package.path().join("src"))? {
            let source = fs::read_to_string(file)?;
            let source: Vec<_> = before_tests(&source).map(str::trim).collect();
            names.extend(described_in(&source.join("")));
        }
    }
    Ok(names)
}

fn described_in(source: &str) -> impl Iterator<Item = String> {
    let calls = ["counter(\"", "gauge(\"", "histogram(\"", "seconds(\""];
    calls.into_iter().flat_map(move |call| {
        let behind = source.split(call).skip(1);
        behind
            .filter_map(|behind| behind.split('"').next())
            .map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::Part::{Label, Metric};
    use super::{described_in, parts};

    #[test]
    fn metrics_and_labels_are_told_from_functions_words_and_strings() {
        let query = r#"topk(10, sum by (job, le) (rate(a_total{x="b_c",y=~"d"}[5m] offset 1h))) / on (job) group_left (z) e:f > bool 2e3 unless up"#;
        let [job, le, x, y, z] = ["job", "le", "x", "y", "z"].map(Label);
        let [a, e, up] = ["a_total", "e:f", "up"].map(Metric);
        let on = Label("job");
        assert_eq!(parts(query), [job, le, a, x, y, on, z, e, up]);
    }

    #[test]
    fn described_names_are_found_behind_line_breaks() {
        let source = "static A: Metric = Metric::gauge(\"a_b\",static B: Metric = counter(\"c\"";
        assert_eq!(described_in(source).collect::<Vec<_>>(), ["c", "a_b"]);
    }
}
