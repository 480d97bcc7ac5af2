use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use towerblock_core::Reason;

use crate::Error;
use crate::ask::Ask;
use crate::binding::Mode;
use crate::fault::Fault;
use crate::loan::Loan;
use crate::node::Node;
use crate::retry::{ATTEMPTS, Again, again, again_after, pause};
use crate::statement::Failure;

/// The server ends a statement before the client gives it up: then its connection is clean.
const MARGIN: Duration = Duration::from_millis(50);

/// The attempts at one thing, and the time that is left for them.
#[derive(Debug)]
pub(crate) struct Tries<'a> {
    pub(crate) ask: Ask<'a>,
    pub(crate) label: &'static str,
    pub(crate) deadline: Instant,
    begun: u32,
    /// Not the servers that were asked so far.
    elsewhere: bool,
}

/// Why one attempt came to nothing.
#[derive(Debug)]
pub(crate) enum Problem {
    /// It is of no use to try again.
    Refused(Error),
    /// This server cannot be reached.
    Away(Error),
    Failed(Failure),
}

impl<'a> Tries<'a> {
    pub(crate) fn new(ask: Ask<'a>, label: &'static str) -> Self {
        let limit = ask.nodes.settings.limits.call;
        Self {
            ask,
            label,
            deadline: ask.deadline.unwrap_or_else(|| Instant::now() + limit),
            begun: 1,
            elsewhere: false,
        }
    }

    /// A server that will do, as far as that is known.
    pub(crate) fn node(&self) -> &'a Node {
        let mode = match self.elsewhere {
            true => Mode::Write,
            false => self.ask.mode,
        };
        self.ask.nodes.for_mode(mode)
    }

    pub(crate) async fn lend(&self, node: &Node) -> Result<Loan, Problem> {
        let lent = node.lend(self.ask.binding.tenant());
        // Cancel safety: a place in a queue is all that is held here.
        let lent = timeout_at(self.deadline, node.unless_away(lent)).await;
        match lent {
            Ok(Some(Ok(loan))) => Ok(loan),
            Ok(Some(Err(error))) => {
                let refused = Error::no_connection(self.label, &error);
                match error.rejected().reason() {
                    Reason::Unavailable => Err(Problem::Away(refused)),
                    _ => Err(Problem::Refused(refused)),
                }
            }
            Ok(None) => Err(self.away(node)),
            Err(_) => Err(self.too_late()),
        }
    }

    pub(crate) fn away(&self, node: &Node) -> Problem {
        Problem::Away(Error::away(self.label, &node.server.name))
    }

    pub(crate) fn too_late(&self) -> Problem {
        Problem::Refused(Error::too_late(self.label))
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
        let (again, last) = match problem {
            Problem::Refused(error) => return Err(error),
            // Whoever writes can go nowhere else.
            Problem::Away(error) if self.ask.mode == Mode::Write => return Err(error),
            Problem::Away(error) => (Again::Elsewhere, error),
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
        };
        self.elsewhere |= again == Again::Elsewhere;
        if self.begun >= ATTEMPTS || Instant::now() + pause >= self.deadline {
            return false;
        }
        self.begun += 1;
        // Cancel safety: nothing is held here.
        sleep(pause).await;
        true
    }
}
