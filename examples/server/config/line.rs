//! What is said of a wrong value.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// A value as it may be shown on one line: without the password of a URL, and of a secret
/// only its length.
pub(super) fn shown(variable: &str, value: &str) -> String {
    if matches!(variable, "ADMIN_TOKEN" | "SECRET_KEYS") {
        return format!("({} characters)", value.chars().count());
    }
    let masked = value.split_once("://").and_then(|(scheme, rest)| {
        let (user, host) = rest.rsplit_once('@')?;
        let (user, _) = user.split_once(':')?;
        Some(format!("{scheme}://{user}:***@{host}"))
    });
    let mut masked = masked.unwrap_or_else(|| value.to_owned());
    if let Some((before, after)) = masked.split_once("password=") {
        let rest = after.split_once('&').map_or("", |(_, rest)| rest);
        let and = if rest.is_empty() { "" } else { "&" };
        masked = format!("{before}password=***{and}{rest}");
    }
    masked.escape_debug().to_string()
}

pub(super) fn one_line(error: &clap::Error) -> (String, i32) {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        return (error.to_string().trim_end().to_owned(), 0);
    }
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let source = std::error::Error::source(error);
    let argument = text(ContextKind::InvalidArg).zip(text(ContextKind::InvalidValue));
    if let (Some((argument, value)), Some(accepted)) = (argument, source) {
        // "--database-url <DATABASE_URL>" is known by its variable.
        let variable = argument.split(['<', '>']).nth(1).unwrap_or(argument);
        return (
            format!("{variable}={}: {accepted}", shown(variable, value)),
            2,
        );
    }
    let all = error.to_string();
    let first = all.lines().next().unwrap_or_default();
    (first.trim_start_matches("error: ").to_owned(), 2)
}
