use towerblock_core::BoxError;
use towerblock_quota::{Name, Plan, Plans, Quota};

use crate::{from, limiter, per_minute, plan, policy};

#[test]
fn a_name_is_fit_for_a_header() {
    let longest = "a".repeat(32);
    for good in ["requests", "per-user", "7_days", &longest] {
        assert_eq!(Name::new(good).unwrap().as_str(), good);
    }
    for bad in [
        "",
        "-a",
        "_a",
        "A",
        "a b",
        "a\"",
        "é",
        "a\n",
        &"a".repeat(33),
    ] {
        assert!(Name::new(bad).is_err(), "{bad:?}");
    }
}

#[tokio::test]
async fn plans_are_replaced_and_what_was_used_stays_used() {
    let free = || plan([policy("requests", per_minute(10))]);
    let plans = Plans::new([free()]);
    let (limiter, now) = (limiter(), tokio::time::Instant::now());
    let acme = from("acme");
    let acme = acme.extensions().get().unwrap();
    let ask = |cost| towerblock_quota::Ask::new(plans.get("test").unwrap(), acme).cost(cost);
    let first = limiter.decide(ask(8), now);
    assert_eq!(
        (first.remaining(), first.plan().unwrap().generation()),
        (2, 1)
    );

    let source = || async {
        let paid = Plan::new("test").rates([policy("requests", per_minute(100))]);
        Ok::<_, BoxError>(vec![paid.quota(Name::new("plugins")?, Quota::stock(3))])
    };
    assert_eq!(plans.clone().reload(&source).await.unwrap(), 2);
    assert_eq!(limiter.decide(ask(1), now).remaining(), 91);
    let quota = plans.get("test").and_then(|plan| plan.quota_of("plugins"));
    assert_eq!(quota, Some(Quota::stock(3)));

    let away = || async { Err::<Vec<Plan>, BoxError>("away".into()) };
    assert!(plans.reload(&away).await.is_err());
    assert_eq!((plans.generation(), plans.get("test").is_some()), (2, true));
    assert!(plans.get("other").is_none());
}

#[cfg(feature = "toml")]
#[test]
fn a_file_that_is_wrong_says_where() {
    use towerblock_quota::plans_from_toml;
    let wrong = |text: &str| plans_from_toml(text).unwrap_err().to_string();
    assert_eq!(
        wrong(r#"free = { rates = [{ name = "A", limit = 1 }] }"#),
        r#"plan free: "A": name is not of the form [a-z0-9][a-z0-9_-]{0,31}"#
    );
    assert_eq!(
        wrong(r#"free = { rates = [{ name = "a", limit = 70000, strict = true }] }"#),
        r#"plan free: rate "a" is strict: its limit is at most 65535, and it has no burst"#
    );
    assert!(wrong(r#"free = { rates = [{ name = "a", limit = 0 }] }"#).contains("nonzero"));
    let told = wrong("[free]\nweight = 1\nrats = []\n");
    assert!(told.starts_with("line 3: unknown field `rats`"), "{told}");
    for text in ["[free", "a = ", "[free]\nweight = 0", "free = 1"] {
        assert_eq!(wrong(text).lines().count(), 1, "{}", wrong(text));
    }
    let rate = r#"{ name = "a", limit = 1 },"#.repeat(9);
    let many = wrong(&format!("free = {{ rates = [{rate}] }}"));
    assert_eq!(many, "plan free: it has more than 8 rates");

    let text = r#"
        [pro]
        weight = 4
        rates = [{ name = "a", limit = 7, seconds = 10, burst = 3, scope = "user", blocked_seconds = 2 }]
        quotas = { users = { stock = 5 }, calls = { monthly = 9 } }
    "#;
    let [pro] = plans_from_toml(text).unwrap().try_into().unwrap();
    assert_eq!((pro.name(), pro.weight_of().get()), ("pro", 4));
    assert_eq!(pro.quota_of("users"), Some(Quota::stock(5)));
    assert_eq!(pro.quota_of("calls"), Some(Quota::monthly(9)));
    let [rate] = pro.policies() else {
        unreachable!("one rate")
    };
    assert_eq!(rate.rate().limit(), 3);
}
