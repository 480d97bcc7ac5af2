//! Asking once for all that the caches keep, so that what is measured are hits.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::client::Connection;
use crate::marketplace::Outcome;
use crate::question::{Kind, Pages, Question, TENANTS};

/// Few, so that each answer takes little and nobody is refused.
const CONNECTIONS: usize = 32;
/// Those kept for the shortest time last.
const PASSES: [&[Kind]; 2] = [
    &[
        Kind::FirstPage,
        Kind::DeeperPage,
        Kind::Item,
        Kind::Profile,
        Kind::Marketplace,
    ],
    &[Kind::MyPlugins],
];
/// Of one answer.
const TRIES: u32 = 20;

/// Notes where first pages lead.
pub(crate) async fn warm(server: SocketAddr, pages: &Arc<Pages>) -> Outcome<()> {
    for kinds in PASSES {
        let mut running = JoinSet::new();
        for first in 1..=CONNECTIONS {
            let connection = Connection::to(server);
            running.spawn(ask(connection, first, kinds, Arc::clone(pages)));
        }
        while let Some(ended) = running.join_next().await {
            ended??;
        }
    }
    Ok(())
}

async fn ask(
    mut connection: Connection,
    first: usize,
    kinds: &[Kind],
    pages: Arc<Pages>,
) -> Outcome<()> {
    let mut request = Vec::new();
    for tenant in (first..=TENANTS).step_by(CONNECTIONS) {
        let questions = kinds.iter().flat_map(|kind| Question::all(tenant, *kind));
        for question in questions {
            let kind = question.write(&pages, &mut request);
            let mut tries = 0;
            loop {
                let answer = connection.ask(&request).await?;
                if answer.status == 200 {
                    if kind == Kind::FirstPage {
                        pages.note(tenant, answer.next);
                    }
                    break;
                }
                tries += 1;
                if tries == TRIES {
                    return Err(format!("answered {}: {question:?}", answer.status).into());
                }
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
    Ok(())
}
