use std::fs;
use std::sync::Arc;

use towerblock_cache::Cache;
use towerblock_core::{BoxError, TenantId};

use crate::support::{LOADED, Random, bytes, name, now, ours};

const ROOM: u64 = 16 << 20;

enum Subjected {
    Moka(moka::sync::Cache<String, String>),
    Ours(Cache<String, String>),
}

impl Subjected {
    fn of(name: &str) -> Result<Self, BoxError> {
        let (hub, cache, acme) = ours(ROOM)?;
        if name == "`Cache`" {
            return Ok(Self::Ours(cache));
        }
        // As many entries as the other has room for.
        now(cache.put(&acme, "first", LOADED.to_owned()));
        now(cache.put(&acme, &self::name(1), LOADED.to_owned()));
        let first = bytes(&hub);
        now(cache.put(&acme, &self::name(2), LOADED.to_owned()));
        let each = (bytes(&hub) - first).max(1);
        Ok(Self::Moka(moka::sync::Cache::new(ROOM / each)))
    }

    /// Whether it was there; it is afterwards.
    async fn touch(&self, owner: &TenantId, key: u64) -> Result<bool, BoxError> {
        let key = name(key as usize);
        match self {
            Self::Moka(cache) => {
                let key = format!("{}{key}", owner.as_str());
                let hit = cache.get(&key).is_some();
                if !hit {
                    cache.insert(key, LOADED.to_owned());
                }
                Ok(hit)
            }
            Self::Ours(cache) => {
                let hit = cache.peek(owner, &key).is_some();
                if !hit {
                    cache.put(owner, &key, LOADED.to_owned()).await;
                }
                Ok(hit)
            }
        }
    }
}

/// The part of its lookups that hit, of a tenant whose keys take a third of the memory, beside so
/// many lookups of one that never comes back to a key.
pub(crate) async fn beside(name: &str, noise: u64) -> Result<f64, BoxError> {
    let subject = Subjected::of(name)?;
    let (quiet, noisy) = (TenantId::new("quiet")?, TenantId::new("noisy")?);
    let (mut random, mut scanned, mut hits) = (Random(7), 0, 0);
    for n in 0..200_000_u64 {
        let key = random.below(9_000);
        let hit = subject.touch(&quiet, key).await?;
        hits += u64::from(n >= 100_000 && hit);
        for _ in 0..noise {
            scanned += 1;
            subject.touch(&noisy, scanned).await?;
        }
    }
    Ok(hits as f64 / 100_000.0)
}

/// One tenant, ten times the keys that there is room for, the nth 1/n as often as the first.
pub(crate) async fn zipf(name: &str) -> Result<f64, BoxError> {
    let subject = Subjected::of(name)?;
    let tenant = TenantId::new("acme")?;
    let (mut random, mut hits) = (Random(7), 0);
    for n in 0..1_000_000_u64 {
        let key = 300_000_f64.powf(random.unit()) as u64;
        let hit = subject.touch(&tenant, key).await?;
        hits += u64::from(n >= 500_000 && hit);
    }
    Ok(hits as f64 / 500_000.0)
}

pub(crate) fn fill(subject: &str) -> Result<(), BoxError> {
    const MANY: usize = 1_000_000;
    let before = resident()?;
    let (name_of, counted) = match subject {
        "moka" => {
            let moka = moka::sync::Cache::new(2 * MANY as u64);
            for n in 0..MANY {
                moka.insert(name(n), Arc::new(LOADED.to_owned()));
            }
            moka.run_pending_tasks();
            let grown = (resident()? - before) / MANY as u64;
            println!("| `moka::sync`, by resident memory | {grown} |");
            return Ok(());
        }
        _ => {
            let (hub, cache, acme) = ours(4 << 30)?;
            for n in 0..MANY {
                now(cache.put(&acme, &name(n), LOADED.to_owned()));
            }
            let grown = (resident()? - before) / MANY as u64;
            (grown, bytes(&hub) / MANY as u64)
        }
    };
    println!("| `Cache`, by resident memory | {name_of} |");
    println!("| `Cache`, as it counts itself | {counted} |");
    Ok(())
}

fn resident() -> Result<u64, BoxError> {
    let pages = fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = pages.split(' ').nth(1).ok_or("no resident size")?.parse()?;
    Ok(pages * 4_096)
}
