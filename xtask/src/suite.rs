use crate::failure::{Failure, run};
use crate::servers;
use crate::workspace::Workspace;

/// Long tests run when this is set.
const LONG: &str = "TOWERBLOCK_LONG";

/// The tests of the workspace, with the servers that they start.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Suite {
    long: bool,
    extra: Vec<String>,
}

impl Suite {
    /// Reads `[--long] [-- ARGS]`; `None` for anything else.
    pub(crate) fn parse(args: &[&str]) -> Option<Self> {
        let (long, rest) = match args {
            ["--long", rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let extra = match rest {
            [] => &[],
            ["--", extra @ ..] => extra,
            _ => return None,
        };
        Some(Self {
            long,
            extra: extra.iter().map(|arg| (*arg).to_owned()).collect(),
        })
    }

    pub(crate) fn run(&self, workspace: &Workspace) -> Result<(), Failure> {
        servers::provide()?;
        let mut cargo = workspace.cargo();
        // At the root, which is no package, that is all members, unless `extra` names some.
        cargo.args(["test", "--all-features"]);
        cargo.args(&self.extra);
        if self.long {
            cargo.env(LONG, "1");
        }
        run(&mut cargo)
    }
}

#[cfg(test)]
mod tests {
    use super::Suite;

    #[test]
    fn what_follows_the_dashes_goes_to_cargo() {
        let suite = Suite::parse(&["--long", "--", "--test", "pages"]).unwrap();
        assert!(suite.long);
        assert_eq!(suite.extra, ["--test", "pages"]);
        assert_eq!(Suite::parse(&[]), Some(Suite::default()));
    }

    #[test]
    fn a_misspelt_switch_is_refused() {
        assert_eq!(Suite::parse(&["--lnog"]), None);
        assert_eq!(Suite::parse(&["--long", "pages"]), None);
    }
}
