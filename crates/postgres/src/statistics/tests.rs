use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;
use towerblock_core::{Kind, Stats as _, TenantId, Value};

use super::{Cause, Outcome, Report, Sample, Statistics, Window};

const MILLI: Duration = Duration::from_millis(1);

fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

fn sample(label: &'static str) -> Sample<'static> {
    Sample {
        label,
        tenant: None,
        wait: MILLI,
        connect: Duration::ZERO,
        execute: 2 * MILLI,
        hold: 3 * MILLI,
        rows: 10,
        outcome: Outcome::Ok,
    }
}

/// A minute of ten tenants with 20 usual queries a second each; the first has so many times
/// 20 of `noisy` instead.
fn traffic(noisy: Sample<'static>, times: usize) -> Report {
    let start = Instant::now();
    let statistics = Statistics::new(start);
    let tenants: Vec<_> = (0..10)
        .map(|number| tenant(&format!("t{number}")))
        .collect();
    for second in 0..60 {
        let now = start + Duration::from_secs(second);
        for (number, tenant) in tenants.iter().enumerate() {
            let tenant = Some(tenant);
            let (queries, usual) = (20, sample("orders.list"));
            let (queries, usual) = match number {
                0 => (queries * times, noisy),
                _ => (queries, usual),
            };
            for _ in 0..queries {
                statistics.record(&Sample { tenant, ..usual }, now);
            }
        }
    }
    statistics.report(start + Duration::from_secs(60))
}

fn accused(window: &Window) -> Vec<(&str, Cause)> {
    let tenants = window.tenants.iter();
    tenants
        .map(|load| (load.tenant.as_str(), load.cause))
        .collect()
}

#[test]
fn each_outcome_is_counted() {
    let now = Instant::now();
    let statistics = Statistics::new(now);
    for outcome in [
        Outcome::Ok,
        Outcome::Ok,
        Outcome::Error,
        Outcome::Cancelled,
        Outcome::Refused,
    ] {
        let sample = Sample {
            outcome,
            execute: 200 * MILLI,
            ..sample("orders.list")
        };
        statistics.clone().record(&sample, now);
    }
    let report = statistics.report(now);
    let label = &report.labels[0];
    assert_eq!((label.queries, label.errors), (5, 1));
    assert_eq!((label.cancelled, label.refused), (1, 1));
    assert_eq!((label.slow, label.rows), (4, 40), "one never ran");
    assert_eq!((label.wait.count, label.execute.count), (5, 4));
    assert_eq!(label.connect.count, 0, "a connection was open");
    assert_eq!((label.total, label.held), (800 * MILLI, 12 * MILLI));
    assert_eq!(report.slow.len(), 4);
    assert_eq!(report.total.execute, 800 * MILLI);
    assert_eq!((report.total.queries, report.total.slow), (5, 4));
}

#[test]
fn slow_is_what_executes_as_long_as_the_threshold() {
    let now = Instant::now();
    let statistics = Statistics::new(now);
    for (label, execute) in [("fast", 99), ("slow", 100), ("slower", 4_000)] {
        let execute = execute * MILLI;
        let sample = Sample {
            execute,
            ..sample(label)
        };
        statistics.record(&sample, now);
    }
    let report = statistics.report(now);
    assert!((report.slow_per_minute - 2.0).abs() < 1e-9);
    assert_eq!(
        (report.slow[0].label, report.slow[1].label),
        ("slower", "slow")
    );
    let names = |report: &Report| -> Vec<_> { report.labels.iter().map(|l| l.label).collect() };
    assert_eq!(names(&report), ["slower", "slow", "fast"]);
    let slow = report.slow_only();
    assert_eq!(names(&slow), ["slower", "slow"]);
    assert_eq!(slow.total.queries, 3, "totals stay");

    let strict = Statistics::with_slow_after(2 * MILLI, now);
    strict.record(&sample("fast"), now);
    assert_eq!(strict.report(now).slow.len(), 1);
}

#[test]
fn a_tenant_is_accused_of_what_it_does_otherwise() {
    for (execute, hold, rows, times, cause) in [
        (2 * MILLI, 3 * MILLI, 10, 8, Cause::Many),
        (40 * MILLI, 41 * MILLI, 10, 1, Cause::Slow),
        (40 * MILLI, 41 * MILLI, 5_000, 1, Cause::BigRows),
        (2 * MILLI, 60 * MILLI, 10, 1, Cause::IdleInTransaction),
    ] {
        let noisy = Sample {
            execute,
            hold,
            rows,
            ..sample("orders.list")
        };
        let report = traffic(noisy, times);
        for window in &report.windows {
            assert_eq!(accused(window), [("t0", cause)]);
            // Ten may be taken for nine: two may share a bit.
            assert!((9..=10).contains(&window.active));
        }
        let load = &report.windows[0].tenants[0];
        assert!((load.fair_share - 0.1).abs() < 0.02);
        assert!(load.share > 0.4, "{load:?}");
    }
}

#[test]
fn equals_are_not_accused_nor_is_who_holds_next_to_nothing() {
    let report = traffic(sample("orders.list"), 1);
    assert!(
        report
            .windows
            .iter()
            .all(|window| window.tenants.is_empty())
    );
    let held = report.windows[0].connections;
    assert!((held - 0.6).abs() < 0.01, "200 a second × 3 ms: {held}");

    let start = Instant::now();
    for (secs, seen) in [(10, 0), (19, 0), (60, 1)] {
        let statistics = Statistics::new(start);
        for number in 0..10 {
            let secs = if number == 0 { secs } else { 10 };
            let (tenant, took) = (tenant(&format!("t{number}")), Duration::from_secs(secs));
            statistics.record_query("orders.list", Some(&tenant), took, 1, start);
        }
        let report = statistics.report(start + Duration::from_secs(60));
        assert_eq!(
            report.windows[0].tenants.len(),
            seen,
            "{secs} s beside 10 s"
        );
    }

    let statistics = Statistics::new(start);
    for number in 0..100 {
        let tenant = tenant(&format!("t{number}"));
        let took = if number == 0 { 300 * MILLI } else { MILLI };
        statistics.record_query("orders.list", Some(&tenant), took, 1, start);
    }
    let report = statistics.report(start + Duration::from_secs(60));
    assert!(report.windows[0].tenants.is_empty(), "0.3 s of a minute");
}

#[test]
fn a_window_forgets_what_it_has_left_behind() {
    let start = Instant::now();
    let statistics = Statistics::new(start);
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    let minute = Duration::from_secs(60);
    for number in 0..10 {
        let quiet = tenant(&format!("t{number}"));
        statistics.record_query("orders.list", Some(&quiet), MILLI, 1, start);
    }
    statistics.record_query("orders.list", Some(&acme), minute, 1, start);
    statistics.record_query("orders.list", Some(&globex), minute, 1, start + 3 * minute);
    let connections = |secs: u64| -> Vec<f64> {
        let report = statistics.report(start + Duration::from_secs(secs));
        let windows = report.windows.iter();
        let held = |window: &Window| {
            let acme = window.tenants.iter().find(|load| load.tenant == acme);
            acme.map_or(0.0, |load| load.connections)
        };
        windows.map(held).collect()
    };
    let close = |found: &[f64], expected: [f64; 3]| {
        let pairs = found.iter().zip(expected);
        assert!(
            pairs
                .clone()
                .all(|(found, expected)| (found - expected).abs() < 1e-6),
            "{found:?}"
        );
    };
    close(&connections(60), [1.0, 1.0, 1.0]);
    close(&connections(90), [0.5, 60.0 / 90.0, 60.0 / 90.0]);
    close(&connections(240), [0.0, 0.25, 0.25]);
    close(&connections(330), [0.0, 0.1, 60.0 / 330.0]);
    close(&connections(361), [0.0, 0.0, 60.0 / 361.0]);
}

#[test]
fn the_first_query_does_not_hold_a_thousand_connections() {
    let start = Instant::now();
    let statistics = Statistics::new(start);
    let acme = tenant("acme");
    statistics.record_query("orders.list", Some(&acme), 300 * MILLI, 1, start);
    for window in statistics.report(start + MILLI).windows {
        assert!((window.connections - 0.3).abs() < 1e-6, "{window:?}");
        assert_eq!(window.over, MILLI);
    }
}

#[test]
fn ten_thousand_tenants_take_the_room_of_a_thousand() {
    let start = Instant::now();
    let statistics = Statistics::new(start);
    for number in 0..10_000 {
        let tenant = tenant(&format!("t{number}"));
        statistics.record_query("orders.list", Some(&tenant), MILLI, 1, start);
        let noisy = TenantId::new("noisy").unwrap();
        statistics.record_query("orders.list", Some(&noisy), MILLI, 1, start);
    }
    let minutes = super::lock(&statistics.shared.tenants).minutes(start);
    assert_eq!(minutes[0].entries.len(), super::sketch::ENTRIES);
    let report = statistics.report(start + Duration::from_secs(10));
    let window = &report.windows[0];
    assert!(
        (9_500..10_500).contains(&window.active),
        "{}",
        window.active
    );
    let load = &window.tenants[0];
    assert_eq!((load.tenant.as_str(), load.cause), ("noisy", Cause::Many));
    assert!((0.49..=0.5).contains(&load.share), "{load:?}");
}

#[test]
fn metrics_name_labels_and_never_tenants() {
    let now = Instant::now();
    let statistics = Statistics::new(now);
    let acme = tenant("acme");
    statistics.record_query("orders.list", Some(&acme), 2 * MILLI, 7, now);
    let mut read = HashMap::new();
    statistics.read(&mut |metric, label, value| {
        assert_eq!((metric.label, label), ("label", "orders.list"));
        assert_eq!(metric.kind == Kind::Histogram, metric.unit == "seconds");
        read.insert(metric.name, value);
    });
    let mut described: Vec<_> = statistics.describe().iter().map(|m| m.name).collect();
    let mut names: Vec<_> = read.keys().copied().collect();
    names.sort_unstable();
    described.sort_unstable();
    assert_eq!(names, described);
    assert_eq!(read["postgres_queries"], Value::Count(1));
    assert_eq!(read["postgres_query_errors"], Value::Count(0));
    assert_eq!(read["postgres_rows"], Value::Count(7));
    let Value::Buckets { counts, sum, .. } = &read["postgres_query_execute"] else {
        panic!("no histogram");
    };
    assert_eq!((counts[2], counts.iter().sum::<u64>()), (1, 1));
    assert!((sum - 0.002).abs() < 1e-9);
}
