//! The plans that are sold, from the file that `PLANS` names.

use towerblock_quota::{Plan, plans_from_toml};

use super::{API_CALLS, PLUGINS};

/// Of whoever has no other.
pub(super) const LEAST: &str = "free";
const SHIPPED: &str = include_str!("../plans.toml");

/// All plans, one of which is `free`.
#[derive(Clone, Debug)]
pub(crate) struct Offer(pub(super) Vec<Plan>);

impl Offer {
    /// Those beside this file.
    pub(crate) fn shipped() -> Result<Self, String> {
        Self::parse(SHIPPED)
    }

    /// Those in the file at this path.
    pub(crate) fn read(path: &str) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string());
        let offer = text.and_then(|text| Self::parse(&text));
        offer.map_err(|why| format!("expected a file of plans in TOML ({why})"))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let plans = plans_from_toml(text).map_err(|error| error.to_string())?;
        if !plans.iter().any(|plan| plan.name() == LEAST) {
            return Err(format!("there is no plan {LEAST}"));
        }
        for plan in &plans {
            for (name, monthly) in [(PLUGINS, false), (API_CALLS, true)] {
                let quota = plan.quota_of(name);
                if quota.is_some_and(|quota| quota.is_monthly() != monthly) {
                    let kind = if monthly { "monthly" } else { "a stock" };
                    return Err(format!("plan {}: {name} is {kind}", plan.name()));
                }
            }
        }
        Ok(Self(plans))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use towerblock_quota::Quota;

    use super::Offer;

    #[test]
    fn what_is_shipped_is_what_was_promised() {
        let Offer(plans) = Offer::shipped().unwrap();
        let plan = |name| plans.iter().find(|plan| plan.name() == name).unwrap();
        let minute = Duration::from_secs(60);
        for (name, limit, window, plugins) in [
            ("free", 100, minute, Some(Quota::stock(100))),
            ("pro", 1_000, minute, Some(Quota::stock(1_000))),
            ("enterprise", 20_000, Duration::from_secs(1), None),
        ] {
            let [rate, users @ ..] = plan(name).policies() else {
                unreachable!("a rate of the tenant")
            };
            assert_eq!((rate.rate().limit(), rate.rate().window()), (limit, window));
            assert_eq!(plan(name).quota_of("plugins"), plugins);
            // The larger part, and not all.
            for user in users {
                assert!((limit / 2..limit).contains(&user.rate().limit()));
            }
        }
        let free = format!("{:?}", plan("free").policies());
        assert!(free.contains("penalty: 60000000000"), "{free}");
        assert!(free.contains("Window"), "{free}");
    }

    #[test]
    fn what_is_wrong_is_told_on_one_line() {
        for (text, why) in [
            ("", "there is no plan free"),
            ("[free]\nrats = 1", "line 2: unknown field `rats`"),
            ("[free", "line 1: "),
            (
                "[free]\nquotas = { plugins = { monthly = 1 } }",
                "plan free: plugins is a stock",
            ),
            (
                "[free]\nquotas = { api_calls = { stock = 1 } }",
                "plan free: api_calls is monthly",
            ),
        ] {
            let told = Offer::parse(text).unwrap_err();
            assert!(told.contains(why), "{told}");
            assert_eq!(told.lines().count(), 1, "{told}");
        }
    }
}
