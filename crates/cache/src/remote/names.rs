use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::forget::Scope;
/// A longer key is known by its hash.
const LONGEST: usize = 200;

/// What things are called in Redis: `<namespace>:1:{<tenant>}:…`, where 1 is the version of the
/// layout. No tenant id and no key can spell a name of another's: whatever is not a letter, a
/// digit, `_` or `-` is written as `%` and two hexadecimal digits.
#[derive(Debug)]
pub(crate) struct Names {
    prefix: String,
}

/// The keys of one entry.
#[derive(Clone, Debug)]
pub(crate) struct EntryNames {
    pub(crate) entry: String,
    pub(crate) lease: String,
}

/// The keys of one scope.
#[derive(Clone, Debug)]
pub(crate) struct ScopeNames {
    /// Its generation, and that of its tags.
    pub(crate) marks: String,
    /// What a tag's version is called, up to the tag.
    pub(crate) tags: String,
}

impl Names {
    pub(crate) fn new(namespace: &str) -> Self {
        let prefix = format!("{namespace}:1:");
        Self { prefix }
    }

    /// The generation of all there is.
    pub(crate) fn generation(&self) -> String {
        format!("{}g", self.prefix)
    }

    pub(crate) fn bus(&self) -> String {
        format!("{}bus", self.prefix)
    }

    pub(crate) fn scope(&self, scope: &Scope) -> ScopeNames {
        let mut marks = self.within(scope);
        let tags = format!("{marks}t:");
        marks.push('m');
        ScopeNames { marks, tags }
    }

    pub(crate) fn entry(&self, scope: &Scope, cache: &str, key: &[u8]) -> EntryNames {
        let within = self.within(scope);
        let mut rest = format!("{cache}:");
        if key.len() > LONGEST {
            // Not a percent sign, which begins what is escaped.
            rest.push('~');
            for byte in Sha256::digest(key) {
                let _ = write!(rest, "{byte:02x}");
            }
        } else {
            escape(&mut rest, key);
        }
        EntryNames {
            entry: format!("{within}e:{rest}"),
            lease: format!("{within}l:{rest}"),
        }
    }

    fn within(&self, scope: &Scope) -> String {
        let mut within = self.prefix.clone();
        within.push('{');
        match scope {
            Scope::Tenant(id) => escape(&mut within, id.as_bytes()),
            // As no tenant's id is written.
            Scope::Shared(cache) => {
                within.push('~');
                within.push_str(cache);
            }
        }
        within.push_str("}:");
        within
    }
}

fn escape(name: &mut String, bytes: &[u8]) {
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => name.push(char::from(*byte)),
            // Writing into a string does not fail.
            _ => drop(write!(name, "%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Names;
    use crate::forget::Scope;

    fn tenant(id: &str) -> Scope {
        Scope::Tenant(id.to_owned())
    }

    #[test]
    fn names_are_those_of_the_documented_layout() {
        let names = Names::new("shop");
        let acme = tenant("acme");
        let entry = names.entry(&acme, "plugin", b"a:b\x00");
        assert_eq!(entry.entry, "shop:1:{acme}:e:plugin:a%3Ab%00");
        assert_eq!(entry.lease, "shop:1:{acme}:l:plugin:a%3Ab%00");
        let of_tenant = names.scope(&acme);
        assert_eq!(of_tenant.marks, "shop:1:{acme}:m");
        assert_eq!(of_tenant.tags, "shop:1:{acme}:t:");
        let shared = names.scope(&Scope::Shared("plans".to_owned()));
        assert_eq!(shared.marks, "shop:1:{~plans}:m");
        assert_eq!(names.generation(), "shop:1:g");
        let long = names.entry(&acme, "plugin", &[b'k'; 201]).entry;
        assert_eq!(long.len(), "shop:1:{acme}:e:plugin:~".len() + 64);
    }

    proptest! {
        #[test]
        fn no_two_keys_share_a_name(
            a in proptest::collection::vec(any::<u8>(), 0..220),
            b in proptest::collection::vec(any::<u8>(), 0..220),
            tenants in ("[a-z0-9:{}*%~.-]{1,20}", "[a-z0-9:{}*%~.-]{1,20}"),
        ) {
            let names = Names::new("n");
            let (one, other) = (tenant(&tenants.0), tenant(&tenants.1));
            let name = |scope: &Scope, key: &[u8]| names.entry(scope, "c", key).entry;
            prop_assert_eq!(name(&one, &a) == name(&one, &b), a == b);
            prop_assert_eq!(name(&one, &a) == name(&other, &a), one == other);
            prop_assert_ne!(name(&Scope::Shared("c".to_owned()), &a), name(&one, &a));
            let marks = [&one, &other].map(|scope| names.scope(scope).marks);
            prop_assert_eq!(marks[0] == marks[1], one == other);
        }
    }
}
