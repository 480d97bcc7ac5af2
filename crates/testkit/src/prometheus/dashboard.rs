use serde_json::Value;

use crate::Error;
use crate::error::Context as _;

/// The queries of a dashboard of Grafana, ready to be asked: of every job and instance, and rates
/// over `window`, such as `10s`.
///
/// # Errors
///
/// When it is not JSON.
pub fn dashboard_queries(json: &str, window: &str) -> Result<Vec<String>, Error> {
    let board: Value = serde_json::from_str(json).context(|| "not a dashboard".to_owned())?;
    let panels = list(&board, "panels");
    let targets = panels.iter().flat_map(|panel| list(panel, "targets"));
    let queries = targets.filter_map(|target| target.get("expr")?.as_str());
    let chosen = |query: &str| {
        let query = query.replace("$__rate_interval", window);
        query.replace("$job", ".*").replace("$instance", ".*")
    };
    Ok(queries.map(chosen).collect())
}

fn list<'v>(of: &'v Value, name: &str) -> &'v [Value] {
    let list = of.get(name).and_then(Value::as_array);
    list.map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::dashboard_queries;

    #[test]
    fn variables_are_filled_in() {
        let board = r#"{"panels": [{"targets": [
            {"expr": "rate(a{job=~\"$job\",instance=~\"$instance\"}[$__rate_interval])"}
        ]}, {"title": "a text"}]}"#;
        let queries = dashboard_queries(board, "5s").unwrap();
        assert_eq!(queries, [r#"rate(a{job=~".*",instance=~".*"}[5s])"#]);
        assert!(dashboard_queries("no", "5s").is_err());
    }
}
