use std::collections::{HashMap, HashSet};

use crate::forget::{Forget, Scope};

/// So many for one tenant or shared cache, before all of it is to be forgotten instead.
const PER_SCOPE: usize = 1_000;
/// So many in all, before everything is.
const IN_ALL: usize = 10_000;

/// What Redis could not be told, without repetition: it is bounded, for where there is too much
/// to remember, more is forgotten.
#[derive(Debug, Default)]
pub(crate) struct Owed {
    all: bool,
    scopes: HashMap<Scope, Pending>,
    len: usize,
}

#[derive(Debug)]
enum Pending {
    Some(HashSet<Forget>),
    Whole,
}

impl Owed {
    pub(crate) fn push(&mut self, forget: Forget) {
        if self.all {
            return;
        }
        let scope = match &forget {
            Forget::Key { scope, .. } | Forget::Tag { scope, .. } | Forget::Scope { scope } => {
                scope.clone()
            }
            Forget::All => return self.everything(),
        };
        let whole = matches!(forget, Forget::Scope { .. });
        let pending = self
            .scopes
            .entry(scope)
            .or_insert_with(|| Pending::Some(HashSet::new()));
        if let Pending::Some(some) = pending {
            let before = some.len();
            if whole || before >= PER_SCOPE {
                self.len -= before;
                self.len += 1;
                *pending = Pending::Whole;
            } else {
                some.insert(forget);
                self.len += some.len() - before;
            }
        }
        if self.len > IN_ALL {
            self.everything();
        }
    }

    /// All that is pending, for whoever can tell it; what could not be told is pushed again.
    pub(crate) fn take(&mut self) -> Vec<Forget> {
        let Self { all, scopes, .. } = std::mem::take(self);
        if all {
            return vec![Forget::All];
        }
        let forgets = scopes
            .into_iter()
            .flat_map(|(scope, pending)| match pending {
                Pending::Some(some) => some.into_iter().collect(),
                Pending::Whole => vec![Forget::Scope { scope }],
            });
        forgets.collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.all && self.len == 0
    }

    fn everything(&mut self) {
        *self = Self {
            all: true,
            ..Self::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::{Forget, IN_ALL, Owed, PER_SCOPE, Scope};

    fn key(tenant: usize, key: usize) -> Forget {
        Forget::Key {
            scope: Scope::Tenant(format!("t{tenant}")),
            cache: "c".to_owned(),
            key: key.to_be_bytes().to_vec(),
        }
    }

    #[test]
    fn repetitions_count_once() {
        let mut owed = Owed::default();
        assert!(owed.is_empty() && owed.take().is_empty());
        for _ in 0..10 {
            owed.push(key(1, 7));
        }
        assert!(!owed.is_empty());
        assert_eq!(owed.take(), [key(1, 7)]);
        assert!(owed.is_empty());
    }

    #[test]
    fn too_many_of_one_tenant_are_the_tenant() {
        let mut owed = Owed::default();
        (0..=PER_SCOPE).for_each(|n| owed.push(key(1, n)));
        owed.push(key(2, 7));
        owed.push(key(1, 5));
        let taken = owed.take();
        let whole = Forget::Scope {
            scope: Scope::Tenant("t1".to_owned()),
        };
        assert_eq!(taken.len(), 2);
        assert!(taken.contains(&whole) && taken.contains(&key(2, 7)));
    }

    #[test]
    fn too_many_in_all_are_everything() {
        let mut owed = Owed::default();
        (0..=IN_ALL).for_each(|n| owed.push(key(n % 100, n)));
        assert_eq!(owed.take(), [Forget::All]);
        assert!(owed.is_empty());
        (0..=IN_ALL).for_each(|n| owed.push(key(n, 0)));
        owed.push(key(1, 1));
        assert_eq!(owed.take(), [Forget::All]);
    }

    #[test]
    fn a_tenant_that_is_forgotten_takes_the_rest_along() {
        let mut owed = Owed::default();
        let scope = Scope::Shared("plans".to_owned());
        let none = Forget::Scope {
            scope: scope.clone(),
        };
        owed.push(Forget::Tag {
            scope,
            tag: "a".to_owned(),
        });
        owed.push(none.clone());
        owed.push(none.clone());
        assert_eq!(owed.take(), [none]);
    }
}
