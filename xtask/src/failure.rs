use std::fmt;
use std::process::{Command, ExitCode};

/// What went wrong, and the code to leave with.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    code: u8,
}

impl Failure {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            code: 1,
        }
    }

    /// The code of the command that failed.
    pub(crate) fn code(&self) -> ExitCode {
        self.code.into()
    }

    /// The same failure, said to be of `step`.
    pub(crate) fn of(self, step: &str) -> Self {
        Self {
            what: format!("{step}: {}", self.what),
            ..self
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}

/// Passes when nothing is complained about.
pub(crate) fn none_of(complaints: impl IntoIterator<Item = String>) -> Result<(), Failure> {
    let complaints: Vec<_> = complaints.into_iter().collect();
    if complaints.is_empty() {
        return Ok(());
    }
    Err(Failure::new(complaints.join("\n  ")))
}

/// Runs `command` to its end; its code is ours when it fails.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .map_err(|error| Failure::new(format!("{program} did not start: {error}")))?;
    if status.success() {
        return Ok(());
    }
    let args: Vec<_> = command
        .get_args()
        .map(|arg| arg.to_string_lossy())
        .collect();
    Err(Failure {
        what: format!("`{program} {}` failed ({status})", args.join(" ")),
        // Ended by a signal: no code of its own.
        code: status
            .code()
            .and_then(|code| code.try_into().ok())
            .unwrap_or(1),
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{none_of, run};

    #[test]
    fn the_code_of_a_failed_command_is_kept() {
        let failure = run(Command::new("sh").args(["-c", "exit 42"])).unwrap_err();
        assert_eq!(failure.code, 42);
        let failure = run(Command::new("sh").args(["-c", "kill -9 $$"])).unwrap_err();
        assert_eq!(failure.code, 1);
    }

    #[test]
    fn complaints_are_a_failure_that_names_each() {
        assert!(none_of(Vec::new()).is_ok());
        let failure = none_of(vec!["one".to_owned(), "two".to_owned()]).unwrap_err();
        assert_eq!(failure.of("step").to_string(), "step: one\n  two");
    }
}
