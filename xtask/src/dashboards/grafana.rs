use serde_json::{Value, json};

use crate::failure::Failure;

/// A dashboard: panels from left to right, three in a row.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) uid: &'static str,
    pub(crate) title: &'static str,
    pub(crate) about: &'static str,
    pub(crate) panels: Vec<Panel>,
}

/// A graph.
#[derive(Debug)]
pub(crate) struct Panel {
    title: &'static str,
    /// By Grafana's name of it: `s`, `reqps`, `percentunit`, `short`, `bytes`.
    unit: &'static str,
    /// Each with what its lines are called.
    pub(crate) queries: Vec<(String, &'static str)>,
}

const COLUMNS: usize = 3;
/// Of Grafana's grid, which is 24 wide.
const WIDTH: usize = 8;
const HEIGHT: usize = 8;

/// A graph of these queries. In them `$j` stands for the chosen jobs and instances, and `$r` for as
/// long as a rate needs.
pub(crate) fn panel(
    title: &'static str,
    unit: &'static str,
    queries: &[(&str, &'static str)],
) -> Panel {
    let expand = |(query, legend): &(&str, &'static str)| {
        let chosen = r#"job=~"$job",instance=~"$instance""#;
        let query = query.replace("$j", chosen);
        // What was put in has a `$` of its own, and no `$r`.
        (query.replace("$r", "$__rate_interval"), *legend)
    };
    let queries = queries.iter().map(expand).collect();
    Panel {
        title,
        unit,
        queries,
    }
}

/// What Grafana imports.
pub(crate) fn json(board: &Board) -> Result<String, Failure> {
    let panels = board.panels.iter().enumerate();
    let panels: Vec<_> = panels.map(|(place, panel)| graph(place, panel)).collect();
    let json = json!({
        "uid": format!("towerblock-{}", board.uid),
        "title": format!("Towerblock: {}", board.title),
        "description": board.about,
        "tags": ["towerblock"],
        "schemaVersion": 39,
        "editable": true,
        "refresh": "30s",
        "time": { "from": "now-1h", "to": "now" },
        "templating": { "list": [
            { "name": "datasource", "type": "datasource", "query": "prometheus" },
            chosen("job", "label_values(up, job)"),
            chosen("instance", r#"label_values(up{job=~"$job"}, instance)"#),
        ] },
        "panels": panels,
    });
    let json = serde_json::to_string_pretty(&json);
    json.map(|json| json + "\n")
        .map_err(|error| Failure::new(error.to_string()))
}

fn graph(place: usize, panel: &Panel) -> Value {
    let queries = panel.queries.iter().zip('A'..);
    let targets = queries.map(|((query, legend), id)| {
        json!({
            "refId": id.to_string(),
            "datasource": source(),
            "expr": query,
            "legendFormat": legend,
        })
    });
    json!({
        "id": place + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": source(),
        "gridPos": {
            "x": place % COLUMNS * WIDTH, "y": place / COLUMNS * HEIGHT, "w": WIDTH, "h": HEIGHT,
        },
        "fieldConfig": { "defaults": { "unit": panel.unit, "min": 0 }, "overrides": [] },
        "options": { "legend": { "displayMode": "list", "placement": "bottom" } },
        "targets": targets.collect::<Vec<_>>(),
    })
}

fn source() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

fn chosen(name: &str, query: &str) -> Value {
    json!({
        "name": name,
        "type": "query",
        "datasource": source(),
        "query": { "query": query, "refId": name },
        "refresh": 2,
        "includeAll": true,
        "multi": true,
        "allValue": ".*",
        "current": { "text": "All", "value": "$__all" },
    })
}

#[cfg(test)]
mod tests {
    use super::{Board, json, panel};

    #[test]
    fn panels_stand_side_by_side_and_their_queries_are_of_what_was_chosen() {
        let query = r#"rate(a_total{of="b",$j}[$r])"#;
        let panels = (0..4).map(|_| panel("Rate", "reqps", &[(query, "{{of}}")]));
        let panels = panels.collect();
        let board = Board {
            uid: "a",
            title: "A",
            about: "",
            panels,
        };
        let json: serde_json::Value = serde_json::from_str(&json(&board).unwrap()).unwrap();
        let last = &json["panels"][3];
        assert_eq!(
            (&last["gridPos"]["x"], &last["gridPos"]["y"]),
            (&0.into(), &8.into())
        );
        assert_eq!(
            last["targets"][0]["expr"],
            r#"rate(a_total{of="b",job=~"$job",instance=~"$instance"}[$__rate_interval])"#
        );
    }
}
