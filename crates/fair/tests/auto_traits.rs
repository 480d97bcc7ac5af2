//! What may be shared and moved.

use towerblock_core::Stats;
use towerblock_fair::{Acquire, Admission, FairLimit, FairSemaphore, Share, Slot};

#[test]
fn auto_traits() {
    fn shareable<T: Clone + Send + Sync + Unpin + 'static>() {}
    fn movable<T: Send + Sync + Unpin + 'static>() {}
    fn readable<T: Stats>() {}
    shareable::<FairLimit>();
    shareable::<FairSemaphore>();
    shareable::<Share>();
    movable::<Acquire>();
    movable::<Admission>();
    movable::<Slot>();
    readable::<FairLimit>();
    readable::<FairSemaphore>();
}
