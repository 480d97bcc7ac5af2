use http::StatusCode;
use towerblock_metrics::Exposure;
use towerblock_testkit::promtool;

use crate::{App, is, number, scraped};

#[tokio::test]
async fn it_is_scraped_without_an_error_and_promtool_has_nothing_to_say() {
    let app = App::start(Exposure::default()).await;
    app.load().await;
    // Names that would break out of a label, if they could.
    for path in ["/a%22%7D%0A%5C", "/\"quoted\""] {
        app.ask(Some("acme"), "GET", &path.replace('"', "%22"))
            .await;
    }
    assert_eq!(
        app.ask(None, "BREW", "/plugins/7").await,
        StatusCode::METHOD_NOT_ALLOWED
    );
    promtool(&["check", "metrics"], &app.page.render()).unwrap();
    let prometheus = scraped(&app).await;
    prometheus.until("up", is(1.0)).await.unwrap();
    let text = app.page.render();
    let is_sample = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let lines = text.lines().filter(is_sample).count();
    let kept = number(&prometheus, "scrape_samples_post_metric_relabeling").await;
    assert_eq!(kept, lines as f64);
}
