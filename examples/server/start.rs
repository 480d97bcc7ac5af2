//! From the configuration to a server that answers, and back down in order.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use towerblock_core::BoxError;
use towerblock_lifecycle::{Deadlines, Ending, Lifecycle};
use towerblock_tenant::{MemoryStore as MemoryTenants, Registry, Tenant};

use crate::caches::Caches;
use crate::circuits::Circuits;
use crate::config::{Config, Database};
use crate::memory::MemoryStore;
use crate::observed::Observed;
use crate::postgres::{Embedded, PostgresStore};
use crate::state::{Shared, State};
use crate::{closing, demo, limits, stack};

/// Serves until SIGTERM or Ctrl-C; how it ended. A second signal cuts off what is in flight.
///
/// # Errors
///
/// Those of the start: the address is taken, or an embedded server does not come up.
/// Afterwards there are none.
pub async fn run(mut config: Config) -> Result<Ending, BoxError> {
    // From the first moment on, so that whatever is started is stopped in order.
    let lifecycle = Lifecycle::new(config.deadlines());
    lifecycle.stop_on_signals()?;
    let address = SocketAddr::new(config.host, config.port);
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| format!("cannot listen on {address} (HOST, PORT): {error}"))?;

    // Dropped last: the embedded servers must outlive everything that talks to them.
    let (_embedded, place) = choose_database(&mut config).await?;
    let state = open(&config, &lifecycle)?;
    let observed = Observed::new(lifecycle.clone(), &state)?;
    let _upkeep = observed.page.upkeep();
    let app = stack::app(Arc::clone(&state), &observed, config.cors_origins.clone())?;

    let has_secrets = !config.secret_keys.is_empty();
    let places = [place, caches(&config)];
    announce(&state, listener.local_addr()?, &places, has_secrets)?;
    lifecycle.ready();
    Ok(lifecycle.run(lifecycle.serve(listener, app)).await)
}

/// Opens the data and all that stands on it; `lifecycle` closes it.
fn open(config: &Config, lifecycle: &Lifecycle) -> Result<Shared, BoxError> {
    // What works in the background is in here, and stops when it is dropped.
    let mut tasks = JoinSet::new();
    let state = match &config.database_url {
        Some(Database::Postgres(primary)) => {
            let circuits = Circuits::new();
            let caches = Arc::new(Caches::new(config)?);
            let store = PostgresStore::new(config, primary, circuits.clone(), Arc::clone(&caches))?;
            let registry = Registry::new(store.tenants());
            tasks.spawn(Arc::clone(&store).supervise());
            let relay = store.relay()?;
            let mut state = State::new(config, store, registry, circuits, caches)?;
            state.relay = Some(Arc::new(relay));
            Arc::new(state)
        }
        _ => memory(config, usize::MAX)?,
    };
    tasks.spawn(limits::settle(Arc::clone(&state)));
    closing::in_order(lifecycle, &state, tasks);
    Ok(state)
}

/// The whole server over demo data in memory, without a network, for so many tenants.
///
/// # Errors
///
/// When the system has no random bytes for a secret.
pub fn in_memory(config: &Config, tenants: usize) -> Result<Router, BoxError> {
    let state = memory(config, tenants)?;
    let observed = Observed::new(Lifecycle::new(Deadlines::default()), &state)?;
    stack::app(state, &observed, config.cors_origins.clone())
}

/// The server's stack around other routes.
///
/// # Errors
///
/// As [`in_memory`].
pub fn around(routes: Router, config: &Config, tenants: usize) -> Result<Router, BoxError> {
    let state = memory(config, tenants)?;
    let observed = Observed::new(Lifecycle::new(Deadlines::default()), &state)?;
    let origins = config.cors_origins.clone();
    let routes = stack::around(routes.with_state(()), &state, &observed, origins)?;
    Ok(routes.with_state(state))
}

fn memory(config: &Config, tenants: usize) -> Result<Shared, BoxError> {
    let tenants: Vec<Tenant> = demo::tenants().take(tenants).collect();
    let store = Arc::new(MemoryStore::new(&tenants)?);
    let registry = Registry::new(MemoryTenants::from_iter(tenants));
    Ok(Arc::new(State::new(
        config,
        store,
        registry,
        Circuits::new(),
        Arc::new(Caches::new(config)?),
    )?))
}

/// Fills in the database that the environment leaves open; says which it is, and what to
/// set to change it.
async fn choose_database(config: &mut Config) -> Result<(Option<Embedded>, String), BoxError> {
    let other = "set DATABASE_URL for another";
    match &config.database_url {
        Some(Database::Postgres(primary)) => {
            let replicas = config.database_read_replicas.len();
            let address = crate::postgres::address(primary.expose());
            let place = format!("PostgreSQL at {address}, {replicas} read replicas (DATABASE_URL)");
            Ok((None, place))
        }
        Some(Database::Memory) => Ok((None, format!("memory, lost at the end; {other}"))),
        None if Embedded::is_available() => {
            let embedded = Embedded::start(config).await?;
            let place = "embedded PostgreSQL, a primary and a standby, gone at the end";
            Ok((Some(embedded), format!("{place}; {other}")))
        }
        None => {
            let why = "no PostgreSQL binaries found";
            Ok((None, format!("memory, lost at the end, for {why}; {other}")))
        }
    }
}

/// Where they are; what to set to change it.
fn caches(config: &Config) -> String {
    let Some(url) = &config.redis_url else {
        return "memory of this instance; set REDIS_URL to share them".to_owned();
    };
    let rest = url.expose().split_once("://").map_or("", |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // Without user and password, in which there may be an @.
    let host = host.rsplit('@').next().unwrap_or_default();
    if config.is_alone {
        let others = "set DATABASE_URL and SECRET_KEYS to share them";
        return format!("memory, and Redis at {host} for this instance alone; {others}");
    }
    format!("memory, shared through Redis at {host} (REDIS_URL)")
}

fn announce(
    state: &Shared,
    address: SocketAddr,
    [database, caches]: &[String; 2],
    has_secrets: bool,
) -> std::io::Result<()> {
    let port = address.port();
    let mut out = std::io::stdout().lock();
    writeln!(out, "instance {}, database: {database}", state.instance)?;
    writeln!(out, "caches and limits: {caches}")?;
    writeln!(out, "listening on http://{address}")?;
    writeln!(out, "try: curl http://acme.localhost:{port}/api/v1/plugins")?;
    if !has_secrets {
        writeln!(
            out,
            "cursors end with this process, and no token is valid; set SECRET_KEYS to change it"
        )?;
    }
    if state.admin_token.is_none() {
        writeln!(
            out,
            "admin routes: for loopback peers only; set ADMIN_TOKEN to change it"
        )?;
    }
    out.flush()
}
