use cargo_metadata::{DependencyKind, Package};

use crate::workspace::{Workspace, is_published};

/// How DESIGN.md draws a dependency between two crates.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Line {
    Solid,
    /// Only behind a feature: an optional dependency.
    Dotted,
}

/// Who depends on whom, beside `core`, which lies under all of them.
const ARROWS: &[(&str, &str, Line)] = &[
    ("pool", "fair", Line::Solid),
    ("postgres", "fair", Line::Solid),
    ("postgres", "pool", Line::Solid),
    ("shed", "fair", Line::Solid),
    ("cache", "fair", Line::Solid),
    ("redis", "breaker", Line::Solid),
    ("cache", "redis", Line::Dotted),
    ("quota", "redis", Line::Dotted),
];

/// All that `towerblock-core` may stand on.
const UNDER_CORE: &[&str] = &["bytes", "http", "http-body", "pin-project-lite"];

/// The arrows between our crates that DESIGN.md does not draw.
pub(crate) fn undrawn(workspace: &Workspace) -> Vec<String> {
    let unpublished = |name: &str| {
        let package = workspace.member(name);
        package.is_some_and(|package| !is_published(package))
    };
    workspace
        .published()
        .into_iter()
        .flat_map(built_with)
        .filter_map(|(from, to, line)| {
            if unpublished(to) {
                return Some(format!("{from} -> {to}, which is not published"));
            }
            complaint(from, to, line)
        })
        .collect()
}

/// What a user's build of `package` needs: everything but its dev-dependencies.
fn built_with(package: &Package) -> impl Iterator<Item = (&str, &str, Line)> {
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind != DependencyKind::Development)
        .map(|dependency| {
            let line = if dependency.optional {
                Line::Dotted
            } else {
                Line::Solid
            };
            (package.name.as_str(), dependency.name.as_str(), line)
        })
}

fn complaint(from: &str, to: &str, line: Line) -> Option<String> {
    if from == "towerblock-core" {
        let known = UNDER_CORE.contains(&to);
        return (!known).then(|| format!("{from} -> {to}: it stands on four crates only"));
    }
    if to == "towerblock" {
        return Some(format!("{from} -> {to}: the facade lies over all others"));
    }
    // The facade itself, and foreign packages.
    let from = from.strip_prefix("towerblock-")?;
    let to = to.strip_prefix("towerblock-")?;
    if to == "core" {
        return None;
    }
    let drawn = ARROWS.iter().find(|arrow| (arrow.0, arrow.1) == (from, to));
    match drawn {
        None => Some(format!("{from} -> {to}: DESIGN.md draws no such arrow")),
        Some((_, _, Line::Dotted)) if line == Line::Solid => {
            Some(format!("{from} -> {to}: only as an optional dependency"))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Line::{Dotted, Solid};
    use super::complaint;

    #[test]
    fn only_drawn_arrows_pass() {
        for (from, to) in [
            ("towerblock-pool", "towerblock-fair"),
            ("towerblock-pool", "towerblock-core"),
            ("towerblock-pool", "bb8"),
            ("towerblock", "towerblock-pool"),
            ("towerblock-core", "http"),
        ] {
            assert_eq!(complaint(from, to, Solid), None, "{from} -> {to}");
        }
        for (from, to) in [
            ("towerblock-fair", "towerblock-pool"),
            ("towerblock-shed", "towerblock-breaker"),
            ("towerblock-pool", "towerblock"),
            ("towerblock-core", "tokio"),
            ("towerblock-core", "towerblock-fair"),
        ] {
            assert!(complaint(from, to, Solid).is_some(), "{from} -> {to}");
        }
    }

    #[test]
    fn redis_is_an_option_of_cache_and_quota() {
        assert_eq!(
            complaint("towerblock-cache", "towerblock-redis", Dotted),
            None
        );
        assert!(complaint("towerblock-cache", "towerblock-redis", Solid).is_some());
        assert!(complaint("towerblock-session", "towerblock-redis", Dotted).is_some());
    }
}
