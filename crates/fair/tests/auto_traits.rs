//! What may be shared and moved.

use towerblock_core::Stats;
use towerblock_fair::{Acquire, Admission, FairLimit, FairSemaphore, Share, Slot};

#[test]
fn auto_traits() {
    fn shareable<T: Clone + Send + Sync + Unpin + 'static>() {}
    fn movable<T: Send + Sync + Unpin + 'static>() {}
    fn sendable<T: Send + 'static>() {}
    fn readable<T: Stats>() {}
    shareable::<FairLimit>();
    shareable::<FairSemaphore>();
    shareable::<Share>();
    movable::<Admission>();
    movable::<Slot>();
    sendable::<Acquire>();
    readable::<FairLimit>();
    readable::<FairSemaphore>();
}
