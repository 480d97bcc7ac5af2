//! URLs of servers, as text: what they mean is up to the cluster.

use super::setup::{DIRECTORY, QUOTAS, SHARED_TABLES};

/// Where tables are found by statements that are bound to no schema. It is a setting of the
/// connection, for that of a database or a role is somebody else's.
pub(super) fn with_search_path(url: &str) -> String {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let parameters = query.split('&').filter(|parameter| !parameter.is_empty());
    let (options, others): (Vec<_>, Vec<_>) =
        parameters.partition(|parameter| parameter.starts_with("options="));
    let given = options.last().copied().unwrap_or("options=");
    let options = format!("{given}%20-c%20search_path%3D{SHARED_TABLES},{DIRECTORY},{QUOTAS}");
    let parameters = others.into_iter().chain([&*options]).collect::<Vec<_>>();
    format!("{base}?{}", parameters.join("&"))
}

/// Host and port, as they stand there: nothing that must not be printed.
pub(crate) fn address(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    // As the driver reads it: whatever stands before this is the user and the password.
    let rest = rest.split_once('@').map_or(rest, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{address, with_search_path};

    #[test]
    fn what_is_printed_of_a_url_is_where_it_leads() {
        for url in [
            "postgres://u:s3/cret@db:5433/app?sslmode=require",
            "postgresql://db:5433",
            "postgres://u@db:5433?password=s3cret",
        ] {
            assert_eq!(address(url), "db:5433");
        }
    }

    #[test]
    fn options_of_the_url_stay() {
        let path = "%20-c%20search_path%3Dtowerblock_shared,towerblock_directory,towerblock_quotas";
        for (url, expected) in [
            (
                "postgres://db/app",
                format!("postgres://db/app?options={path}"),
            ),
            (
                "postgres://db/app?options=-c%20jit%3Doff&sslmode=require",
                format!("postgres://db/app?sslmode=require&options=-c%20jit%3Doff{path}"),
            ),
        ] {
            assert_eq!(with_search_path(url), expected);
        }
    }
}
