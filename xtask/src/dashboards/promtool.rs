use std::process::{Command, Stdio};

use crate::dashboards::FOLDER;
use crate::failure::{Failure, run};
use crate::servers;
use crate::workspace::Workspace;

/// Has Prometheus's own tool check the rules, try them, and check the configuration.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    servers::provide()?;
    for args in [
        ["check", "rules", "--lint=all", "--lint-fatal", "rules.yml"].as_slice(),
        &["test", "rules", "rules.test.yml"],
        &["check", "config", "--lint-fatal", "prometheus.yml"],
    ] {
        let mut promtool = Command::new("promtool");
        promtool.current_dir(workspace.root().join(FOLDER));
        run(promtool.args(args).stdin(Stdio::null()))?;
    }
    Ok(())
}
