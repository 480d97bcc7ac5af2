use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use towerblock_core::Reason;

use crate::ask::Ask;
use crate::binding::Mode;
use crate::fault::Fault;
use crate::loan::Loan;
use crate::node::Node;
use crate::retry::{ATTEMPTS, Again, LOOK, again, again_after, pause};
use crate::route::Route;
use crate::statement::Failure;
use crate::{Error, Scope};

/// The server ends a statement before the client gives it up: then its connection is clean.
const MARGIN: Duration = Duration::from_millis(50);

/// So much longer than there is to wait may a replica take to say how far it is.
const ANSWER: Duration = Duration::from_millis(100);

/// The attempts at one thing, and the time that is left for them.
#[derive(Debug)]
pub(crate) struct Tries<'a> {
    pub(crate) ask: Ask<'a>,
    pub(crate) label: &'static str,
    pub(crate) deadline: Instant,
    begun: u32,
    /// The servers that are not asked again, and the last that was asked.
    left_out: Vec<usize>,
    last: AtomicUsize,
    /// One of them may have done it.
    may_be_done: bool,
}

/// Why one attempt came to nothing.
#[derive(Debug)]
pub(crate) enum Problem {
    /// It is of no use to try again.
    Refused(Error),
    /// This server cannot be reached.
    Away(Error),
    /// It has not replayed yet what the reader wrote.
    Behind,
    Failed(Failure),
}

impl<'a> Tries<'a> {
    pub(crate) fn new(ask: Ask<'a>, label: &'static str) -> Self {
        let limit = far(Instant::now(), ask.nodes.settings.limits.call);
        let deadlines = [ask.deadline, ask.scope.map(Scope::deadline)];
        let deadline = deadlines.into_iter().flatten().min().unwrap_or(limit);
        Self {
            ask,
            label,
            deadline,
            begun: 1,
            left_out: Vec::new(),
            last: AtomicUsize::new(0),
            may_be_done: false,
        }
    }

    /// A connection to a server that will do, and what that reader wrote is there.
    pub(crate) async fn lend(&self) -> Result<(&'a Node, Loan), Problem> {
        let Ask { nodes, scope, .. } = self.ask;
        let token = scope.and_then(Scope::token);
        let route = nodes.route(self.ask.mode, token, &self.left_out);
        let Route { node, must_have } = route.map_err(|rejected| {
            let why = "no replica will do, and the primary takes no more reads".to_owned();
            Problem::Refused(Error::refused(self.label, why, rejected))
        })?;
        self.last.store(node.number, Ordering::Relaxed);
        if node.is_away(Instant::now()) {
            return Err(self.away(node));
        }
        let Some(position) = must_have else {
            return Ok((node, self.lend_of(node).await?));
        };
        let until = far(Instant::now(), nodes.settings.replicas.wait).min(self.deadline);
        let has = async {
            let loan = self.lend_of(node).await?;
            // Cancel safety: in flight, it is cleaned.
            let has = node.unless_away(loan.has_replayed(position.lsn, until));
            if has.await == Some(true) {
                Ok((node, loan))
            } else {
                Err(Problem::Behind)
            }
        };
        let limit = (until + ANSWER).min(self.deadline);
        timeout_at(limit, has).await.unwrap_or(Err(Problem::Behind))
    }

    async fn lend_of(&self, node: &Node) -> Result<Loan, Problem> {
        let lent = node.lend(self.ask.binding.tenant());
        // Cancel safety: a place in a queue is all that is held here.
        let lent = timeout_at(self.deadline, node.unless_away(lent)).await;
        match lent {
            Ok(Some(Ok(loan))) => Ok(loan),
            Ok(Some(Err(error))) => {
                let refused = Error::no_connection(self.label, &error);
                match error.rejected().reason() {
                    Reason::Unavailable => {
                        node.tell(Some(Fault::Away), Duration::ZERO);
                        Err(Problem::Away(refused))
                    }
                    _ => Err(Problem::Refused(refused)),
                }
            }
            Ok(None) => Err(self.away(node)),
            Err(_) => Err(self.too_late()),
        }
    }

    pub(crate) fn away(&self, node: &Node) -> Problem {
        Problem::Away(Error::away(self.label, &node.server))
    }

    pub(crate) fn too_late(&self) -> Problem {
        Problem::Refused(Error::too_late(self.label))
    }

    /// The same for what was under way on this connection.
    pub(crate) fn unanswered(&self, loan: &Loan) -> Problem {
        if self.ask.mode == Mode::Write && loan.state.is_ending() {
            Problem::Refused(Error::unanswered(self.label))
        } else {
            self.too_late()
        }
    }

    /// How long the server may take for one statement.
    pub(crate) fn left(&self) -> Result<Duration, Problem> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(self.too_late());
        }
        Ok(left.saturating_sub(MARGIN.min(left / 10)))
    }

    /// Returns when it is time for another attempt.
    pub(crate) async fn after(&mut self, problem: Problem) -> Result<(), Error> {
        self.may_be_done |= matches!(problem, Problem::Failed(Failure::AtCommit(_)));
        let may_be_done = self.may_be_done;
        let outcome = self.after_problem(problem).await;
        outcome.map_err(|mut error| {
            if may_be_done {
                error = error.or_done_before();
            }
            if self.ask.may_repeat {
                error = error.or_repeat();
            }
            error
        })
    }

    async fn after_problem(&mut self, problem: Problem) -> Result<(), Error> {
        let (again, last) = match problem {
            Problem::Refused(error) => return Err(error),
            // Whoever writes can go nowhere else.
            Problem::Away(error) if self.ask.mode == Mode::Write => return Err(error),
            Problem::Away(error) => (Again::Elsewhere, error),
            Problem::Behind => (Again::Elsewhere, Error::too_late(self.label)),
            Problem::Failed(failure) if failure.is_stale() => (
                Again::Later,
                Error::last(self.label, self.ask.mode, failure),
            ),
            Problem::Failed(failure) => (
                again(&failure, self.ask.mode, self.ask.may_repeat),
                Error::last(self.label, self.ask.mode, failure),
            ),
        };
        if self.again(again).await {
            Ok(())
        } else {
            Err(last)
        }
    }

    /// Whether it is of use to do again what this made impossible; returns when it is time.
    pub(crate) async fn after_fault(&mut self, fault: Fault) -> bool {
        self.again(again_after(fault)).await
    }

    async fn again(&mut self, again: Again) -> bool {
        let pause = match again {
            Again::No => return false,
            Again::Later => pause(self.begun, RandomState::new().hash_one(())),
            Again::Elsewhere => Duration::ZERO,
            Again::AfterALook => LOOK,
        };
        if again == Again::Elsewhere {
            self.left_out.push(self.last.load(Ordering::Relaxed));
        }
        if self.begun >= ATTEMPTS || Instant::now() + pause >= self.deadline {
            return false;
        }
        self.begun += 1;
        // Cancel safety: nothing is held here.
        sleep(pause).await;
        true
    }
}

/// A time that there is not is as good as one that is far away.
fn far(now: Instant, duration: Duration) -> Instant {
    let then = now.checked_add(duration);
    then.unwrap_or_else(|| now + Duration::from_secs(24 * 60 * 60))
}
