//! A database that is spoken to over TLS.

use towerblock_testkit::Postgres;

use crate::client::get;
use crate::database::ready;
use crate::program::{Server, output};

#[tokio::test]
async fn the_url_says_how_far_the_database_is_trusted() {
    let postgres = Postgres::builder().tls(true).start().await.unwrap();
    let url = postgres.primary().url();
    let (base, _) = url.split_once('?').unwrap_or((&url, ""));
    let ca = std::env::temp_dir().join(format!("towerblock-ca-{}.pem", std::process::id()));
    std::fs::write(&ca, postgres.ca().unwrap()).unwrap();
    let path = ca.display();
    for mode in [
        "require".to_owned(),
        format!("verify-full&sslrootcert={path}"),
    ] {
        let url = format!("{base}?sslmode={mode}");
        let server = Server::start(&[("DATABASE_URL", &url)]);
        ready(&server).await;
        assert_eq!(get(&server, "acme", "/api/v1/plugins").status, 200);
        let encrypted = "SELECT count(*) > 0 AND bool_and(ssl) FROM pg_stat_ssl
            JOIN pg_stat_activity USING (pid) WHERE backend_type = 'client backend'
            AND pid <> pg_backend_pid()";
        let encrypted = postgres.primary().sql(encrypted).await.unwrap();
        assert_eq!(encrypted.as_deref(), Some("t"), "{mode}");
    }
    // Whose authority is not among those that are trusted is none of ours.
    let other = Postgres::builder().tls(true).start().await.unwrap();
    let url = other.primary().url();
    let (base, _) = url.split_once('?').unwrap_or((&url, ""));
    let url = format!("{base}?sslmode=verify-full&sslrootcert={path}");
    let mut server = Server::start_logged(&[("DATABASE_URL", &url)]);
    let line = server.log_line_with("a server of the database is away");
    assert!(line.contains("certificate"), "{line}");

    std::fs::write(&ca, "").unwrap();
    let url = format!("{base}?sslmode=verify-full&sslrootcert={path}");
    let told = output(&[("DATABASE_URL", &url)]);
    assert!(
        String::from_utf8(told.stderr)
            .unwrap()
            .contains("there are none")
    );
    std::fs::remove_file(&ca).unwrap();
}
