use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::Error;
use crate::error::Context as _;
use crate::programs::PROMTOOL;

/// Runs `promtool` with these words, and `input` to read, to its end. It blocks for that time.
///
/// # Errors
///
/// When it [is not installed](Error::is_not_installed), or complains; then with what it says.
pub fn promtool(args: &[&str], input: &str) -> Result<(), Error> {
    let context = || format!("cannot run `promtool {}`", args.join(" "));
    let mut command = Command::new(PROMTOOL.find()?);
    let command = command.args(args).stdin(Stdio::piped());
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context(context)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).context(context)?;
    }
    let output = child.wait_with_output().context(context)?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    // Of what is only bad style, it tells, with a code of its own or with none.
    if output.status.success() && said.is_empty() {
        return Ok(());
    }
    Err(Error::new(format!("`promtool {}` complains", args.join(" "))).with_log(said))
}
