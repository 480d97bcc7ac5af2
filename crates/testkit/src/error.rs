use std::error;
use std::fmt::{self, Write};

/// A server could not be started, or did not do what it was asked.
///
/// Its display tells what failed, the command, and the end of the server's log, and its
/// `Debug`, which `unwrap` prints, is the same.
#[derive(thiserror::Error)]
#[error("{what}{}", Detail(.log))]
pub struct Error {
    what: String,
    log: Option<String>,
    missing: bool,
    source: Option<Box<dyn error::Error + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            log: None,
            missing: false,
            source: None,
        }
    }

    pub(crate) fn missing(what: impl Into<String>) -> Self {
        let mut error = Self::new(what);
        error.missing = true;
        error
    }

    #[must_use]
    pub(crate) fn with_log(mut self, log: impl Into<String>) -> Self {
        self.log = Some(log.into());
        self
    }

    /// Whether a program is not installed; the message then says how to install it.
    #[must_use]
    pub fn is_not_installed(&self) -> bool {
        self.missing
    }

    /// Whether the server's log says that its port was taken.
    pub(crate) fn is_port_taken(&self) -> bool {
        let log = self.log.as_deref().unwrap_or_default();
        let said = [
            "Address already in use",
            "Address in use",
            "address already in use",
        ];
        said.iter().any(|said| log.contains(said))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Names what was tried when `cause` stopped it.
pub(crate) trait Context<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T, E> Context<T> for Result<T, E>
where
    E: error::Error + Send + Sync + 'static,
{
    fn context(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|cause| {
            let mut text = what();
            // The whole chain: a test prints only the outermost error.
            let mut next: Option<&dyn error::Error> = Some(&cause);
            while let Some(error) = next {
                let _infallible = write!(text, ": {error}");
                next = error.source();
            }
            let mut error = Error::new(text);
            error.source = Some(Box::new(cause));
            error
        })
    }
}

struct Detail<'a>(&'a Option<String>);

impl fmt::Display for Detail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_deref() {
            Some("") => f.write_str("; its log is empty"),
            Some(log) => write!(f, "; its log ends:\n{log}"),
            None => Ok(()),
        }
    }
}
