use std::convert::Infallible;
use std::future::ready;
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use tokio::time::Instant;
use tower::{Layer as _, ServiceExt as _, service_fn};
use towerblock_breaker::{Circuit, Circuits, Policy as BreakerPolicy};
use towerblock_cache::{Cache, Hub, Policy, Settings};
use towerblock_core::{BoxError, TenantId};
use towerblock_fair::FairLimit;
use towerblock_floor::plugins;
use towerblock_metrics::{Exposure, TenantBoard, TenantBoardLayer};
use towerblock_quota::{Ask, Name, Plan, Rate, RateLimiter, RatePolicy};
use towerblock_tenant::{Isolation, Registry, Tenant};

use crate::scale::Scale;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// What all that is cached may take.
const MEMORY: u64 = 16 << 30;
const IN_FLIGHT: NonZeroUsize = NonZeroUsize::new(256).unwrap();
/// Nobody is refused for being too fast.
const RATE: NonZeroU64 = NonZeroU64::new(1_000_000).unwrap();

/// Lists of plugins, one of each tenant, by a number.
pub(crate) type Lists = Cache<u64, String>;

/// All that knows tenants.
pub(crate) struct Kept {
    pub(crate) registry: Arc<Registry>,
    pub(crate) limiter: RateLimiter,
    pub(crate) plan: Arc<Plan>,
    pub(crate) board: TenantBoard,
    pub(crate) circuits: Circuits<TenantId>,
    pub(crate) lists: Lists,
}

impl Kept {
    /// Makes each part and has it meet each of the tenants, one after the other; says what it
    /// keeps of one.
    pub(crate) async fn fill(tenants: u64) -> Result<Self, BoxError> {
        let room = NonZeroUsize::new(usize::try_from(tenants)? * 2).ok_or("no tenants")?;
        let rate = RatePolicy::new(Name::new("requests")?, Rate::per_second(RATE));
        let plan = Arc::new(Plan::new("all").rates([rate]));
        let mut scale = Scale::new(tenants)?;
        let registry = registry(tenants).await?;
        scale.tell("registry", 0)?;
        let ids = names(&registry, tenants).await?;
        scale.skip()?;
        let limiter = limiter(room, &plan, &ids)?;
        scale.tell("limits", 0)?;
        let board = board(room, &ids).await?;
        scale.tell("board", 0)?;
        admitted(&ids)?;
        scale.tell("shed", 0)?;
        let circuits = circuits(room, &ids)?;
        scale.tell("circuit", 0)?;
        let lists = lists(&ids).await?;
        scale.tell("cache", plugins().len())?;
        scale.sum();
        Ok(Self {
            registry: Arc::new(registry),
            limiter,
            plan,
            board,
            circuits,
            lists,
        })
    }
}

/// Of a store that makes tenants up, so that what is kept is the registry's alone.
async fn registry(tenants: u64) -> Result<Registry, BoxError> {
    async fn store(id: TenantId) -> Result<Option<Tenant>, BoxError> {
        let key = id.as_str().trim_start_matches('t').parse()?;
        let mut tenant = Tenant::new(id, key, Isolation::RowLevel);
        tenant.plan = "enterprise".into();
        Ok(Some(tenant))
    }
    let room = NonZeroU64::new(2 * tenants).ok_or("no tenants")?;
    let registry = Registry::new(store).capacity(room).ttl(DAY);
    for n in 0..tenants {
        registry.find(&id(n)?).await?;
    }
    Ok(registry)
}

/// As the registry knows them: a tenant's name is one text for all who keep it.
async fn names(registry: &Registry, tenants: u64) -> Result<Vec<TenantId>, BoxError> {
    let mut ids = Vec::new();
    for n in 0..tenants {
        let found = registry.find(&id(n)?).await?;
        ids.push(found.ok_or("a tenant is missing")?.id.clone());
    }
    Ok(ids)
}

fn limiter(
    room: NonZeroUsize,
    plan: &Arc<Plan>,
    ids: &[TenantId],
) -> Result<RateLimiter, BoxError> {
    let limiter = RateLimiter::new(room);
    for id in ids {
        let decision = limiter.decide(Ask::new(Arc::clone(plan), id), Instant::now());
        if !decision.is_admitted() {
            return Err("a rate of a million is used up".into());
        }
    }
    Ok(limiter)
}

async fn board(room: NonZeroUsize, ids: &[TenantId]) -> Result<TenantBoard, BoxError> {
    let board = TenantBoard::new(Exposure::default().track(room));
    let answer = |_: Request<()>| ready(Ok::<_, Infallible>(Response::new(())));
    let svc = TenantBoardLayer::new(board.clone()).layer(service_fn(answer));
    for id in ids {
        let mut req = Request::new(());
        req.extensions_mut().insert(id.clone());
        svc.clone().oneshot(req).await?;
    }
    Ok(board)
}

fn admitted(ids: &[TenantId]) -> Result<(), BoxError> {
    let limit = FairLimit::new(IN_FLIGHT);
    for id in ids {
        drop(limit.admit(id)?);
    }
    Ok(())
}

/// Each has failed once, for of healthy ones nothing is kept.
fn circuits(room: NonZeroUsize, ids: &[TenantId]) -> Result<Circuits<TenantId>, BoxError> {
    // One key or another failing must not be taken for what they share.
    let shared = Circuit::new("database", BreakerPolicy::in_a_row(u32::MAX));
    let circuits = Circuits::new(shared, BreakerPolicy::in_a_row(5)).capacity(room.get());
    for id in ids {
        circuits.try_acquire(id)?.failure();
    }
    Ok(circuits)
}

/// A page of each.
async fn lists(ids: &[TenantId]) -> Result<Lists, BoxError> {
    let hub = Hub::start(Settings::memory(MEMORY))?;
    let lists: Lists = hub.cache("lists", Policy::ttl(DAY))?.weigh(String::len);
    let page = plugins();
    for id in ids {
        lists.put(id, &0, page.clone()).await;
    }
    Ok(lists)
}

fn id(n: u64) -> Result<TenantId, BoxError> {
    Ok(TenantId::new(format!("t{n:07}"))?)
}
