const CALL: &str = "current_setting(";

/// Whether an expression, as the server prints it, calls `current_setting` outside every
/// `( SELECT …)`. What a function of the policy's own calls is not seen.
pub(crate) fn reads_per_row(expression: &str) -> bool {
    let mut groups = Vec::new();
    let mut quote = None;
    for (at, byte) in expression.bytes().enumerate() {
        // A quote within quotes is doubled: it ends and begins.
        match (quote, byte) {
            (Some(open), _) if open == byte => quote = None,
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, b'(') => {
                if calls(expression, at) && !groups.contains(&true) {
                    return true;
                }
                groups.push(selects(expression, at));
            }
            (None, b')') => {
                groups.pop();
            }
            _ => {}
        }
    }
    false
}

/// Whether the parenthesis there opens the arguments of the call.
fn calls(expression: &str, at: usize) -> bool {
    let upto = expression.get(..=at).unwrap_or_default();
    let Some(before) = upto.strip_suffix(CALL) else {
        return false;
    };
    !before.ends_with(|last: char| last.is_alphanumeric() || last == '_')
}

/// Whether the parenthesis there opens a query.
fn selects(expression: &str, at: usize) -> bool {
    let after = expression.get(at + 1..).unwrap_or_default();
    after.trim_start().starts_with("SELECT ")
}

#[cfg(test)]
mod tests {
    use super::reads_per_row;

    #[test]
    fn only_a_call_within_a_query_is_made_once() {
        for (expression, per_row) in [
            ("(tenant = current_setting('app.tenant'::text))", true),
            (
                "(tenant = (NULLIF(current_setting('app.tenant'::text, true), ''::text))::bigint)",
                true,
            ),
            (
                "(tenant = ( SELECT current_setting('app.tenant'::text) AS current_setting))",
                false,
            ),
            (
                "(tenant = ( SELECT (NULLIF(current_setting('a'::text, true), ''::text))::bigint AS \"nullif\"))",
                false,
            ),
            (
                "((tenant = ( SELECT 1)) AND (name = current_setting('b'::text)))",
                true,
            ),
            (
                "(tenant = pg_catalog.current_setting('app.tenant'::text))",
                true,
            ),
            ("(tenant = my_current_setting('app.tenant'::text))", false),
            ("(name = 'it''s current_setting('::text)", false),
            (
                "(name = '( SELECT '::text) AND (tenant = current_setting('x'::text))",
                true,
            ),
            ("true", false),
        ] {
            assert_eq!(reads_per_row(expression), per_row, "{expression}");
        }
    }
}
