use std::time::Duration;

use tokio::time::sleep;

use super::script;
use super::shared::Shared;

/// How often an instance says that it is there.
const BEAT: Duration = Duration::from_secs(5);
/// After so long what failed is tried again.
const AGAIN: Duration = Duration::from_millis(250);
/// So many debts are charged in one call.
const TOGETHER: usize = 64;

/// Asks Redis while it may be asked, and settles first what is owed.
pub(crate) async fn keep(shared: &Shared) {
    let mut status = shared.redis.watch();
    loop {
        if status.wait_for(|status| status.writes).await.is_err() {
            return;
        }
        let calm = beat(shared).await && settle(shared).await;
        // Cancel safety: nothing is held in any of them.
        tokio::select! {
            () = shared.debts.news.notified() => {}
            away = status.wait_for(|status| !status.writes) => {
                if away.is_err() {
                    return;
                }
                tracing::warn!("redis is away, limits go on as shares");
                shared.debts.close();
            }
            () = sleep(if calm { BEAT } else { AGAIN }) => {}
        }
    }
}

async fn beat(shared: &Shared) -> bool {
    let Ok(count) = script::beat(&shared.redis, &shared.instances, &shared.own, BEAT).await else {
        return false;
    };
    shared.set_instances(count);
    true
}

/// Whether all is settled.
async fn settle(shared: &Shared) -> bool {
    loop {
        if shared.debts.open() {
            return true;
        }
        let debts = shared.debts.take(TOGETHER);
        let wants: Vec<_> = debts.iter().map(|(_, debt)| debt.want.clone()).collect();
        // Cancel safety: only the end of the limiter cancels it, and then nobody remembers.
        if script::charge(&shared.redis, &wants).await.is_err() {
            shared.debts.put_back(debts);
            return false;
        }
        shared.counters.settled(wants.len());
    }
}
