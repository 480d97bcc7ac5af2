use std::convert::Infallible;

use towerblock_cache::{Cache, Error, GetOrLoad, Hit, Hub, SharedCache};

use crate::support::{hub, minute, strings, tenant};

#[test]
fn auto_traits() {
    fn is<T: Send + Sync>() {}
    fn is_send<T: Send + Unpin + 'static>() {}
    is::<Hub>();
    is::<Cache<String, String>>();
    is::<SharedCache<u64, String>>();
    is::<Hit<String>>();
    is::<Error>();
    is_send::<GetOrLoad<String>>();
}

#[test]
fn the_future_of_a_hit_is_small_whatever_the_value_and_the_loader() {
    assert!(
        size_of::<GetOrLoad<[u8; 4_096]>>() <= 64,
        "{}",
        size_of::<GetOrLoad<[u8; 4_096]>>()
    );
}

#[tokio::test]
async fn a_hit_is_ready_at_once_and_calls_no_loader() {
    let hub = hub();
    let cache = strings(&hub, minute());
    let acme = tenant("acme");
    cache.put(&acme, "k", "v".to_owned()).await;
    let mut hit = tokio_future(cache.get_or_load(&acme, "k", || async {
        panic!("loaded");
        #[expect(unreachable_code, reason = "it has to have a type")]
        Ok::<String, Infallible>(String::new())
    }));
    assert_eq!(&*hit.take().unwrap().unwrap().unwrap(), "v");
}

/// The result of a future that is ready at its first poll.
fn tokio_future<F: Future>(future: F) -> Option<F::Output> {
    use futures_util::FutureExt;
    future.now_or_never()
}
