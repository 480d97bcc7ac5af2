use tokio::time::Instant;
use towerblock_core::TenantId;

use crate::Share;
use crate::turns::Turns;

fn id(name: String) -> TenantId {
    TenantId::new(name).unwrap()
}

#[test]
fn a_flood_of_minted_tenants_leaves_no_memory_behind() {
    let now = Instant::now();
    let mut turns = Turns::<()>::new(50_000);
    turns.queue(10, 50_000);
    turns.count_tenants();
    let share = Share::default();
    let names = (0..100_000).map(|n| id(format!("minted-{n}")));
    let (mut taken, mut waiting) = (Vec::new(), Vec::new());
    for tenant in names {
        match turns.take(&tenant, share) {
            Some(slot) => taken.push(slot),
            None => waiting.push(turns.wait(&tenant, share, None, now).unwrap().0),
        }
    }
    assert_eq!((taken.len(), waiting.len()), (50_000, 50_000));
    for key in waiting {
        assert!(turns.leave(key).0.is_none());
    }
    for slot in taken {
        turns.give_back(slot, None);
    }
    assert_eq!(turns.seats.arena.len(), 0);
    assert!(turns.seats.room() <= 2_048, "{}", turns.seats.room());
    assert!(turns.waiters.room() <= 1_024);
}
