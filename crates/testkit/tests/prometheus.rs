//! A Prometheus answers, and says what it does not understand.

use towerblock_testkit::{Prometheus, promtool};

#[tokio::test]
async fn it_answers_with_series_and_numbers_and_tells_what_is_wrong_with_a_query() {
    // Nobody listens on the port of discard.
    let builder = Prometheus::builder().scrape("away", "127.0.0.1:9".parse().unwrap());
    let prometheus = builder.start().await.unwrap();
    let up = prometheus.until("up", |samples| !samples.is_empty());
    let up = up.await.unwrap().remove(0);
    assert_eq!((up.value, &*up.labels["job"]), (0.0, "away"));
    let number = prometheus.query("2 + 0.5").await.unwrap().remove(0);
    assert_eq!((number.value, number.labels.len()), (2.5, 0));
    let queries = ["up", "nothing", "0 / vector(0)"].map(str::to_owned);
    let unanswered = prometheus.unanswered(&queries).await.unwrap();
    assert_eq!(unanswered, ["nothing", "0 / vector(0)"]);
    let error = prometheus.query("sum(").await.unwrap_err().to_string();
    assert!(error.contains("parse error"), "{error}");
}

#[test]
fn promtool_says_what_it_complains_about() {
    let page = "# HELP a_total A\n# TYPE a_total counter\na_total 1\n";
    promtool(&["check", "metrics"], page).unwrap();
    let error = promtool(&["check", "metrics"], &page.replace("_total", "")).unwrap_err();
    assert!(error.to_string().contains("_total"), "{error}");
}
