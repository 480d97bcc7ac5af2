use std::num::NonZeroUsize;

use towerblock_core::TenantId;

use crate::FairLimit;

#[test]
fn a_flood_of_minted_tenants_leaves_no_memory_behind() {
    let limit = FairLimit::new(NonZeroUsize::new(50_000).unwrap());
    let admit = |n| {
        let tenant = TenantId::new(format!("minted-{n}")).unwrap();
        limit.admit(&tenant).ok()
    };
    let admitted: Vec<_> = (0..100_000).filter_map(admit).collect();
    assert_eq!(admitted.len(), 50_000);
    assert!(limit.memory().1 > 2_048);
    drop(admitted);
    let (known, room) = limit.memory();
    assert_eq!(known, 0);
    assert!(room <= 2_048, "{room}");
}
