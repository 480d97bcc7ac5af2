use towerblock_postgres::{Examination, Finding, Severity, examine};

use crate::{connect_as, findings, server};

const SET_UP: &str = "
    create role app login;
    create role keeper;
    create role tenant;
    grant tenant to app;
    create schema shared;
    grant usage on schema shared to tenant;
    create table shared.plugins (tenant bigint, name text);
    alter table shared.plugins owner to keeper;
    alter table shared.plugins enable row level security;
    alter table shared.plugins force row level security;
    create policy own on shared.plugins using
        (tenant = (select nullif(current_setting('app.tenant_id', true), '')::bigint));";

fn shared() -> Examination {
    Examination::default().schema("shared").role("tenant")
}

#[tokio::test]
async fn a_server_in_order_has_no_findings() {
    let (server, admin) = server().await;
    admin.batch_execute(SET_UP).await.unwrap();
    let app = connect_as(&server, "app").await;
    assert_eq!(findings(&app, &shared()).await, [""; 0]);
    let plugins = Examination::default().table("shared", "plugins");
    assert_eq!(findings(&app, &plugins).await, [""; 0]);
    assert_eq!(findings(&app, &Examination::default()).await, [""; 0]);
}

#[tokio::test]
async fn a_table_without_row_level_security_is_seen() {
    let (server, admin) = server().await;
    admin.batch_execute(SET_UP).await.unwrap();
    let app = connect_as(&server, "app").await;
    let more = "create table shared.wide (id int); create table public.open (id int);
        alter table shared.plugins no force row level security";
    admin.batch_execute(more).await.unwrap();
    let seen = [
        "row-level security is not enabled on shared.wide: every tenant sees all its rows",
        "row-level security is not forced on shared.plugins: its owner keeper sees all its rows",
    ];
    assert_eq!(findings(&app, &shared()).await, seen, "the worse one first");
    let plugins = Examination::default().table("shared", "plugins");
    assert_eq!(findings(&app, &plugins).await, seen[1..]);
}

#[tokio::test]
async fn a_table_that_is_not_there_is_not_taken_for_safe() {
    let (server, admin) = server().await;
    admin.batch_execute(SET_UP).await.unwrap();
    let app = connect_as(&server, "app").await;
    let what = shared().table("shared", "plugin").schema("o'there");
    assert_eq!(
        findings(&app, &what.role("nobody")).await,
        [
            "there is no role nobody",
            "there is no table shared.plugin",
            "there is no table o'there.*",
        ]
    );
}

#[tokio::test]
async fn a_role_that_no_policy_binds_is_seen() {
    let (server, admin) = server().await;
    admin.batch_execute(SET_UP).await.unwrap();
    let seen = findings(&admin, &shared()).await;
    assert_eq!(
        seen,
        ["the role towerblock is a superuser: no policy binds it"]
    );
    let app = connect_as(&server, "app").await;
    for (change, seen) in [
        (
            "alter role tenant bypassrls",
            "the role tenant has BYPASSRLS: no policy binds it",
        ),
        (
            "alter role tenant superuser nobypassrls",
            "the role tenant is a superuser: no policy binds it",
        ),
        (
            "alter role tenant nosuperuser; alter role app bypassrls",
            "the role app has BYPASSRLS: no policy binds it",
        ),
    ] {
        admin.batch_execute(change).await.unwrap();
        assert_eq!(findings(&app, &shared()).await, [seen]);
    }
}

#[tokio::test]
async fn an_owner_is_seen_also_through_a_role_it_belongs_to() {
    let (server, admin) = server().await;
    admin.batch_execute(SET_UP).await.unwrap();
    let app = connect_as(&server, "app").await;
    admin.batch_execute("grant keeper to app").await.unwrap();
    let what = shared();
    let owner = |forced| Finding::OwnsTable {
        role: "app".into(),
        table: "shared.plugins".into(),
        forced,
    };
    let found = examine(&app, &what).await.unwrap();
    assert_eq!(found, [owner(true)]);
    assert_eq!(found[0].severity(), Severity::Warning);

    let no_force = "alter table shared.plugins no force row level security";
    admin.batch_execute(no_force).await.unwrap();
    let found = examine(&app, &what).await.unwrap();
    assert_eq!(found[0], owner(false));
    assert_eq!(found[0].severity(), Severity::Danger);
    assert_eq!(found.len(), 2, "nor is it forced");
}

#[tokio::test]
async fn a_policy_that_asks_for_each_row_is_seen() {
    let (server, admin) = server().await;
    admin.batch_execute(SET_UP).await.unwrap();
    let app = connect_as(&server, "app").await;
    let policy = "create policy slow on shared.plugins using
        (tenant = nullif(current_setting('app.tenant_id', true), '')::bigint)";
    admin.batch_execute(policy).await.unwrap();
    let seen = "the policy slow on shared.plugins calls current_setting for each row: write \
                (select current_setting(…)), which is called once";
    assert_eq!(findings(&app, &shared()).await, [seen]);
}
