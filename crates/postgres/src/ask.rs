use tokio::time::{Instant, timeout_at};
use tokio_postgres::IsolationLevel;

use crate::binding::Mode;
use crate::cluster::Nodes;
use crate::fault::Fault;
use crate::loan::Loan;
use crate::node::Node;
use crate::pooled::POOLED;
use crate::statement::{Answer, Call, Failure, Parameters, Wants};
use crate::timing::Timing;
use crate::tries::{Problem, Tries};
use crate::{Binding, Dedicated, Error, Scope, Transaction};

/// Who asks, for what, and until when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) nodes: &'a Nodes,
    pub(crate) binding: &'a Binding,
    pub(crate) mode: Mode,
    pub(crate) scope: Option<&'a Scope>,
    pub(crate) deadline: Option<Instant>,
    /// It may be done twice.
    pub(crate) may_repeat: bool,
}

/// What the work of a transaction came to.
enum Outcome<T, E> {
    Done(Result<T, E>),
    /// It is rolled back, for a reason that may pass.
    Undone(E, Fault),
}

impl<'a> Ask<'a> {
    pub(crate) const fn new(nodes: &'a Nodes, binding: &'a Binding, mode: Mode) -> Self {
        Self {
            nodes,
            binding,
            mode,
            scope: None,
            deadline: None,
            may_repeat: matches!(mode, Mode::Read),
        }
    }

    pub(crate) async fn dedicated(self, label: &'static str) -> Result<Dedicated, Error> {
        let mut tries = Tries::new(self, label);
        loop {
            let problem = match tries.lend().await {
                Ok((_, loan)) if loan.is_pooled() => {
                    return Err(Error::forbidden(label, POOLED));
                }
                Ok((_, mut loan)) => {
                    // Whatever becomes of it, nobody else has it afterwards.
                    loan.state.retire();
                    // Meant for whoever listened before.
                    while loan.notifications.try_recv().is_ok() {}
                    let bind = self.binding.for_session();
                    let bound = loan.client.batch_execute(&bind);
                    match timeout_at(tries.deadline, bound).await {
                        Ok(Ok(())) => return Ok(Dedicated::new(loan)),
                        Ok(Err(error)) => Problem::Failed(Failure::Before(error)),
                        Err(_) => tries.too_late(),
                    }
                }
                Err(problem) => problem,
            };
            tries.after(problem).await?;
        }
    }

    pub(crate) async fn statement(
        self,
        label: &'static str,
        sql: &str,
        parameters: Parameters<'_>,
        wants: Wants,
    ) -> Result<Answer, Error> {
        let mut tries = Tries::new(self, label);
        loop {
            let mut timing = Timing::begin(&tries);
            let outcome = self.once(&tries, &mut timing, sql, parameters, wants);
            let outcome = outcome.await;
            let rows = outcome.as_ref().map_or(0, |answer| answer.count);
            timing.ended(outcome.is_ok(), rows);
            drop(timing);
            match outcome {
                Ok(answer) => return Ok(answer),
                Err(problem) => tries.after(problem).await?,
            }
        }
    }

    async fn once(
        self,
        tries: &Tries<'_>,
        timing: &mut Timing<'_>,
        sql: &str,
        parameters: Parameters<'_>,
        wants: Wants,
    ) -> Result<Answer, Problem> {
        let (node, mut loan) = tries.lend().await?;
        timing.lent();
        let call = Call {
            binding: self.binding,
            mode: self.mode,
            left: tries.left()?,
            sql,
            parameters,
            wants,
        };
        let in_flight = node.standing.begin();
        let run = timeout_at(tries.deadline, loan.run(call));
        let outcome = if self.may_repeat {
            node.unless_away(run).await
        } else {
            // What is under way may have been done: nobody else can tell.
            Some(run.await)
        };
        drop(in_flight);
        match outcome {
            Some(Ok(outcome)) => {
                let fault = outcome
                    .as_ref()
                    .err()
                    .map(|failure| failure.fault(self.mode));
                node.tell(fault, timing.held());
                let answer = outcome.map_err(Problem::Failed)?;
                self.wrote(node, answer.lsn.as_deref());
                Ok(answer)
            }
            Some(Err(_)) => Err(tries.unanswered(&loan)),
            None => Err(tries.away(node)),
        }
    }

