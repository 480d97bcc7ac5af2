use tokio_postgres::error::SqlState;

use crate::{Fault, Verdict};

/// By what the server says: it fails when it cannot be reached, shuts down, has no room left,
/// gives up, or has taken too long. Whatever else it says of a statement, it has worked.
impl Fault for tokio_postgres::Error {
    fn verdict(&self) -> Verdict {
        self.code().map_or(Verdict::Failure, verdict)
    }
}

fn verdict(code: &SqlState) -> Verdict {
    let class = code.code().get(..2).unwrap_or_default();
    // Connections, resources, the operator's hand, the system's errors, its own, and its files.
    let broken = matches!(class, "08" | "53" | "57" | "58" | "XX" | "F0");
    Verdict::failure_if(broken)
}

#[cfg(test)]
mod tests {
    use tokio_postgres::error::SqlState;

    use super::verdict;
    use crate::Verdict;

    #[test]
    fn a_statement_that_was_wrong_is_not_the_servers_fault() {
        for (code, fails) in [
            (SqlState::CONNECTION_FAILURE, true),
            (SqlState::TOO_MANY_CONNECTIONS, true),
            (SqlState::DISK_FULL, true),
            (SqlState::ADMIN_SHUTDOWN, true),
            (SqlState::CANNOT_CONNECT_NOW, true),
            (SqlState::QUERY_CANCELED, true),
            (SqlState::IO_ERROR, true),
            (SqlState::INTERNAL_ERROR, true),
            (SqlState::UNIQUE_VIOLATION, false),
            (SqlState::SYNTAX_ERROR, false),
            (SqlState::T_R_SERIALIZATION_FAILURE, false),
            (SqlState::T_R_DEADLOCK_DETECTED, false),
            (SqlState::READ_ONLY_SQL_TRANSACTION, false),
            (SqlState::INVALID_PASSWORD, false),
        ] {
            assert_eq!(verdict(&code), Verdict::failure_if(fails), "{code:?}");
        }
    }
}
