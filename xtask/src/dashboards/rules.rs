use std::fmt::Write as _;

use crate::dashboards::alerts::{self, Alert, Fires, Input};
use crate::dashboards::records;

const HEAD: &str = "# Made by `cargo xtask dashboards`.\n";
/// How often rules are evaluated, and how far apart the values of a test stand.
const EVERY: &str = "1m";
/// The name of each file that a test reads beside its own.
const RULES: &str = "rules.yml";

// Nothing is ever wrong with writing to a string.

/// The rules, as Prometheus reads them.
pub(crate) fn file() -> String {
    let mut file = format!("{HEAD}groups:\n  - name: towerblock-records\n    rules:\n");
    for record in records::all() {
        let _ = writeln!(file, "      - record: {}", record.name);
        let _ = writeln!(file, "        expr: {}", quoted(record.expr));
    }
    file.push_str("  - name: towerblock-alerts\n    rules:\n");
    for alert in alerts::all() {
        rule(&mut file, alert);
    }
    file
}

fn rule(file: &mut String, alert: &Alert) {
    let Alert {
        name,
        expr,
        hold,
        severity,
        summary,
        ..
    } = alert;
    let _ = writeln!(file, "      - alert: {name}");
    let _ = writeln!(file, "        expr: {}", quoted(expr));
    let _ = writeln!(file, "        for: {hold}");
    let _ = writeln!(file, "        labels:\n          severity: {severity}");
    let _ = writeln!(
        file,
        "        annotations:\n          summary: {}",
        quoted(summary)
    );
}

/// The tests of the rules, as promtool reads them.
pub(crate) fn tests() -> String {
    let mut file = format!("{HEAD}rule_files: [{RULES}]\nevaluation_interval: {EVERY}\ntests:\n");
    for alert in alerts::all() {
        for fires in alert.fires {
            test(&mut file, alert, "fires", fires.of, Some(fires));
        }
        for input in alert.rests {
            test(&mut file, alert, "rests", input, None);
        }
    }
    file
}

fn test(file: &mut String, alert: &Alert, does: &str, input: &Input, fires: Option<&Fires>) {
    let Alert {
        name, at, severity, ..
    } = alert;
    let _ = writeln!(file, "  - name: {}", quoted(&format!("{name} {does}")));
    let _ = writeln!(file, "    interval: {EVERY}\n    input_series:");
    for (series, values) in input {
        let _ = writeln!(file, "      - series: {}", quoted(series));
        let _ = writeln!(file, "        values: {}", quoted(values));
    }
    let _ = writeln!(file, "    alert_rule_test:");
    let _ = writeln!(file, "      - eval_time: {at}\n        alertname: {name}");
    let Some(fires) = fires else {
        let _ = writeln!(file, "        exp_alerts: []");
        return;
    };
    let _ = writeln!(file, "        exp_alerts:\n          - exp_labels:");
    let _ = writeln!(file, "              severity: {severity}");
    for (label, value) in fires.labels {
        let _ = writeln!(file, "              {label}: {}", quoted(value));
    }
    let _ = writeln!(file, "            exp_annotations:");
    let _ = writeln!(file, "              summary: {}", quoted(fires.summary));
}

/// As YAML takes it for one string, whatever is in it but a line break.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn quotes_do_not_end_a_string() {
        assert_eq!(quoted(r#"a's {b="c"}: #"#), r#"'a''s {b="c"}: #'"#);
    }
}
