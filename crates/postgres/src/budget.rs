use std::num::NonZeroUsize;

/// How many connections one instance may open to one server.
///
/// ```
/// use std::num::NonZeroUsize;
///
/// use towerblock_postgres::{Budget, Fleet};
///
/// let nine = NonZeroUsize::new(9).unwrap();
/// let fleet = Fleet { max_connections: 200, instances: nine, ..Fleet::default() };
/// assert_eq!(Budget::fleet(fleet).unwrap().connections().get(), 19);
///
/// let crowd = Fleet { instances: NonZeroUsize::new(200).unwrap(), ..fleet };
/// assert!(Budget::fleet(crowd).is_err());
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Budget {
    connections: NonZeroUsize,
}

impl Budget {
    /// This many, whatever else connects to the server.
    #[must_use]
    pub const fn fixed(connections: NonZeroUsize) -> Self {
        Self { connections }
    }

    /// One instance's part of what the server has for the fleet, rounded down.
    ///
    /// # Errors
    ///
    /// When there is not one connection for each instance.
    pub const fn fleet(fleet: Fleet) -> Result<Self, BudgetError> {
        match NonZeroUsize::new(fleet.available() / fleet.at_once()) {
            Some(connections) => Ok(Self { connections }),
            None => Err(BudgetError { fleet }),
        }
    }

    /// The number.
    #[must_use]
    pub const fn connections(self) -> NonZeroUsize {
        self.connections
    }
}

/// All instances that share one server, at the moment when there are most of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fleet {
    /// What the server's `max_connections` says. Default: 100, as PostgreSQL's.
    pub max_connections: usize,
    /// Connections that the instances leave to others. Default: 10, which are the 3 that
    /// PostgreSQL keeps for superusers, and 7 for migrations, monitoring and people.
    pub reserved: usize,
    /// Instances of the service. Default: 1.
    pub instances: NonZeroUsize,
    /// Instances of the next deploy that run beside them: as many again when all are
    /// replaced together, 0 when each ends before its successor starts. Default: 1.
    pub surge: usize,
}

impl Fleet {
    /// Connections that the instances share.
    const fn available(self) -> usize {
        self.max_connections.saturating_sub(self.reserved)
    }

    /// Connections that all instances together open at most.
    pub(crate) const fn most(self) -> usize {
        self.available() / self.at_once() * self.at_once()
    }

    /// Instances that run at the same time, at least 1.
    const fn at_once(self) -> usize {
        self.instances.get().saturating_add(self.surge)
    }
}

impl Default for Fleet {
    fn default() -> Self {
        Self {
            max_connections: 100,
            reserved: 10,
            instances: NonZeroUsize::MIN,
            surge: 1,
        }
    }
}

/// A fleet has more instances than connections.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "{} instances and {} of a surge share {} connections: not one each",
    fleet.instances, fleet.surge, fleet.available()
)]
pub struct BudgetError {
    fleet: Fleet,
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::{Budget, Fleet};

    fn each(max_connections: usize, instances: usize, surge: usize) -> Result<usize, String> {
        let fleet = Fleet {
            max_connections,
            reserved: 3,
            instances: NonZeroUsize::new(instances).unwrap(),
            surge,
        };
        match Budget::fleet(fleet) {
            Ok(budget) => Ok(budget.connections().get()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn a_hundred_instances_of_two_connections_do_not_fit_two_hundred() {
        assert_eq!(each(200, 100, 0), Ok(1));
        assert_eq!(each(200, 98, 0), Ok(2));
        assert_eq!(
            each(200, 100, 100).unwrap_err(),
            "100 instances and 100 of a surge share 197 connections: not one each"
        );
    }

    #[test]
    fn twenty_on_the_primary_and_thirty_on_each_of_three_replicas_fit_six_instances() {
        assert_eq!(each(200, 9, 0), Ok(21), "nine on the primary");
        assert_eq!(each(200, 10, 0), Ok(19));
        assert_eq!(each(200, 6, 0), Ok(32), "six on a replica");
        assert_eq!(each(200, 7, 0), Ok(28));
        assert_eq!(each(200, 6, 1), Ok(28), "nor six in a rolling deploy");
    }

    #[test]
    fn an_impossible_budget_says_the_sum() {
        let error = each(100, 100, 0).unwrap_err();
        let said = "100 instances and 0 of a surge share 97 connections: not one each";
        assert_eq!(error, said);
        assert!(each(2, 1, 0).unwrap_err().contains("share 0 connections"));
        assert_eq!(each(100, 97, 0), Ok(1));
        assert_eq!(each(100, 96, 2).ok(), None);
        assert!(each(usize::MAX, usize::MAX, usize::MAX).is_err());
    }

    #[test]
    fn a_fixed_budget_is_what_it_says() {
        let five = NonZeroUsize::new(5).unwrap();
        assert_eq!(Budget::fixed(five).connections(), five);
        assert_eq!(
            Budget::fleet(Fleet::default()).unwrap().connections().get(),
            45
        );
    }
}
