use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use towerblock_redis::{Error, Redis, Reply};

use super::message::Message;
use super::names::{EntryNames, Names};
use super::scripts::{FILL, FORGET, FORGET_TAG, READ, TAKE};
use crate::forget::{Forget, Scope};

/// The level that instances share: each call is a script, and one round trip.
#[derive(Debug)]
pub(crate) struct Level {
    redis: Redis,
    names: Names,
    /// This instance, as it signs its messages and tokens.
    id: String,
    tokens: AtomicU64,
}

/// Whose entry, of which cache, in what form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) cache: &'a str,
    pub(crate) key: &'a [u8],
    /// The type and its version: instances with another one do not see each other's values.
    pub(crate) field: &'a str,
}

/// What was found, and what whoever asked may do.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) stored: Option<Stored>,
    pub(crate) right: Right,
}

/// A valid entry, however old.
#[derive(Debug)]
pub(crate) struct Stored {
    /// In ms; negative where the server's clock was set back.
    pub(crate) age: i64,
    /// In ms, from when it was made.
    pub(crate) fresh_for: i64,
    /// By the server's clock, in µs.
    pub(crate) made: u64,
    pub(crate) payload: Bytes,
    pub(crate) tags: Vec<String>,
}

#[derive(Debug)]
pub(crate) enum Right {
    /// To fill it.
    Lease(Lease),
    /// To wait for who does, at most so long.
    Wait(Duration),
    /// To load and not fill it; or it is fresh.
    None,
}

/// Leave to fill an entry, until something is forgotten or time is up.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    token: String,
    generation: Bytes,
    tags: Bytes,
}

/// What to store.
#[derive(Debug)]
pub(crate) struct Fill {
    pub(crate) payload: Bytes,
    pub(crate) fresh_for: u64,
    pub(crate) keep_for: u64,
    pub(crate) tags: Box<[Box<str>]>,
}

impl Level {
    pub(crate) fn new(redis: Redis, namespace: &str) -> Self {
        // Each has keys of its own, drawn by the system.
        let [one, other] = [(); 2].map(|()| RandomState::new().hash_one(namespace));
        Self {
            redis,
            names: Names::new(namespace),
            id: format!("{one:016x}{other:016x}"),
            tokens: AtomicU64::new(0),
        }
    }

    pub(crate) fn redis(&self) -> &Redis {
        &self.redis
    }

    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// Whether a message is this instance's own.
    pub(crate) fn is_own(&self, message: &Message) -> bool {
        message.from == self.id
    }

    /// Reads an entry and asks for the lease of one that is not fresh; with `lease` zero it only
    /// reads.
    pub(crate) async fn read(&self, target: Target<'_>, lease: Duration) -> Result<Answer, Error> {
        let EntryNames { entry, lease: held } = self.entry(target);
        let scope = self.names.scope(target.scope);
        let token = self.token();
        let keys = [entry, held, scope.marks, self.names.generation()];
        let lease = lease.as_millis().to_string();
        let args = [target.field, &token, &lease, &scope.tags];
        let mut reply = self
            .redis
            .run(&READ, &keys, &args)
            .await?
            .into_array()
            .into_iter();
        let what = reply.next().and_then(|it| it.integer());
        let mut bytes = || reply.next().and_then(Reply::into_bytes).unwrap_or_default();
        let (generation, tags) = (bytes(), bytes());
        let mut number = || reply.next().and_then(|it| it.integer());
        let left = number().and_then(|left| u64::try_from(left).ok());
        let (age, fresh_for, made) = (number(), number(), number());
        let payload = reply.next().and_then(Reply::into_bytes);
        let names = reply.next().map(Reply::into_array).unwrap_or_default();
        let names = names.iter().filter_map(|tag| Some(tag.text()?.to_owned()));
        let right = match what {
            Some(2) => Right::Lease(Lease {
                token,
                generation,
                tags,
            }),
            Some(4) => Right::Wait(Duration::from_millis(left.unwrap_or_default())),
            _ => Right::None,
        };
        let stored = (|| {
            Some(Stored {
                age: age?,
                fresh_for: fresh_for?,
                made: u64::try_from(made?).ok()?,
                payload: payload?,
                tags: names.collect(),
            })
        })();
        Ok(Answer { stored, right })
    }

    /// The lease, whoever has it.
    pub(crate) async fn take(&self, target: Target<'_>, lease: Duration) -> Result<Lease, Error> {
        let held = self.entry(target).lease;
        let marks = self.names.scope(target.scope).marks;
        let token = self.token();
        let keys = [held, marks, self.names.generation()];
        let args = [&*token, &lease.as_millis().to_string()];
        let mut reply = self
            .redis
            .run(&TAKE, &keys, &args)
            .await?
            .into_array()
            .into_iter();
        let mut bytes = || reply.next().and_then(Reply::into_bytes).unwrap_or_default();
        let (generation, tags) = (bytes(), bytes());
        Ok(Lease {
            token,
            generation,
            tags,
        })
    }

    /// Whether it was stored: not if the lease is another's by now, or something was forgotten.
    pub(crate) async fn fill(
        &self,
        target: Target<'_>,
        lease: &Lease,
        fill: Fill,
    ) -> Result<bool, Error> {
        let EntryNames { entry, lease: held } = self.entry(target);
        let scope = self.names.scope(target.scope);
        let keys = [entry, held, scope.marks, self.names.generation()];
        let [keep, fresh] = [fill.keep_for.max(1), fill.fresh_for].map(|ms| ms.to_string());
        let mut args: Vec<&[u8]> = vec![
            lease.token.as_bytes(),
            &lease.generation,
            &lease.tags,
            target.field.as_bytes(),
            keep.as_bytes(),
            fresh.as_bytes(),
            &fill.payload,
            scope.tags.as_bytes(),
        ];
        args.extend(fill.tags.iter().map(|tag| tag.as_bytes()));
        let reply = self.redis.run(&FILL, &keys, &args).await?;
        Ok(reply.integer() == Some(1))
    }

    /// Deletes what is to be forgotten, and tells the others. Done twice, it does no harm.
    pub(crate) async fn forget(&self, forget: &Forget) -> Result<(), Error> {
        let (script, keys) = match forget {
            Forget::All => (&FORGET, vec![self.names.generation()]),
            Forget::Key { scope, cache, key } => {
                let names = self.names.entry(scope, cache, key);
                (&FORGET, vec![names.entry, names.lease])
            }
            Forget::Tag { scope, tag } => {
                let names = self.names.scope(scope);
                (
                    &FORGET_TAG,
                    vec![format!("{}{tag}", names.tags), names.marks],
                )
            }
            Forget::Scope { scope } => (&FORGET, vec![self.names.scope(scope).marks]),
        };
        let message = Message {
            from: self.id.clone(),
            forget: forget.clone(),
        };
        let args = [Bytes::from(self.names.bus()), message.encode()];
        self.redis.run(script, &keys, &args).await?;
        Ok(())
    }

    fn entry(&self, target: Target<'_>) -> EntryNames {
        self.names.entry(target.scope, target.cache, target.key)
    }

    /// Of one length, for generations are joined.
    fn token(&self) -> String {
        let count = self.tokens.fetch_add(1, Ordering::Relaxed);
        format!("{}{count:016x}", self.id)
    }
}