    /// `work` is done again where what went wrong may go right another time.
    pub(crate) async fn transaction<T, E: From<Error>>(
        self,
        label: &'static str,
        work: impl AsyncFnOnce(&Transaction<'_>) -> Result<T, E> + Clone,
    ) -> Result<T, E> {
        let mut tries = Tries::new(self, label);
        loop {
            let mut timing = Timing::begin(&tries);
            let outcome = self.attempt(&tries, &mut timing, work.clone()).await;
            timing.ended(matches!(outcome, Ok(Outcome::Done(Ok(_)))), 0);
            drop(timing);
            match outcome {
                Ok(Outcome::Done(outcome)) => return outcome,
                Ok(Outcome::Undone(error, fault)) => {
                    if !tries.after_fault(fault).await {
                        return Err(error);
                    }
                }
                Err(problem) => tries.after(problem).await?,
            }
        }
    }

    async fn attempt<T, E: From<Error>>(
        self,
        tries: &Tries<'_>,
        timing: &mut Timing<'_>,
        work: impl AsyncFnOnce(&Transaction<'_>) -> Result<T, E> + Clone,
    ) -> Result<Outcome<T, E>, Problem> {
        let (node, mut loan) = tries.lend().await?;
        timing.lent();
        let _in_flight = node.standing.begin();
        let again = work.clone();
        let attempt = async {
            let first = self.in_transaction(tries, timing, node, &mut loan, work);
            match first.await {
                // On this connection they are prepared anew; others may have to fail first.
                Ok(Outcome::Undone(_, Fault::Stale)) if !loan.state.is_retired() => {
                    let again = self.in_transaction(tries, timing, node, &mut loan, again);
                    again.await
                }
                outcome => outcome,
            }
        };
        let attempt = timeout_at(tries.deadline, attempt);
        let outcome = match self.mode {
            Mode::Read => node.unless_away(attempt).await,
            Mode::Write => Some(attempt.await),
        };
        match outcome {
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) => Err(tries.unanswered(&loan)),
            None => Err(tries.away(node)),
        }
    }

    async fn in_transaction<T, E: From<Error>>(
        self,
        tries: &Tries<'_>,
        timing: &mut Timing<'_>,
        node: &Node,
        loan: &mut Loan,
        work: impl AsyncFnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<Outcome<T, E>, Problem> {
        let before = |error| Problem::Failed(Failure::Before(error));
        let limit = self.nodes.settings.limits.idle_in_transaction;
        let timeout = loan.serves(self.binding, tries.left()?);
        let bind = self.binding.bind_transaction(timeout, limit);
        let is_pooled = loan.is_pooled();
        let session = &mut **loan;
        let state = &session.state;
        // Cancel safety: in a transaction as it is from here on, the connection is cleaned
        // before the next one has it.
        state.set_in_transaction(true);
        state.set_ending(false);
        let flight = state.flight();
        let is_read = self.mode == Mode::Read;
        let begun = session.client.build_transaction().read_only(is_read);
        let begun = match self.mode {
            // All statements see the same state.
            Mode::Read => begun.isolation_level(IsolationLevel::RepeatableRead),
            Mode::Write => begun,
        };
        // Up to its commit nothing of it is done, whatever is under way.
        let away = || tries.away(node);
        let raw = node.unless_away(begun.start()).await.ok_or_else(away)?;
        let raw = raw.map_err(before)?;
        let transaction = Transaction::new(raw, tries, &session.statements, state, is_pooled);
        let client = transaction.client();
        let bound = node.unless_away(client.batch_execute(&bind)).await;
        bound.ok_or_else(away)?.map_err(before)?;
        flight.landed();

        let outcome = node.unless_away(work(&transaction)).await;
        let outcome = outcome.ok_or_else(away)?;
        let fault = transaction.fault();
        timing.executed(transaction.executed());
        node.tell(fault, transaction.executed());
        let flight = state.flight();
        if outcome.is_ok() && fault.is_none() {
            state.set_ending(true);
            let lsn = transaction.commit().await.map_err(Problem::Failed)?;
            self.wrote(node, lsn.as_deref());
        } else if let Err(error) = transaction.rollback().await {
            // In flight as it is, the connection is closed, and all of it undone.
            return match (outcome, fault) {
                (Err(own), None) => Ok(Outcome::Done(Err(own))),
                _ => Err(before(error)),
            };
        }
        flight.landed();
        state.set_in_transaction(false);
        if is_pooled {
            state.set_reset();
        }
        Ok(match (outcome, fault) {
            (Ok(_), Some(_)) => Outcome::Done(Err(Error::ignored(tries.label).into())),
            (Err(error), Some(fault)) => Outcome::Undone(error, fault),
            (outcome, None) => Outcome::Done(outcome),
        })
    }

    /// Whoever reads in the same scope, or with its token, sees what was written.
    fn wrote(self, node: &Node, lsn: Option<&str>) {
        let lsn = lsn.and_then(|lsn| lsn.parse().ok());
        if let (Some(scope), Some(lsn)) = (self.scope, lsn) {
            scope.wrote(self.nodes.token(node, lsn));
        }
    }
}
